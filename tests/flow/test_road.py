"""The road of a request, end to end: visitor, frontend, overlay, backend, target, and all the way back."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import time

import gevent
import pytest
import requests
import websockets
from gevent.server import StreamServer
from zrokd_plugins.overlay_local.node import LocalNode
from zrokd_plugins.role_backend.office import Office
from zrokd_plugins.role_frontend import usage

from zrokd.client import ledger
from zrokd.client.controller import Controller
from zrokd.client.environment import EnabledEnvironment, EnvironmentFile
from zrokd.config.load import from_tree
from zrokd.errors import Invalid
from zrokd.host.daemon import Daemon
from zrokd.host.registry import Registry
from zrokd.model.units import Secret
from zrokd.net.twins import Shortcut
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

pytestmark = pytest.mark.timeout(90)
KIB, MIB = 1024, 1024 * 1024
PROMPT_S = 0.2
AT_ONCE_S = 1.0
CUT_WITHIN_S = 5.0
SIZES = [pytest.param(size, marks=pytest.mark.slow if size > MIB else ()) for size in (KIB, 100_000, MIB, 64 * MIB)]


@pytest.fixture
def road(tmp_path, target):
    """A running zrokd that shares the target as `app`."""
    with Scenario(tmp_path, shares=[{"name": "app", "target": target.url}]) as zrokd:
        yield zrokd


@pytest.fixture
def visitor(road, visit):
    return visit(road)


@pytest.fixture
def visit(visitor_class):
    """visit(scenario, host): a visitor with a connection of its own, closed at the end."""
    with contextlib.ExitStack() as ends:

        def made(zrokd, host="app.share.localhost"):
            return ends.enter_context(visitor_class(zrokd.frontend.port, host))

        yield made


def test_a_request_reaches_the_target_and_its_answer_the_visitor(visitor, target):
    answer = visitor.get("/a%20path?with=query", X_Mine="1")
    assert answer.status == 200
    assert answer.body.endswith(b" /a%20path?with=query\n")
    assert target.heads[-1]["x-mine"] == "1"


# -- bodies ---


@pytest.mark.parametrize("size", SIZES)
def test_a_body_comes_down_whole(visitor, size, digest_of):
    answer = visitor.get(f"/bytes/{size}")
    assert (len(answer.body), hashlib.sha256(answer.body).hexdigest()) == (size, digest_of(size))


@pytest.mark.parametrize("size", SIZES)
def test_a_body_goes_up_whole(visitor, size, digest_of, pieces):
    answer = visitor.ask("POST", "/hash", b"".join(pieces(size)))
    assert answer.body.decode() == f"{size} {digest_of(size)}"


@pytest.mark.parametrize("size", SIZES)
def test_a_chunked_body_goes_up_whole(visitor, size, digest_of, pieces, target):
    answer = visitor.ask("POST", "/hash", pieces(size))
    assert answer.body.decode() == f"{size} {digest_of(size)}"
    assert target.heads[-1]["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("way", ["down", "up"])
def test_within_one_daemon_a_long_body_goes_past_the_stream_between_its_roles(visitor, monkeypatch, way):
    carried = []
    carry = Shortcut.carry

    def noted(shortcut, pipe, count):
        carried.append(carry(shortcut, pipe, count))
        return carried[-1]

    monkeypatch.setattr(Shortcut, "carry", noted)
    if way == "down":
        assert len(visitor.get(f"/bytes/{16 * MIB}").body) == 16 * MIB
    else:
        assert visitor.ask("POST", "/hash", bytes(16 * MIB)).body.decode().startswith(f"{16 * MIB} ")
    assert sum(carried) > 8 * MIB


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_posts_come_back_whole(visitor, pieces, target):
    body = b"".join(pieces(MIB))
    for number in range(1000):
        sent = b"%04d" % number + body
        answer = visitor.ask("POST", "/echo", sent)
        assert answer.status == 200
        assert answer.body == sent


@pytest.mark.slow
def test_a_visitor_that_goes_away_in_the_middle_ends_the_request_and_nothing_else(road, visit):
    leaving = visit(road)
    leaving.connection.request("GET", f"/bytes/{64 * MIB}", headers={"Host": leaving.host})
    leaving.connection.getresponse().close()
    leaving.close()
    assert visit(road).get().status == 200


@pytest.mark.parametrize(("method", "path", "length"), [("HEAD", "/bytes/1000", "1000"), ("HEAD", "/", None)])
def test_the_answer_to_head_has_no_body(visitor, method, path, length):
    answer = visitor.ask(method, path)
    assert (answer.status, answer.body) == (200, b"")
    assert length is None or answer.fields["content-length"] == length
    assert visitor.get().status == 200, "the connection is out of step"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_has_none(visitor, status):
    for _ in range(3):
        answer = visitor.get(f"/status/{status}")
        assert (answer.status, answer.body) == (status, b"")
        assert "transfer-encoding" not in answer.fields
    assert visitor.get().status == 200, "the connection is out of step"


# -- streams of other kinds ---


@pytest.mark.slow
def test_events_arrive_one_by_one(visitor, target):
    visitor.connection.request("GET", "/events", headers={"Host": visitor.host})
    answer = visitor.connection.getresponse()
    assert answer.getheader("content-type") == "text/event-stream"
    took_s = []
    for number in range(50):
        sent_at = time.monotonic()
        target.events.put(f"event {number}")
        assert answer.readline() == f"data: event {number}\n".encode()
        took_s.append(time.monotonic() - sent_at)
        assert answer.readline() == b"\n"
    target.events.put(None)
    assert answer.read() == b""
    assert max(took_s) < PROMPT_S
    print(f"events: slowest of {len(took_s)} after {max(took_s) * 1000:.1f} ms")


def test_a_websocket_echoes(tmp_path, echo_server, open_websocket):
    with (
        Scenario(tmp_path, shares=[{"name": "app", "target": f"http://127.0.0.1:{echo_server}"}]) as zrokd,
        open_websocket(zrokd.frontend.port, zrokd.host("app")) as connection,
    ):
        for message in ("text", "", "ü" * 70_000, b"\x00\xff" * 100_000):
            connection.send(message)
            assert connection.recv(timeout=10) == message
        connection.ping().wait(10)


def test_a_half_close_through_a_private_share_keeps_the_answer(tmp_path):
    def answer_at_the_end(sock, _address):
        with contextlib.closing(sock.makefile("rb")) as file:
            heard = file.read()  # until the visitor's end
        sock.sendall(b"%d " % len(heard) + hashlib.sha256(heard).hexdigest().encode())
        with contextlib.suppress(OSError):  # whoever only looked whether we are there is gone
            sock.shutdown(socket.SHUT_WR)

    server = StreamServer(("127.0.0.1", 0), answer_at_the_end)
    server.start()
    share = {"private": True, "token": "half-close", "mode": "tcp", "target": f"127.0.0.1:{server.server_port}"}
    try:
        with (
            Scenario(tmp_path / "one", shares=[share]) as zrokd,
            accessed(zrokd, tmp_path / "two", "half-close") as port,
        ):
            assert asked_at_the_end(port, b"x" * MIB) == f"{MIB} {hashlib.sha256(b'x' * MIB).hexdigest()}"
            assert asked_at_the_end(port, b"") == f"0 {hashlib.sha256().hexdigest()}"
    finally:
        server.stop()


@contextlib.contextmanager
def accessed(zrokd, folder, token):
    """The port of a private access, in the daemon of another environment of the same account."""
    controller = Controller(zrokd.controller_url, Secret(ACCOUNT_TOKEN))
    identity = controller.enable("visitor", "here")
    controller.close()
    EnvironmentFile(folder / "environment").save(
        EnabledEnvironment(controller=zrokd.controller_url, account_token=Secret(ACCOUNT_TOKEN), identity=identity)
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    access = {"share": token, "listen": f"127.0.0.1:{port}"}
    role = {"environment": str(folder / "environment"), "accesses": [access]}
    tree = {"version": 1, "state_dir": str(folder / "state"), "roles": {"frontend": role}}
    registry = Registry()
    daemon = Daemon(from_tree(tree, registry=registry, environ={}), registry)
    daemon.start()
    try:
        yield port
    finally:
        daemon.stop(1.0)


def asked_at_the_end(port, data) -> str:
    with socket.create_connection(("127.0.0.1", port), 10) as sock, contextlib.closing(sock.makefile("rb")) as file:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return file.read().decode()


# -- names ---


@pytest.mark.parametrize(
    "host", ["APP.SHARE.LOCALHOST", "app.share.localhost.", "App.Share.Localhost.:8080", "app.share.localhost:1"]
)
def test_a_host_in_another_form_is_the_same_host(road, visit, host):
    assert visit(road, host).get().status == 200


@pytest.mark.parametrize("host", ["nobody.share.localhost", "app.elsewhere.localhost", "share.localhost", "127.0.0.1"])
def test_an_unknown_name_is_a_404_that_tells_nothing(road, visit, host):
    answer = visit(road, host).get()
    assert answer.status == 404
    assert answer.fields["content-type"].startswith("text/html")
    assert len(answer.body) < KIB
    assert_no_internals(road, answer)


def test_a_target_that_is_down_is_a_502_at_once_and_works_when_it_is_back(road, visitor, target):
    target.stop()
    began = time.monotonic()
    answer = visitor.get()
    assert answer.status == 502
    assert time.monotonic() - began < AT_ONCE_S
    assert_no_internals(road, answer)
    target.start()
    assert visitor.get().status == 200


def test_a_share_that_nobody_serves_is_a_502_at_once(road, visitor):
    assert visitor.get().status == 200
    backend = road.daemon.components.roles["backend"]
    backend.drain(0.0)
    began = time.monotonic()
    answer = visitor.get()
    assert answer.status == 502
    assert time.monotonic() - began < AT_ONCE_S
    assert_no_internals(road, answer)


def assert_no_internals(zrokd, answer) -> None:
    for word in ("zrokd/", "Traceback", "127.0.0.1", str(zrokd.daemon.configuration.state_dir), *zrokd.ready):
        assert word not in answer.body.decode() + str(answer.fields)


# -- what a visitor may not do ---


def test_nobody_forges_who_passed_a_gate(visitor, target):
    forged = {"zrok-auth-email": "ann@example.com", "Zrok-Auth-Provider": "x", "Zrok_Auth_Expires": "never"}
    visitor.connection.request("GET", "/", headers={"Host": visitor.host, **forged})
    assert visitor.read().status == 200
    assert [name for name in target.heads[-1] if name.replace("_", "-").startswith("zrok-auth")] == []


def test_a_share_with_basic_auth_asks_for_it(tmp_path, target, visit):
    share = {"name": "app", "target": target.url, "basic_auth": ["ann:opens"]}
    gates = {"roles": {"frontend": {"gates": {"basic": {"use": "basic"}}}}}
    with Scenario(tmp_path, shares=[share], changes=gates) as zrokd:
        visitor = visit(zrokd)
        refused = visitor.get()
        assert refused.status == 401
        assert refused.fields["www-authenticate"].startswith("Basic ")
        assert visitor.get(Authorization=basic("ann:shuts")).status == 401
        seen = len(target.heads)
        passed = visitor.get(Authorization=basic("ann:opens"))
        assert (passed.status, len(target.heads)) == (200, seen + 1)
        assert "authorization" not in target.heads[-1]


def basic(pair) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


# -- the end of a share ---


@pytest.mark.slow
def test_a_deleted_share_cuts_everybody_within_seconds(
    tmp_path, target, echo_server, open_websocket, visit, monkeypatch
):
    shares = [
        {"name": "app", "target": target.url},
        {"name": "chat", "target": f"http://127.0.0.1:{echo_server}"},
    ]
    with Scenario(tmp_path, shares=shares) as zrokd:
        events, other = visit(zrokd), visit(zrokd)
        events.connection.request("GET", "/events", headers={"Host": events.host})
        running = events.connection.getresponse()
        with open_websocket(zrokd.frontend.port, zrokd.host("chat")) as connection:
            connection.send("still there")
            assert connection.recv(timeout=10) == "still there"
            assert other.get().status == 200
            monkeypatch.setattr(Office, "offer", refuse)  # or the backend would offer them again
            began = time.monotonic()
            delete_shares(zrokd)
            with pytest.raises(websockets.ConnectionClosed):
                connection.recv(timeout=10)
            with contextlib.suppress(OSError):  # a reset is an end too
                assert running.read() == b""
            running.close()
            assert other.get().status == 404
            assert time.monotonic() - began < CUT_WITHIN_S
            print(f"deleted: everybody cut after {time.monotonic() - began:.2f} s")


def refuse(*_args, **_more):
    raise Invalid("not again")


@pytest.mark.slow
def test_disable_cuts_everybody_off_although_the_backend_runs_on(road, visit, target, monkeypatch):
    events, other = visit(road), visit(road)
    events.connection.request("GET", "/events", headers={"Host": events.host})
    running = events.connection.getresponse()
    assert other.get().status == 200
    monkeypatch.setattr(Office, "offer", refuse)  # or the backend would offer it again, in a new environment
    began = time.monotonic()
    controller = Controller(road.controller_url, Secret(ACCOUNT_TOKEN))
    for z_id in controller.environments():
        controller.disable(z_id)
    controller.close()
    with contextlib.suppress(OSError):  # a reset is an end too
        assert running.read() == b""
    running.close()
    assert other.get().status in (404, 502), "the name is told of a moment later"
    assert time.monotonic() - began < CUT_WITHIN_S


def delete_shares(zrokd) -> None:
    """As somebody does who unshares from another place."""
    heads = {"X-TOKEN": ACCOUNT_TOKEN, "Content-Type": "application/zrok.v1+json"}
    api = f"{zrokd.controller_url}/api/v2"
    with requests.Session() as session:
        session.headers.update(heads)
        for environment in session.get(f"{api}/overview", timeout=10).json()["environments"]:
            for share in environment.get("shares", ()):
                body = {"envZId": environment["environment"]["zId"], "shareToken": share["shareToken"]}
                assert session.delete(f"{api}/unshare", json=body, timeout=10).ok


# -- many ---


def test_a_warm_request_dials_nothing(road, visit, target, monkeypatch):
    dials = []
    dial = LocalNode.dial
    monkeypatch.setattr(LocalNode, "dial", lambda *args, **more: dials.append(args) or dial(*args, **more))
    assert visit(road).get().status == 200
    dials.clear()
    accepted = target.accepted
    for _ in range(10):
        visitor = visit(road)  # another connection of another visitor each time
        assert [visitor.get().status for _ in range(5)] == [200] * 5
        visitor.close()
    assert (len(dials), target.accepted - accepted) == (0, 0)


@pytest.mark.slow
def test_two_hundred_visitors_at_once_are_all_served(tmp_path, target, visitor_class):
    limits = {"roles": {"frontend": {"limits": {"share_requests": 300}}}}
    with Scenario(tmp_path, shares=[{"name": "app", "target": target.url}], changes=limits) as zrokd:

        def come(number):
            with visitor_class(zrokd.frontend.port, "app.share.localhost") as visitor:
                return [visitor.get(f"/{number}/{turn}").body.split()[-1].decode() for turn in range(10)]

        began = time.monotonic()
        visitors = [gevent.spawn(come, number) for number in range(200)]
        gevent.joinall(visitors, timeout=60)
        assert [each.get(block=False) for each in visitors] == [
            [f"/{number}/{turn}" for turn in range(10)] for number in range(200)
        ]
        print(f"200 visitors, 2,000 requests: {time.monotonic() - began:.2f} s")


# -- what is counted ---


def asked(zrokd, path):
    """The controller's answer to the owner of the shares."""
    answer = requests.get(f"{zrokd.controller_url}/api/v2{path}", headers={"x-token": ACCOUNT_TOKEN}, timeout=5)
    assert answer.status_code == 200
    return answer.json()


def asked_bytes(zrokd, path):
    """What was received and sent within the duration."""
    (sample,) = asked(zrokd, path)["samples"]
    return sample["rx"], sample["tx"]


def test_what_went_through_stands_in_the_owners_metrics_once(monkeypatch, tmp_path, target, visit):
    for module in (usage, ledger):
        monkeypatch.setattr(module, "EVERY_S", 0.05)
    with Scenario(tmp_path, shares=[{"name": "app", "target": target.url}]) as zrokd:
        (token,) = zrokd.ready
        answer = visit(zrokd).ask("POST", "/hash", b"x" * 1000)
        through = (1000, len(answer.body))
        with gevent.Timeout(AT_ONCE_S * 5):
            while asked_bytes(zrokd, f"/metrics/share/{token}?duration=1h") != through:
                gevent.sleep(0.02)  # a report may fall between request and answer
        gevent.sleep(0.2)  # several reports later
        assert asked_bytes(zrokd, f"/metrics/share/{token}?duration=1h") == through
        assert asked_bytes(zrokd, "/metrics/account?duration=1h") == through
        assert [share["shareToken"] for share in asked(zrokd, "/shares?hasActivity=true")["shares"]] == [token]
