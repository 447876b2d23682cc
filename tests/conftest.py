"""Patched by gevent before anything else is imported; each test gives back what it took and never blocks the hub."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import gc
from collections.abc import Iterator

import pytest

from zrokd.testing import lag, leaks

pytest_plugins = ["zrokd.testing.plugin"]
collect_ignore = ["samples"]  # their own tests run where they are installed: flow/test_samples.py
_MARKERS = (
    "blocks_hub(reason): the test stands on the hub for more than half a second, and may",
    "leaves_behind(reason): the test ends with descriptors, greenlets or processes that others give back",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    leaks.watch()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or "slow" in config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


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
