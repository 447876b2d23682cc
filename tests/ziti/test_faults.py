"""Something breaks for real, under load: who is cut sees it soon, who asks is answered soon, and all comes back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from tests.ziti.daemons import ACCOUNT, PRIVATE, Daemons
from tests.ziti.places import Namespaces, are_possible
from tests.ziti.watch import OpenStream, Watch, eventually
from zrokd.client.controller import Controller as ZrokdClient
from zrokd.errors import Unavailable
from zrokd.model.units import Secret

AWAY_S = float(os.environ.get("ZROKD_TEST_AWAY_S", "45"))  # 600: as long as it is to hold at least
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240 + AWAY_S),
    pytest.mark.leaves_behind("processes are others after a restart"),
]
FAILS_WITHIN_S = 5.0  # an open stream whose path died
ANSWERS_WITHIN_S = 2.0  # a new request meanwhile
BACK_WITHIN_S = 10.0  # the first success after the cause ended
TRUTH_WITHIN_S = 10.0  # what /readyz says of a bind
SETTLES_S = 1.0  # requests that began before this are cut, not refused
DAY_S = 86400
FLAPS, FLAP_EVERY_S = 20, 3.0
SOON = {"controller": "    reconcile_every: 1s\n"}


@pytest.fixture
def tell(capsys, request):
    """tell("what", seconds=...): one line for who reads the run."""

    def said(what: str, **figures: object) -> None:
        shown = ", ".join(
            f"{name.replace('_', ' ')} {f'{value:.2f} s' if isinstance(value, float) else value}"
            for name, value in figures.items()
        )
        with capsys.disabled():
            print(f"\n{what}: {shown}", end=" ")

    return said


def ready(three: Daemons, name: str) -> bool:
    return three.processes[name].ready()[0] == 200


def all_ready(three: Daemons) -> bool:
    return all(ready(three, name) for name in three.processes)


def seconds_until(check: Callable[[], object], within_s: float) -> float:
    """Seconds until `check` is true; endless when it is not within `within_s`."""
    began = time.monotonic()
    while not check():
        if time.monotonic() - began > within_s:
            return float("inf")
        gevent.sleep(0.02)
    return time.monotonic() - began


class Outage:
    """What was seen between the begin of a cause and its end."""

    def __init__(self, three: Daemons, watch: Watch) -> None:
        self.three, self.watch = three, watch
        self.began = self.ended = 0.0

    @contextlib.contextmanager
    def cause(self):
        self.began = time.monotonic()
        yield
        self.ended = time.monotonic()

    def judge(self, tell: Callable[..., None], what: str, *, refused: bool = True, **figures: object) -> None:
        """First success in time, no hang, no wrong byte, refusals prompt and (when `refused`) told as 503."""
        back_s = self.watch.first_success_after(self.ended, BACK_WITHIN_S + 1)
        self.watch.steady_after(self.ended + back_s)
        eventually(lambda: all_ready(self.three), TRUTH_WITHIN_S, lambda: unready(self.three))
        meanwhile = self.watch.began_between(self.began + SETTLES_S, self.ended)
        slowest_s = max((each.took_s for each in meanwhile), default=0.0)
        tell(what, **figures, slowest_answer=slowest_s, back_after=back_s, answers=self.watch.counts(self.began))
        assert_no_hang_no_wrong_byte(self.watch)
        assert back_s <= BACK_WITHIN_S
        assert slowest_s <= ANSWERS_WITHIN_S
        if refused:
            assert {each.status for each in meanwhile} <= {503}


def unready(three: Daemons) -> str:
    return "\n".join(f"{name}: {process.ready()}" for name, process in three.processes.items()) + three.logs()


def assert_no_hang_no_wrong_byte(watch: Watch) -> None:
    counts = watch.counts()
    assert counts.get(-1, 0) == 0, "a request hung"
    assert counts.get(-2, 0) == 0, "a visitor got wrong bytes"


# -- routers ---


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "ended"])
def test_the_only_router_goes_and_comes_back(daemons, tell, kill):
    three, network = daemons()
    with Watch(three) as watch, OpenStream(three) as stream:
        stream.more()
        outage = Outage(three, watch)
        with outage.cause():
            network.router.kill() if kill else network.router.stop()
            broke_s = stream.broke_after(outage.began, FAILS_WITHIN_S + 10)
            told_s = seconds_until(lambda: not ready(three, "backend"), TRUTH_WITHIN_S)
            gevent.sleep(max(0.0, 4.0 - (time.monotonic() - outage.began)))
            network.router.start()
        outage.judge(tell, "router away", open_stream_broke=broke_s, readyz_told=told_s)
    assert broke_s <= FAILS_WITHIN_S
    assert told_s <= TRUTH_WITHIN_S, "/readyz of the backend said all the time that its shares are bound"


def test_a_router_that_flaps_for_a_minute_is_ridden_over(daemons, tell):
    three, network = daemons()
    with Watch(three) as watch:
        outage = Outage(three, watch)
        with outage.cause():
            for _ in range(FLAPS):
                began = time.monotonic()
                network.router.restart(kill=True, wait=False)
                gevent.sleep(max(0.0, FLAP_EVERY_S - (time.monotonic() - began)))
            network.router.wait_ready()
        outage.judge(tell, f"router restarted {FLAPS} times", refused=False)


@pytest.mark.parametrize("number", [0, 1])
def test_one_of_two_routers_is_killed_and_nobody_notices_for_long(daemons, tell, number):
    three, network = daemons(routers=2)
    with Watch(three) as watch:
        outage = Outage(three, watch)
        with outage.cause():
            network.routers[number].kill()
        gevent.sleep(BACK_WITHIN_S)
        outage.judge(tell, f"router {number + 1} of 2 killed", refused=False)
        after = watch.began_between(outage.ended + ANSWERS_WITHIN_S, time.monotonic())
        assert after
        assert {each.status for each in after} <= {200}
        network.routers[number].start()
        eventually(lambda: len(bound(network, three)) == 2, 30.0, three.logs)


def bound(network, three: Daemons) -> set[str]:
    """Routers on which the private share is bound."""
    return {each["router"]["name"] for each in network.terminators(PRIVATE)}


# -- the network's controller ---


def test_the_controller_is_restarted_and_no_visitor_notices(daemons, tell):
    three, network = daemons()
    with Watch(three) as watch, OpenStream(three) as stream:
        stream.more()
        outage = Outage(three, watch)
        with outage.cause():
            network.controller.restart(kill=True)
        outage.judge(tell, "controller restarted", refused=False)
        stream.more()
        assert set(watch.counts(outage.began)) == {200}


def test_while_the_controller_is_away_streams_and_dials_go_on(daemons, tell):
    three, network = daemons(further={"controller": "    reconcile_every: 20s\n"})
    with Watch(three) as watch, OpenStream(three) as stream:
        stream.more()
        outage = Outage(three, watch)
        with outage.cause():
            network.controller.kill()
            gevent.sleep(1)
            cold = burst(three)
            while time.monotonic() - outage.began < AWAY_S:
                stream.more()
                gevent.sleep(0.2)
            network.controller.start()
        outage.judge(tell, f"controller away {AWAY_S:.0f} s", refused=False, who_needed_new_streams=sorted(cold))
        stream.more()
    # OpenZiti's controller makes every circuit: only streams that are there go on, and who needs another is refused.
    assert {status for status, _ in cold} <= {200, 503}
    assert max(took_s for _, took_s in cold) <= ANSWERS_WITHIN_S
    network.router.wait_ready()
    three.add_share("{name: later, mode: hello}")
    tell("a share made then", first_answer=three.wait_for_traffic(BACK_WITHIN_S, "later.ziti.localhost"))


def test_a_controller_that_starts_while_the_network_is_away_answers_and_comes_right(daemons, tell):
    three, network = daemons(further=SOON)
    assert three.controller.end() == 0
    network.kill()
    three.controller.start(wait=False)
    three.controller.told("READY=1", 20.0)
    url = f"http://{three.where.hub}:{three.api_port}"
    with contextlib.closing(ZrokdClient(url, Secret(ACCOUNT))) as client:
        assert len(client.overview()["environments"]) == 2, "reading needs no network"
        began = time.monotonic()
        with pytest.raises(Unavailable) as refused:
            client.enable("too", "early")
        took_s = time.monotonic() - began
        assert refused.value.retry_after_s > 0
        assert not ready(three, "controller")
        network.start()
        back_s = seconds_until(lambda: ready(three, "controller"), BACK_WITHIN_S)
        client.enable("in", "time")
    tell("network away at the start", refused_after=took_s, back_after=back_s)
    assert took_s <= ANSWERS_WITHIN_S
    assert back_s <= BACK_WITHIN_S
    assert three.wait_for_traffic(BACK_WITHIN_S)


def burst(three: Daemons, count: int = 16) -> list[tuple[int, float]]:
    """Status and seconds of more requests at once than there are streams to reuse."""

    def ask() -> tuple[int, float]:
        began = time.monotonic()
        answer = three.ask("/bytes/2000000", timeout_s=20.0)
        return answer.status if answer else 0, round(time.monotonic() - began, 2)

    jobs = [gevent.spawn(ask) for _ in range(count)]
    gevent.joinall(jobs, raise_error=True)
    return [job.value for job in jobs]


def test_revoked_sessions_are_opened_again(daemons, tell):
    three, network = daemons()
    with Watch(three) as watch:
        outage = Outage(three, watch)
        with outage.cause():
            revoked = network.delete_all_sessions()
        assert revoked >= 2
        outage.judge(tell, "every API session revoked", refused=False, sessions=revoked)
    three.wait_for(lambda: three.status_of_access() == 200, BACK_WITHIN_S)


def test_a_service_that_is_deleted_while_bound_comes_back(daemons, tell):
    three, network = daemons(further=SOON)
    with Watch(three) as watch:
        outage = Outage(three, watch)
        with outage.cause():
            for each in network.all("/services"):
                network.api("DELETE", f"/services/{each['id']}")
        outage.judge(tell, "every service deleted", refused=False)
    three.wait_for(lambda: three.status_of_access() == 200, BACK_WITHIN_S)


def test_binds_that_the_network_forgot_are_found_out_by_dials_of_our_own(daemons, tell):
    three, network = daemons()
    circuits = network.circuits()
    for each in network.all("/terminators"):
        network.api("DELETE", f"/terminators/{each['id']}")  # nobody tells the host
    api_s, status_s, told_s = times_until(
        TRUTH_WITHIN_S,
        lambda: "broken" in standings(three).values(),
        lambda: "broken" in status_on_host(three).values(),
        lambda: not ready(three, "backend"),
    )
    back_s = seconds_until(lambda: bound(network, three) and ready(three, "backend"), BACK_WITHIN_S)
    api_back_s = seconds_until(lambda: set(standings(three).values()) == {"bound"}, TRUTH_WITHIN_S)
    figures = {"api_told": api_s, "status_told": status_s, "api_told_of_the_end": api_back_s}
    tell("every terminator deleted", readyz_told=told_s, back_after=back_s, **figures)
    assert told_s <= TRUTH_WITHIN_S, "/readyz of the backend said all the time that visitors reach its shares"
    assert max(api_s, status_s, api_back_s) <= TRUTH_WITHIN_S
    assert back_s <= BACK_WITHIN_S
    eventually(lambda: network.circuits() <= circuits, 10.0, lambda: "our own dials left circuits behind")


def test_a_backend_that_is_killed_leaves_shares_that_are_told_broken(daemons, tell):
    three, _ = daemons()
    eventually(lambda: set(standings(three).values()) == {"bound"}, TRUTH_WITHIN_S, three.logs)
    three.backend.kill()
    told_s = seconds_until(lambda: set(standings(three).values()) == {"broken"}, TRUTH_WITHIN_S)
    three.backend.start(wait=False)
    back_s = seconds_until(lambda: set(standings(three).values()) == {"bound"}, TRUTH_WITHIN_S)
    tell("backend killed", api_told=told_s, api_told_of_the_end=back_s)
    assert max(told_s, back_s) <= TRUTH_WITHIN_S
    assert set(status_on_host(three).values()) == {"bound"}


def standings(three: Daemons) -> dict[str, str]:
    """State of each share by token, as the API tells."""
    url = f"http://{three.where.hub}:{three.api_port}"
    with contextlib.closing(ZrokdClient(url, Secret(ACCOUNT))) as client:
        return {one.share_token: one.reach.value for one in client.list_binds()}


def status_on_host(three: Daemons) -> dict[str, str]:
    """The same as `zrokd status` tells on the host of the backend."""
    (folder,) = three.folder.glob("state/backend/*/environment.json")
    told = subprocess.run(
        [sys.executable, "-m", "zrokd", "status", "--json"],
        env={**three.backend.environ, "ZROKD_HOME": str(folder.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {share["token"]: share["state"] for each in json.loads(told.stdout)["backends"] for share in each["shares"]}


def times_until(within_s: float, *checks: Callable[[], object]) -> list[float]:
    """As `seconds_until` for several checks at once."""
    jobs = [gevent.spawn(seconds_until, check, within_s) for check in checks]
    gevent.joinall(jobs, raise_error=True)
    return [job.value for job in jobs]


@pytest.mark.parametrize("name", ["frontend", "backend"])
def test_a_deleted_identity_is_told_and_nobody_hangs(daemons, tell, name):
    three, network = daemons()
    with Watch(three) as watch:
        began = time.monotonic()
        for each in identities(network, three, name):
            network.api("DELETE", f"/identities/{each}")
        told_s = seconds_until(lambda: "identity" in str(three.processes[name].ready()[1]), TRUTH_WITHIN_S)
        gevent.sleep(2)
        meanwhile = watch.began_between(began + SETTLES_S, time.monotonic() - ANSWERS_WITHIN_S)
        tell(f"identity of the {name} deleted", readyz_told=told_s, answers=watch.counts(began))
        assert max((each.took_s for each in meanwhile), default=0.0) <= ANSWERS_WITHIN_S
    assert_no_hang_no_wrong_byte(watch)
    assert told_s <= TRUTH_WITHIN_S, "/readyz never said so"
    assert not ready(three, name)


def identities(network, three: Daemons, name: str) -> list[str]:
    """Ids of the identities that a daemon uses."""
    if name == "backend":
        return [json.loads(next(three.folder.glob("state/backend/*/environment.json")).read_text())["z_id"]]
    return [each["id"] for each in network.all("/identities") if "frontend" in each["name"]]


# -- the wire, the machine ---


@pytest.mark.skipif(not are_possible(), reason="this process may make no network namespaces")
@pytest.mark.parametrize("name", ["frontend", "backend"])
def test_a_silent_link_is_found_out(daemons, tell, name):
    where = Namespaces(["frontend", "backend"])
    three, _ = daemons(where)
    if name == "frontend":  # its visitors are cut as well: only the way back is to be seen
        where.cut(name)
        gevent.sleep(8)
        where.mend(name)
        tell("wire of the frontend cut 8 s", back_after=three.wait_for_traffic(BACK_WITHIN_S))
        return
    with Watch(three) as watch, OpenStream(three) as stream:
        stream.more()
        outage = Outage(three, watch)
        with outage.cause():
            where.cut(name)
            told_s = seconds_until(lambda: not ready(three, name), TRUTH_WITHIN_S)
            broke_s = seconds_until(lambda: not stream.alive, FAILS_WITHIN_S) + told_s
            gevent.sleep(2)
            where.mend(name)
        if stream.broke_at is not None:
            broke_s = stream.broke_at - outage.began
        outage.judge(tell, f"wire of the {name} cut", open_stream_broke=broke_s, readyz_told=told_s)
    assert broke_s <= FAILS_WITHIN_S, "the open stream hung"
    assert told_s <= TRUTH_WITHIN_S


def test_the_whole_network_is_killed_and_started_again(daemons, tell):
    three, network = daemons()
    with Watch(three) as watch, OpenStream(three) as stream:
        stream.more()
        outage = Outage(three, watch)
        with outage.cause():
            network.kill()
            broke_s = stream.broke_after(outage.began, FAILS_WITHIN_S + 10)
            gevent.sleep(3)
            network.start()
        outage.judge(tell, "controller and router killed 4 s", open_stream_broke=broke_s)
    assert broke_s <= FAILS_WITHIN_S


# -- the clock ---


@pytest.fixture(scope="session")
def clock(tmp_path_factory) -> Path:
    """A library that gives the process which loads it another clock."""
    compiler = shutil.which("cc") or pytest.skip("no C compiler to make another clock with")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source)], check=True)
    return made


@pytest.mark.parametrize("name", ["frontend", "backend"])
@pytest.mark.parametrize("offset_s", [-3 * DAY_S, 3 * 365 * DAY_S], ids=["behind", "ahead"])
def test_a_wrong_clock_is_named_and_a_right_one_helps(daemons, tell, clock, name, offset_s):
    three, _ = daemons()
    process = three.processes[name]
    right = process.environ
    assert process.end() == 0
    process.environ = {**right, "LD_PRELOAD": str(clock), "CLOCK_OFFSET_S": str(offset_s)}
    process.start(wait=False)
    process.told("READY=1", 20.0)
    seen = [timed_status(three) for _ in range(5)]
    told_s = seconds_until(lambda: "clock" in told(process) + process.text(), TRUTH_WITHIN_S)
    process.kill()
    process.environ = right
    process.start(wait=False)
    tell(f"clock of the {name} wrong", told=told_s, answers=seen, back_after=three.wait_for_traffic(BACK_WITHIN_S))
    assert max(took_s for took_s, _ in seen) <= ANSWERS_WITHIN_S
    assert {status for _, status in seen} <= {502, 503}
    assert told_s <= TRUTH_WITHIN_S, "neither the log nor /readyz says that the clock is wrong"


def told(process) -> str:
    """What a daemon says about itself, as far as it answers yet."""
    with contextlib.suppress(OSError):
        return str(process.ready()[1])
    return ""


def timed_status(three: Daemons) -> tuple[float, int]:
    began = time.monotonic()
    status = three.status()
    return time.monotonic() - began, status


def test_a_clock_that_is_a_little_ahead_does_no_harm(daemons, clock):
    three, _ = daemons()
    for name in ("frontend", "backend"):
        process = three.processes[name]
        assert process.end() == 0
        process.environ = {**process.environ, "LD_PRELOAD": str(clock), "CLOCK_OFFSET_S": "3600"}
        process.start(wait=False)
    three.wait_for_traffic(BACK_WITHIN_S)
