"""Patched by gevent before anything else is imported; each test gives back what it took and never blocks the hub."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import gc
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from zrokd.testing import lag, leaks

pytest_plugins = ["zrokd.testing.plugin", "tests.postgres.fixtures", "tests.signin.fixtures"]
collect_ignore = ["samples"]  # their own tests run where they are installed: flow/test_samples.py
_REAL = {"ziti": "a real OpenZiti network", "postgres": "a real PostgreSQL server"}
_MARKERS = (
    "blocks_hub(reason): the test stands on the hub for more than half a second, and may",
    "leaves_behind(reason): the test ends with descriptors, greenlets or processes that others give back",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--part", default="1/1", metavar="I/N", help="run each N-th test file only, from the I-th on")
    for name, what in _REAL.items():
        parser.addoption(f"--{name}", action="store_true", help=f"run only the tests against {what}")


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    _hear_signals()
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
    place, count = map(int, config.getoption("--part").split("/"))

    def is_wanted(item: pytest.Item) -> bool:
        if {name for name in _REAL if item.get_closest_marker(name)} != real:
            return False
        return slow or not item.get_closest_marker("slow")

    wanted = [item for item in items if is_wanted(item)]
    parts = _parts(wanted, count)
    chosen = {item for item in wanted if parts[item.path] == place - 1}
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def _parts(items: list[pytest.Item], count: int) -> dict[Path, int]:
    """The part that each file belongs to: the largest file first, each to the part that has least."""
    parts, loads = {}, [0] * count
    for path, size in Counter(item.path for item in items).most_common():
        parts[path] = loads.index(min(loads))
        loads[parts[path]] += size
    return parts


def pytest_collection_finish() -> None:
    # The leak check collects garbage often; what was imported and collected up to here never becomes any.
    gc.collect()
    gc.freeze()


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
