import json
import logging
import socket

import pytest

from zrokd.host.health import HealthServer

LOG = logging.getLogger("zrokd.test")


@pytest.fixture
def serve(components, configure):
    """serve(roles=...): a health server over open components."""
    made = []

    def start(**tree):
        components.open_all(configure(**tree))
        server = HealthServer(components, lambda _name: "", socket.create_server(("127.0.0.1", 0)), LOG)
        server.start()
        made.append(server)
        return server

    yield start
    for server in made:
        server.close()
        server.close()


def ask(server, path, method="GET"):
    with socket.create_connection((server.address.host, server.address.port), timeout=5) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), head, json.loads(body) if body else None


def test_healthz_says_that_the_process_turns(serve):
    status, head, body = ask(serve(), "/healthz")
    assert (status, body) == (200, {"ok": True})
    assert b"Content-Type: application/json" in head
    assert b"Cache-Control: no-store" in head


def test_readyz_tells_each_component(serve):
    status, _, body = ask(serve(roles={"desk": {"note": "fine"}}), "/readyz")
    assert status == 200
    assert body == {
        "ok": True,
        "draining": False,
        "components": {
            "overlay.local": {"ok": True, "detail": ""},
            "role.desk": {"ok": True, "detail": "fine"},
        },
    }


def test_one_that_is_not_well_makes_it_503(serve):
    server = serve(roles={"desk": {"fail": "health", "note": "port gone"}, "shelf": {}})
    status, _, body = ask(server, "/readyz?verbose=1")
    assert (status, body["ok"]) == (503, False)
    assert body["components"]["role.desk"] == {"ok": False, "detail": "port gone"}
    assert ask(server, "/readyz/shelf")[0] == 200
    assert ask(server, "/readyz/desk")[0] == 503


def test_two_of_one_name_do_not_hide_each_other(serve):
    server = serve(observers=[{"use": "ear", "fail": "health"}, {"use": "ear"}])
    assert ask(server, "/readyz")[0] == 503


def test_a_health_that_raises_is_not_well_and_is_logged(serve, caplog):
    status, _, body = ask(serve(roles={"desk": {"fail": "health badly"}}), "/readyz/desk")
    assert status == 503
    assert body["components"]["role.desk"]["detail"] == "its health cannot be told: ZeroDivisionError"
    assert "the health of role.desk cannot be told" in caplog.text


def test_a_draining_daemon_is_not_ready_but_healthy(serve):
    server = serve()
    server.draining = True
    assert ask(server, "/readyz")[0] == 503
    assert ask(server, "/healthz")[0] == 200


@pytest.mark.parametrize("path", ["/", "/readyz/", "/readyz/nobody", "/readyz/desk/x", "/x/desk", "/healthz/"])
def test_other_paths_say_what_to_ask(serve, path):
    status, _, body = ask(serve(), path)
    assert status == 404
    assert "/readyz/ROLE" in body["error"]


def test_only_reading_is_allowed(serve):
    server = serve()
    status, head, _ = ask(server, "/healthz", "DELETE")
    assert status == 405
    assert b"Allow: GET, HEAD" in head
    assert ask(server, "/healthz", "HEAD")[2] is None
