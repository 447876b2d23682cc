"""Patched by gevent before anything else is imported; each test gives back what it took and never blocks the hub."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import functools
import gc
import itertools
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from zrokd.testing import lag, leaks

pytest_plugins = ["zrokd.testing.plugin", "tests.postgres.fixtures", "tests.signin.fixtures", "tests.schema"]
collect_ignore = ["samples"]  # their own tests run where they are installed: flow/test_samples.py
_REAL = {"ziti": "a real OpenZiti network", "postgres": "a real PostgreSQL server"}
_MARKERS = (
    "blocks_hub(reason): the test stands on the hub for more than half a second, and may",
    "leaves_behind(reason): the test ends with descriptors, greenlets or processes that others give back",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--claim", metavar="FOLDER", help="run only files that no other process with this folder took")
    for name, what in _REAL.items():
        parser.addoption(f"--{name}", action="store_true", help=f"run only the tests against {what}")


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    _hear_signals()
    hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no counterexample
    hypothesis.settings.load_profile("untimed")
    leaks.watch()


def _hear_signals() -> None:
    """Started under nohup, or behind `&`, we would ignore what tests send, and their children would inherit that."""
    for number, handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(trylast=True)  # folders mark their own tests before
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    real = {name for name in _REAL if config.getoption(name)}
    slow = config.getoption("--slow") or bool(real) or "slow" in config.option.markexpr

    def is_wanted(item: pytest.Item) -> bool:
        if {name for name in _REAL if item.get_closest_marker(name)} != real:
            return False
        return slow or not item.get_closest_marker("slow")

    wanted, others = [], []
    for item in items:
        (wanted if is_wanted(item) else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = wanted


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """With `--claim`, each file is run by the process that first comes to it: none is idle while others have files."""
    folder = session.config.getoption("claim")
    if not folder or session.testsfailed or session.config.option.collectonly:
        return None
    files = itertools.groupby(session.items, lambda item: item.path)
    ours = itertools.chain.from_iterable(items for path, items in files if _is_ours(path, Path(folder)))
    for item, following in itertools.pairwise(itertools.chain(ours, [None])):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return True


@functools.cache
def _is_ours(path: Path, folder: Path) -> bool:
    try:
        (folder / str(path).replace("/", "%")).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def pytest_collection_finish() -> None:
    # The leak check collects garbage often; what was imported and collected up to here never becomes any.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, bool, bool]:
    done = yield
    if nextitem is None or nextitem.path != item.path:
        # As above: what outlives a file is no garbage, mostly, and would be looked through again and again.
        gc.collect()
        gc.freeze()
    return done


@pytest.fixture(autouse=True)
def _gives_back(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("leaves_behind"):
        yield
        return
    with leaks.nothing_left():
        yield


@pytest.fixture(autouse=True)
def _hub_turns(request: pytest.FixtureRequest, _gives_back: None) -> Iterator[None]:
    with lag.HubWatch().watch() as seen:
        yield
    if seen.worst_s > lag.LIMIT_S and not request.node.get_closest_marker("blocks_hub"):
        pytest.fail(f"the hub stood still for {seen.worst_s:.2f} s in {seen.culprit}", pytrace=False)
