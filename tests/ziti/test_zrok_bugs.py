"""What zrok's data plane was seen to do wrong, tried on ours over a real OpenZiti network. Each is named after its bug.

Their like over the local overlay are in tests/flow: test_road.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import socket
import time

import gevent
import pytest
import requests

from tests.flow.conftest import eventually
from tests.ziti.daemons import ACCOUNT, HOST, PRIVATE, ZONE, connect_to, tcp_server_at
from zrokd.client.controller import Controller
from zrokd.client.environment import EnvironmentFile
from zrokd.model.units import Secret

pytestmark = [pytest.mark.timeout(300), pytest.mark.leaves_behind("the daemons are the module's")]
MIB = 1024 * 1024
CUT_WITHIN_S = 5.0
POSTS = 1000


@pytest.mark.parametrize("way", ["public share", "private access"])
def test_no_answer_is_cut(three, way):
    """A 1 MB answer to a 1 MB POST came cut, with status 200, in 3 to 22 of 100 cases."""
    body = os.urandom(MIB)
    with three.guest(60.0) if way == "private access" else three.visitor(timeout_s=60.0) as visitor:
        for number in range(POSTS // 2):
            sent = b"%04d" % number + body
            answer = visitor.ask("POST", "/echo", sent)
            assert (answer.status, len(answer.body)) == (200, len(sent)), number
            assert answer.body == sent, number


def test_a_host_in_capitals_or_with_its_final_dot_is_found(three):
    for host in (HOST.upper(), f"{HOST}.", f"{HOST.title()}.:8080", f"{HOST}:1"):
        assert three.status(host) == 200, host


def test_no_visitor_can_say_who_passed_a_gate(three):
    forged = {"zrok-auth-email": "ann@example.com", "Zrok-Auth-Provider": "x", "Zrok_Auth_Expires": "never"}
    with three.visitor() as visitor:
        visitor.connection.request("GET", "/", headers={"Host": HOST, **forged})
        assert visitor.read().status == 200
    assert [name for name in three.target.heads[-1] if name.replace("_", "-").startswith("zrok-auth")] == []


def test_a_half_close_through_a_tcp_share_keeps_the_answer(three):
    with tcp_server_at(three.where, "backend") as port, _accessed(three, f"127.0.0.1:{port}") as access:
        for size in (0, 1, MIB):
            with (
                connect_to(three.where, "frontend", access) as sock,
                contextlib.closing(sock.makefile("rb")) as file,
            ):
                sock.sendall(b"x" * size)
                sock.shutdown(socket.SHUT_WR)
                assert file.read().decode() == f"{size} {hashlib.sha256(b'x' * size).hexdigest()}"


def test_a_reserved_name_is_served(three):
    three.add_share("{name: reserved, mode: hello}")
    three.wait_for_traffic(10.0, f"reserved.{ZONE}")


def test_a_grant_that_is_taken_back_ends_a_living_access(three):
    with three.guest(10.0) as guest:
        guest.connection.request("GET", "/events", headers={"Host": "private"})
        three.target.events.put("first")
        running = guest.connection.getresponse()
        assert running.readline() == b"data: first\n"
        began = time.monotonic()
        _end_accesses(three)
        _ended(running)
        assert time.monotonic() - began < CUT_WITHIN_S
        eventually(lambda: three.status_of_access() in (0, 502, 503), within_s=CUT_WITHIN_S)
    three.target.events.put(None)


def test_disable_cuts_visitors_off_although_the_backend_runs_on(three):
    """Visitors got 200 for as long as they kept asking."""
    with three.visitor() as visitor:
        assert visitor.get().status == 200
        began = time.monotonic()
        _disable_backend(three)
        eventually(lambda: _status(visitor) != 200, within_s=CUT_WITHIN_S)
        assert time.monotonic() - began < CUT_WITHIN_S


def _status(visitor) -> int:
    try:
        return visitor.get().status
    except (OSError, http.client.HTTPException):
        return 0


def _ended(running) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        assert running.read() == b"\n"
    running.close()


@contextlib.contextmanager
def _accessed(three, target):
    """The port of a private access to a TCP share of that target."""
    three.add_share(f"{{private: true, token: raw, mode: tcp, target: '{target}'}}")
    (port,) = three.more_ports(1)
    frontend = three.frontend
    text = frontend.file.read_text()
    access = f"{{share: {PRIVATE}, listen: '{three.where.host('frontend')}:{three.access_port}'}}"
    more = f"{{share: raw, listen: '{three.where.host('frontend')}:{port}', required: false}}"
    assert access in text
    frontend.file.write_text(text.replace(access, f"{access}, {more}"))
    frontend.reload()
    three.wait_for(lambda: _accepts(three, port), 20.0)
    yield port


def _accepts(three, port) -> bool:
    with contextlib.suppress(OSError), connect_to(three.where, "frontend", port) as sock:
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(5.0)
        return sock.recv(1) != b""
    return False


def _session(three):
    made = requests.Session()
    made.headers.update({"X-TOKEN": ACCOUNT, "Content-Type": "application/zrok.v1+json"})
    return made, f"http://{three.where.hub}:{three.api_port}/api/v2"


def _end_accesses(three) -> None:
    """As the controller does for everybody whose grant is taken back."""
    file = EnvironmentFile(three.folder / "environment").load()
    session, api = _session(three)
    with session:
        for access in session.get(f"{api}/accesses", timeout=10).json()["accesses"]:
            body = {"envZId": file.identity.z_id, "frontendToken": access["frontendToken"], "shareToken": PRIVATE}
            assert session.delete(f"{api}/unaccess", json=body, timeout=10).ok


def _disable_backend(three) -> None:
    controller = Controller(f"http://{three.where.hub}:{three.api_port}", Secret(ACCOUNT))
    mine = EnvironmentFile(three.folder / "environment").load().identity.z_id
    for z_id in controller.environments() - {mine}:
        controller.disable(z_id)
    controller.close()
    gevent.sleep(0)
