"""A real OpenZiti network for the tests of this folder: `python3 dev.py test --ziti`."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ziti.daemons import Daemons, target_at
from tests.ziti.network import NoGo, ZitiNetwork, build
from tests.ziti.places import Loopback, places


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("ziti")


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Any:
    """Build before the first test: that takes minutes, and a test's time is limited."""
    if any(item.get_closest_marker("ziti") for item in session.items) and not session.config.option.collectonly:
        with contextlib.suppress(NoGo):
            build(lambda sentence: print(f"\n{sentence}", flush=True))
    return (yield)


@pytest.fixture(scope="session")
def ziti_program() -> Path:
    """The `ziti` binary. Where there is neither it nor a Go to build it with: skips with the reason, in CI fails."""
    try:
        return build()
    except NoGo as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def ziti_network(ziti_program: Path) -> Iterator[ZitiNetwork]:
    """One running network for all tests that do not break it: give services and identities names of your own."""
    yield from _network()


@pytest.fixture
def ziti_networks(ziti_program: Path) -> Iterator[Callable[..., ZitiNetwork]]:
    """ziti_networks(routers=2): a running network of the test's own, to be broken; gone at its end."""
    made: list[Any] = []

    def start(**options: Any) -> ZitiNetwork:
        network = _network(**options)
        made.append(network)
        return next(network)

    yield start
    for each in made:
        each.close()


def _network(**options: Any) -> Iterator[ZitiNetwork]:
    folder = Path(tempfile.mkdtemp(prefix="zrokd-ziti-"))
    network = ZitiNetwork(folder / "network", **options)
    try:
        yield network.start()
    finally:
        network.stop()
        shutil.rmtree(folder, ignore_errors=True)


def overlays(network: ZitiNetwork) -> dict[str, str]:
    """`overlay:` of the three daemons: the controller administers the network, the others only use it."""
    password = network.folder / "password"
    password.write_text(network.password)
    password.chmod(0o600)
    admin = f"{{username: {network.username}, password: !file {password}}}"
    joined = f"{{use: ziti, controller: '{network.url}', ca: {network.ca}, admin: {admin}}}"
    return {"controller": joined, **dict.fromkeys(("frontend", "backend"), "{use: ziti}")}


@pytest.fixture(scope="module")
def three(ziti_program: Path) -> Iterator[Daemons]:
    """Three daemons in three network namespaces, or at three ports, and a network that joins them."""
    yield from _daemons(places(["frontend", "backend"]))


@pytest.fixture
def daemons(ziti_program: Path) -> Iterator[Callable[..., tuple[Daemons, ZitiNetwork]]]:
    """daemons(where, routers=2, further={"controller": "..."}): three daemons and their network, to be broken."""
    made: list[Any] = []

    def start(where: Loopback | None = None, **options: Any) -> tuple[Daemons, ZitiNetwork]:
        made.append(_daemons(where or Loopback(), **options))
        three = next(made[-1])
        return three, three.network

    yield start
    for each in made:
        each.close()


def _daemons(where: Loopback, further: Mapping[str, str] = {}, **options: Any) -> Iterator[Daemons]:
    folder = Path(tempfile.mkdtemp(prefix="zrokd-ziti-"))
    try:
        with (
            ZitiNetwork(folder / "network", host=where.hub, **options) as network,
            target_at(where, "backend") as target,
        ):
            made = Daemons(folder, where, overlays(network), target, **further)
            made.network = network
            try:
                made.start()
                yield made
            finally:
                made.close()
    finally:
        where.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    """What a failed test's network said, beside its own words."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, ZitiNetwork):
                report.sections.append((f"{name}", value.logs(80)))
    return report
