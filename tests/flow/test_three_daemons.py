"""Three daemons from conf/, each under a user of its own: they meet over `overlay_local` and the controller's API."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import time
from pathlib import Path

import gevent
import pytest
import websockets

pytestmark = pytest.mark.timeout(90)
BACK_WITHIN_S = 5.0
HOST = "app.three.localhost"
CONFLICT = re.compile(r"\b409\b|[Cc]onflict|belongs to another|cannot be offered|is refused")
CHANGES = {  # what is added at the end of a file
    "controller": "    reconcile_every: 45s\n",
    "frontend": "    limits: {keep_alive: 70s}\n",
    "backend": "      - {name: more, mode: hello}\n",
}
VARIED = {  # the same, another one each time
    "frontend": "    limits: {{keep_alive: {0}s, share_requests: {1}}}\n",
    "backend": "      - {{name: more{0}, mode: hello}}\n",
}
# Connects to the socket of its argument, and says how that went.
CONNECT = "import os, socket, sys; s = socket.socket(socket.AF_UNIX); print(os.strerror(s.connect_ex(sys.argv[1])))"


def test_a_visitor_reaches_the_share_under_its_reserved_name(three, target):
    with three.visitor() as visitor:
        answer = visitor.get("/hello?a=b")
    assert answer.status == 200
    assert answer.body == f"target {target.port} /hello?a=b\n".encode()
    assert target.heads[-1]["host"] == HOST
    assert [process.ready()[0] for process in three.processes.values()] == [200, 200, 200]
    uids = {process.name: Path(f"/proc/{process.pid}").stat().st_uid for process in three.processes.values()}
    assert len(set(uids.values())) == (3 if three.apart else 1)
    assert (three.overlay.stat().st_mode & 0o7777, three.overlay.stat().st_gid) == (0o2770, three.gid)


# -- kill -9 ---


@pytest.mark.slow
@pytest.mark.parametrize("name", ["controller", "frontend", "backend"])
def test_after_a_kill_traffic_is_back_under_the_same_name_and_the_others_need_nothing(three, name, capsys):
    tokens, pids = three.tokens(), pids_of(three)
    victim = three.processes[name]
    measured = [recovery_s(three, victim) for _ in range(3)]
    with capsys.disabled():
        print(f"\nkill -9 {name}, started again: back after {', '.join(f'{each:.2f}' for each in measured)} s", end=" ")
    assert max(measured) < BACK_WITHIN_S
    assert {**pids_of(three), name: 0} == {**pids, name: 0}
    assert three.tokens() == tokens, "it was not found again, but made anew"
    assert len(three.sockets()) == 1, "stale sockets are left"
    assert_quiet(three)


def recovery_s(three, victim) -> float:
    """Seconds from the kill until a visitor is served and all say that they are ready. Starts it at once."""
    victim.kill()
    began = time.monotonic()
    victim.start(wait=False)
    three.wait_for_traffic()
    victim.told("READY=1")
    wait_for(lambda: all(process.ready()[0] == 200 for process in three.processes.values()), three.logs)
    wait_for(lambda: "does not answer" not in three.frontend.detail())
    return time.monotonic() - began


@pytest.mark.slow
def test_all_three_come_back_after_the_machine_went_down(three):
    tokens = three.tokens()
    for process in three.processes.values():
        process.kill()
    three.start()
    assert three.tokens() == tokens
    assert len(three.sockets()) == 1
    assert_quiet(three)


@pytest.mark.slow
def test_while_the_controller_is_away_visitors_are_served_and_health_says_so(three, stream):
    requests = stream(three.port, HOST)
    requests.more()
    three.controller.kill()
    requests.more(200)
    wait_for_detail(three.frontend, "does not answer")
    assert three.frontend.ready("frontend")[0] == 200
    assert three.backend.ready()[0] == 200
    assert three.status("unknown.three.localhost") == 404
    three.controller.start()
    wait_for_detail(three.frontend, "1 name")
    requests.more()
    assert requests.failed == []


@pytest.mark.slow
def test_a_frontend_that_starts_while_the_controller_is_away_serves_from_its_snapshot(three):
    (snapshot,) = wait_for(lambda: list(three.frontend.state.rglob("names.json")))
    wait_for(lambda: HOST in snapshot.read_text())
    three.controller.kill()
    three.frontend.kill()
    began = time.monotonic()
    three.frontend.start()
    three.wait_for_traffic()
    assert time.monotonic() - began < BACK_WITHIN_S
    wait_for_detail(three.frontend, "from disk")
    assert three.frontend.ready()[0] == 200


@pytest.mark.slow
def test_a_frontend_without_a_snapshot_is_not_ready_until_the_controller_is_there(three):
    three.controller.kill()
    assert three.frontend.end() == 0
    for path in three.frontend.state.rglob("names.json"):
        path.unlink()
    three.frontend.start()
    wait_for_detail(three.frontend, "does not answer")
    assert three.frontend.ready()[0] == 503
    assert three.status() in (404, 503)
    three.controller.start()
    three.wait_for_traffic(within_s=BACK_WITHIN_S)
    assert three.frontend.ready()[0] == 200


@pytest.mark.slow
def test_a_backend_that_starts_while_the_controller_is_away_waits_and_says_so(three):
    three.controller.kill()
    three.backend.kill()
    assert three.status() == 502
    three.backend.start()
    wait_for_detail(three.backend, "does not answer")
    assert three.backend.ready()[0] == 503
    three.controller.start()
    three.wait_for_traffic(within_s=BACK_WITHIN_S)
    wait_for_detail(three.backend, "1 of 1 shares are bound")
    assert three.backend.ready()[0] == 200


@pytest.mark.slow
def test_a_backend_that_is_gone_is_a_502_at_once(three):
    three.backend.kill()
    began = time.monotonic()
    assert three.status() == 502
    assert time.monotonic() - began < 1.0
    assert three.frontend.ready()[0] == 200


# -- signals ---


@pytest.mark.slow
@pytest.mark.parametrize("name", ["controller", "frontend", "backend"])
def test_a_reload_loses_no_request_whether_the_file_is_right_or_wrong(three, stream, name):
    process = three.processes[name]
    requests = stream(three.port, HOST)
    requests.more()
    before, right = pids_of(three), process.file.read_text() + CHANGES[name]
    process.file.write_text(right)
    process.reload()
    requests.more()
    assert [record["message"] for record in process.records() if "reload" in record["message"]] == [
        f"reloaded: roles.{name}"
    ]
    process.file.write_text(right + "    nonsense: 1\n")
    process.reload()
    requests.more()
    refusals = [record["message"] for record in process.records() if "reload refused" in record["message"]]
    assert len(refusals) == 1
    assert "nonsense" in refusals[0]
    process.file.write_text("version: [")
    process.reload()
    requests.more()
    assert process.ready()[0] == 200
    assert requests.failed == []
    assert pids_of(three) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frontend", "backend"])
def test_twenty_reloads_in_a_row_lose_no_request(three, stream, name):
    process, before = three.processes[name], pids_of(three)
    text, streams = process.file.read_text(), [stream(three.port, HOST) for _ in range(4)]
    for number in range(20):
        process.file.write_text(text + VARIED[name].format(30 + number, 300 + number))
        process.reload()
        streams[0].more(5)
    reloaded = [record for record in process.records() if record["message"].startswith("reloaded")]
    assert len(reloaded) == 20
    assert [each.failed for each in streams] == [[]] * 4
    assert pids_of(three) == before
    print(f"{name}: 20 reloads, {sum(each.answered for each in streams)} requests answered, 0 failed")


@pytest.mark.slow
def test_a_share_that_gets_another_target_loses_no_request(three, stream, target, other_target):
    requests = stream(three.port, HOST)
    requests.more()
    before = three.tokens()
    share = '{name: app, target: "${ZROKD_TARGET:-http://127.0.0.1:3000}"}'
    text = three.backend.file.read_text()
    assert share in text
    three.backend.file.write_text(text.replace(share, f"{{name: app, target: {other_target.url}}}"))
    three.backend.reload()
    wait_for(lambda: other_target.heads, three.logs)
    seen = len(target.heads)
    requests.more()
    assert requests.failed == []
    assert three.tokens() == before
    wait_for(lambda: len(three.sockets()) == 1)
    assert len(target.heads) <= seen + 1


@pytest.mark.slow
def test_a_frontend_that_moves_to_another_port_keeps_who_is_inside(three, stream):
    requests = stream(three.port, HOST)
    requests.more()
    (port,) = three.free_ports(1)
    text = three.frontend.file.read_text()
    assert "${ZROKD_PORT:-8080}" in text
    three.frontend.file.write_text(text.replace("${ZROKD_PORT:-8080}", str(port)))
    three.frontend.reload()
    requests.more()
    assert requests.failed == []
    assert three.status() == 0, "the old port is still open"
    three.port = port
    assert three.status() == 200


@pytest.mark.slow
def test_a_share_added_by_a_reload_is_reached(three):
    three.backend.file.write_text(three.backend.file.read_text() + CHANGES["backend"])
    three.backend.reload()
    three.wait_for_traffic("more.three.localhost", within_s=BACK_WITHIN_S)


@pytest.mark.slow
def test_a_name_made_right_before_the_frontend_is_killed_is_known_again_soon(three, capsys):
    """It is not on the frontend's disk yet: names are written there a second after they changed, at the latest."""
    three.backend.file.write_text(three.backend.file.read_text() + CHANGES["backend"])
    three.backend.reload()
    three.wait_for_traffic("more.three.localhost", within_s=BACK_WITHIN_S)
    three.frontend.kill()
    began = time.monotonic()
    three.frontend.start(wait=False)
    three.wait_for_traffic("more.three.localhost", within_s=BACK_WITHIN_S)
    with capsys.disabled():
        print(f"\nknown again after {time.monotonic() - began:.2f} s", end=" ")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frontend", "backend"])
def test_sigterm_lets_a_running_request_end_and_takes_no_new_one(three, target, name):
    process = three.processes[name]
    with three.visitor() as visitor:
        slow = gevent.spawn(visitor.get, "/slow")
        assert target.entered.wait(10)
        process.child.send_signal(signal.SIGTERM)
        process.told("STOPPING=1")
        status, body = process.ready()
        assert (status, body["draining"]) == (503, True)
        wait_for(lambda: three.status() == (0 if name == "frontend" else 502))
        assert not slow.ready()
        target.release.set()
        answer = slow.get(timeout=10)
    assert (answer.status, answer.body) == (200, f"target {target.port} /slow\n".encode())
    assert process.ended() == 0
    assert three.sockets() == [] or name == "frontend"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frontend", "backend"])
def test_sigterm_waits_for_an_open_websocket_as_long_as_drain_allows(three, echo_server, open_websocket, name):
    process = three.processes[name]
    three.backend.file.write_text(
        three.backend.file.read_text() + f"      - {{name: chat, target: http://127.0.0.1:{echo_server}}}\n"
    )
    process.file.write_text(process.file.read_text() + "drain: 1s\n")
    process.reload()
    if process is not three.backend:
        three.backend.reload()
    wait_for(lambda: three.status("chat.three.localhost") not in (0, 404, 502))
    with open_websocket(three.port, "chat.three.localhost") as connection:
        connection.send("hello")
        assert connection.recv(timeout=10) == "hello"
        began = time.monotonic()
        process.child.send_signal(signal.SIGTERM)
        process.told("STOPPING=1")
        connection.send("still there")
        assert connection.recv(timeout=10) == "still there"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            connection.recv(timeout=10)
        took_s = time.monotonic() - began
        assert process.ended() == 0
    assert closed.value.rcvd.code == 1001, "it is told why"
    assert 0.4 < took_s < BACK_WITHIN_S


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frontend", "backend"])
def test_sigterm_ends_an_event_stream_in_good_order_at_the_end_of_the_drain(three, target, name):
    process = three.processes[name]
    process.file.write_text(process.file.read_text() + "drain: 1s\n")
    process.reload()
    with three.visitor() as visitor:
        visitor.connection.request("GET", "/events", headers={"Host": HOST})
        target.events.put("first")
        answer = visitor.connection.getresponse()
        assert answer.readline() == b"data: first\n"
        process.child.send_signal(signal.SIGTERM)
        process.told("STOPPING=1")
        target.events.put("second")
        assert answer.read() == b"\ndata: second\n\n", "whole, or http.client would say that it is incomplete"
        answer.close()
    target.events.put(None)
    assert process.ended() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frontend", "backend"])
def test_a_kill_in_the_middle_of_an_answer_is_seen_as_one(three, name):
    size = 256 * 1024 * 1024
    with three.visitor() as visitor:
        visitor.connection.request("GET", f"/bytes/{size}", headers={"Host": HOST})
        answer = visitor.connection.getresponse()
        assert answer.read(1000)
        three.processes[name].kill()
        with pytest.raises((OSError, http.client.IncompleteRead)):
            answer.read()
        answer.close()
    three.processes[name].start()
    three.wait_for_traffic(within_s=BACK_WITHIN_S)


@pytest.mark.slow
def test_sigterm_ends_an_idle_deployment_at_once_and_cleanly(three):
    began = time.monotonic()
    assert [process.end() for process in reversed(three.processes.values())] == [0, 0, 0]
    assert time.monotonic() - began < BACK_WITHIN_S
    assert three.sockets() == []
    assert_quiet(three)


# -- who may meet ---


@pytest.mark.slow
def test_who_is_not_in_the_group_cannot_connect_to_the_overlay(three):
    if not three.apart:
        pytest.skip("not root, so there is no other user to try it with")
    (path,) = three.sockets()

    def connected(**person) -> str:
        return subprocess.run(
            [three.backend.program[0], "-c", CONNECT, str(path)],
            capture_output=True,
            text=True,
            cwd="/",
            check=True,
            extra_groups=[],
            **person,
        ).stdout.strip()

    assert connected(user=61950, group=61950) == "Permission denied"
    assert connected(user=61950, group=three.gid) == "Success"
    three.overlay.chmod(0o2777)  # also when somebody opens the folder: each service and socket is closed by itself
    three.overlay.parent.chmod(0o2777)
    assert connected(user=61950, group=61950) == "Permission denied"


@pytest.mark.slow
def test_secrets_are_in_no_log_and_in_no_command_line(three):
    commands = [Path(f"/proc/{process.pid}/cmdline").read_text() for process in three.processes.values()]
    assert all("run" in command for command in commands)
    assert "secret-of-this-test" not in three.logs() + "".join(commands)


# -- words ---


def pids_of(three) -> dict[str, int]:
    """Who runs. Fails when one of them does not."""
    assert all(process.running for process in three.processes.values())
    return {process.name: process.pid for process in three.processes.values()}


def assert_quiet(three) -> None:
    """No log tells of an error or of a conflict."""
    records = [record for process in three.processes.values() for record in process.records()]
    loud = [record for record in records if record["level"] in ("error", "critical")]
    loud += [record for record in records if CONFLICT.search(record["message"])]
    assert loud == []


def wait_for_detail(process, text) -> None:
    wait_for(lambda: text in process.detail(), process.text)


def wait_for(check, why=str):
    """What `check` gives, once it is true."""
    until = time.monotonic() + 10
    while not (found := check()):
        assert time.monotonic() < until, why()
        gevent.sleep(0.02)
    return found
