"""What stands at the edge: TLS and balancers in front of frontend and API, seen by visitors and shares."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import sys
import time

import gevent
import pytest
from websockets.sync.client import connect as websocket

from tests.certificates import Issued, issue
from tests.flow.conftest import Person, Process, free_ports
from zrokd.cli.main import run_program
from zrokd.model.units import Address
from zrokd.net.proxy_protocol import encode
from zrokd.testing.scenario import Scenario

pytestmark = pytest.mark.timeout(90)
HOST = "app.share.localhost"
ZONE = issue("*.share.localhost", "share.localhost")
RENEWED = issue("*.share.localhost", "share.localhost", number=1)
RSA = issue("*.share.localhost", kind="rsa2048")
OTHER = issue("other.localhost", number=2)
MIB = 1024 * 1024


def tls(*issued, **more):
    return {"certificates": [{"chain": one.chain, "key": one.key} for one in issued], **more}


def trusting(issued):
    return ssl.create_default_context(cadata=issued.chain)


class SecureVisitor:
    """A client of the standard library inside TLS, on one connection; it checks certificate and name."""

    def __init__(self, port, issued=ZONE, host=HOST, before=b""):
        sock = socket.create_connection(("127.0.0.1", port), 10)
        sock.sendall(before)
        self.sock = trusting(issued).wrap_socket(sock, server_hostname=host)
        self.host, self.connection = host, http.client.HTTPConnection("127.0.0.1", port)
        self.connection.sock = self.sock

    def get(self, path="/", body=None):
        self.connection.request("POST" if body else "GET", path, body, {"Host": self.host})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def close(self):
        self.connection.close()


@pytest.fixture
def visit():
    """visit(port, issued, host): a visitor, closed at the end."""
    with contextlib.ExitStack() as ends:
        yield lambda *where, **how: ends.enter_context(contextlib.closing(SecureVisitor(*where, **how)))


@pytest.fixture
def begin(tmp_path, target):
    """begin(frontend keys, controller keys): a running zrokd that shares the target as `app`."""
    with contextlib.ExitStack() as ends:

        def started(frontend, controller=None, target_url=target.url):
            changes = {"roles": {"frontend": frontend, "controller": controller or {}, "backend": {"verify": False}}}
            shares = [{"name": "app", "target": target_url}]
            return ends.enter_context(Scenario(tmp_path, shares=shares, changes=changes))

        yield started


# -- TLS ---


@pytest.mark.parametrize("issued", [ZONE, RSA], ids=["p256", "rsa"])
def test_a_visitor_comes_inside_tls_and_the_share_is_told_so(begin, visit, target, issued):
    zrokd = begin({"tls": tls(issued)})
    visitor = visit(zrokd.frontend.port, issued)
    assert [visitor.get(f"/{number}")[0] for number in range(3)] == [200] * 3
    seen = target.heads[-1]
    assert (seen["x-forwarded-proto"], seen["x-forwarded-for"]) == ("https", "127.0.0.1")
    assert seen["forwarded"].endswith(";proto=https")
    assert visitor.sock.version() == "TLSv1.3"


def test_without_it_the_share_is_told_http(begin, target):
    begin({}).get("app")
    assert target.heads[-1]["x-forwarded-proto"] == "http"
    assert target.heads[-1]["forwarded"].endswith(";proto=http")


def test_a_connection_made_for_one_name_does_not_lead_to_another_share(begin, visit, target):
    zrokd = begin({"tls": tls(ZONE)})
    visitor = visit(zrokd.frontend.port, host=f"nobody.{HOST.partition('.')[2]}")
    visitor.host = HOST
    status, page = visitor.get()
    assert (status, b"made for another name" in page) == (421, True)
    assert target.heads == []
    shouting = visit(zrokd.frontend.port, host=HOST.upper())
    assert shouting.get()[0] == 200


def test_behind_a_trusted_proxy_one_connection_may_lead_to_many_shares(begin, visit):
    zrokd = begin({"tls": tls(ZONE), "trusted_proxies": ["127.0.0.0/8"]})
    visitor = visit(zrokd.frontend.port, host=f"nobody.{HOST.partition('.')[2]}")
    visitor.host = HOST
    assert visitor.get()[0] == 200


def test_bodies_pass_whole_both_ways(begin, visit, pieces, digest_of):
    visitor = visit(begin({"tls": tls(ZONE)}).frontend.port)
    size = 4 * MIB
    assert visitor.get("/hash", b"".join(pieces(size))) == (200, f"{size} {digest_of(size)}".encode())
    assert visitor.get(f"/bytes/{size}") == (200, b"".join(pieces(size)))


def test_an_event_reaches_the_visitor_when_it_happens(begin, target):
    zrokd = begin({"tls": tls(ZONE)})
    sock = socket.create_connection(("127.0.0.1", zrokd.frontend.port), 10)
    with trusting(ZONE).wrap_socket(sock, server_hostname=HOST) as inside:
        inside.sendall(f"GET /events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        got = b""
        for text in ("one", "two"):
            target.events.put(text)
            while f"data: {text}\n".encode() not in got:
                got += inside.recv(65536)


def test_websockets_pass(begin, echo_server):
    zrokd = begin({"tls": tls(ZONE)}, target_url=f"http://127.0.0.1:{echo_server}")
    sock = socket.create_connection(("127.0.0.1", zrokd.frontend.port), 10)
    with websocket(f"wss://{HOST}/", sock=sock, ssl=trusting(ZONE), proxy=None, open_timeout=10) as connection:
        for message in ("hello", "x" * 300_000):
            connection.send(message)
            assert connection.recv(timeout=10) == message


def test_a_new_certificate_is_for_new_connections_and_old_ones_go_on(begin, visit):
    zrokd = begin({"tls": tls(ZONE)})
    before = visit(zrokd.frontend.port)
    assert before.get()[0] == 200
    assert zrokd.reload({"roles": {"frontend": {"tls": tls(RENEWED)}}})
    assert visit(zrokd.frontend.port, RENEWED).get()[0] == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        visit(zrokd.frontend.port, ZONE)
    assert before.get()[0] == 200


def test_a_wrong_one_keeps_the_old_one_and_the_log_says_why(begin, visit, caplog):
    zrokd = begin({"tls": tls(ZONE)})
    before = visit(zrokd.frontend.port)
    mixed = {"certificates": [{"chain": RENEWED.chain, "key": ZONE.key}]}
    assert not zrokd.reload({"roles": {"frontend": {"tls": mixed}}})
    assert "roles.frontend.tls.certificates[0]" in caplog.text
    assert "the key does not belong to the first certificate of the chain" in caplog.text
    assert "BEGIN" not in caplog.text
    assert visit(zrokd.frontend.port).get()[0] == before.get()[0] == 200


def test_plain_http_on_a_port_of_tls_is_400(begin, visit):
    zrokd = begin({"tls": tls(ZONE)})
    answer = zrokd.get("app")
    assert (answer.status, answer.fields["connection"]) == (400, "close")
    assert b"https://" in answer.body


def test_an_idle_connection_hears_the_end_at_a_drain(begin, visit):
    zrokd = begin({"tls": tls(ZONE)})
    visitor = visit(zrokd.frontend.port)
    visitor.get()
    zrokd.stop()
    visitor.sock.settimeout(5)
    assert visitor.sock.recv(100) == b""  # a cut would raise


def test_silent_ones_do_not_keep_visitors_out(begin, visit):
    zrokd = begin({"tls": tls(ZONE, handshakes=5), "limits": {"per_address": 1000}})
    silent = [socket.create_connection(("127.0.0.1", zrokd.frontend.port), 10) for _ in range(20)]
    for _ in range(3):
        assert visit(zrokd.frontend.port).get()[0] == 200
    for sock in silent:
        sock.close()


def test_the_hub_turns_while_others_shake_hands(begin, visit):
    """An RSA key of 4096 bits takes milliseconds for each handshake, and nobody else waits for them."""
    long = issue("*.share.localhost", kind="rsa4096")
    zrokd = begin({"tls": tls(long), "limits": {"per_address": 1000}})
    context = trusting(long)
    late, ended = [], False

    def watch():
        while not ended:
            began = time.monotonic()
            gevent.sleep(0.001)
            late.append(time.monotonic() - began - 0.001)

    def shake():
        sock = socket.create_connection(("127.0.0.1", zrokd.frontend.port), 10)
        gevent.get_hub().threadpool.apply(_handshake, (context, sock.detach()))

    watching = gevent.spawn(watch)
    gevent.joinall([gevent.spawn(shake) for _ in range(30)], timeout=30, raise_error=True)
    ended = True
    watching.join()
    late.sort()
    print(f"{len(late)} looks, the latest {1000 * late[-1]:.1f} ms, p99 {1000 * late[-len(late) // 100]:.1f} ms")
    assert late[-len(late) // 100 - 1] < 0.02


def _handshake(context, descriptor):
    """In a thread, with plain sockets."""
    inside = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(*inside, server_hostname=HOST)
    sock = gevent.monkey.get_original("socket", "socket")(fileno=descriptor)
    sock.setblocking(True)
    while True:
        try:
            tls.do_handshake()
            sock.sendall(inside[1].read())
            sock.close()
            return
        except ssl.SSLWantReadError:
            sock.sendall(inside[1].read())
            inside[0].write(sock.recv(65536))


# -- balancers ---

VISITOR = Address("203.0.113.9", 4711)
BALANCED = {"proxy_protocol": {"trusted": ["127.0.0.1"]}}


def balanced(port, header, request=f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"):
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(header + request.encode())
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_visitor_of_a_balancer_is_whom_shares_and_logs_see(begin, target, tmp_path, version):
    zrokd = begin(BALANCED)
    zrokd.reload({"observers": [{"use": "access_log", "format": "json", "path": str(tmp_path / "log")}]})
    assert balanced(zrokd.frontend.port, encode(version, VISITOR, None)).startswith(b"HTTP/1.1 200")
    assert target.heads[-1]["x-forwarded-for"] == target.heads[-1]["x-real-ip"] == "203.0.113.9"
    assert target.heads[-1]["forwarded"].startswith("for=203.0.113.9;")
    zrokd.stop()
    assert json.loads((tmp_path / "log").read_text())["peer"] == "203.0.113.9:4711"


def test_each_visitor_of_a_balancer_has_limits_of_its_own(begin):
    zrokd = begin({**BALANCED, "limits": {"per_address": 2}})

    def hold(host):
        sock = socket.create_connection(("127.0.0.1", zrokd.frontend.port), 10)
        sock.sendall(encode("v2", Address(host, 1), None) + f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        status = sock.recv(65536).split(b" ")[1]
        return sock, status

    held = [hold(host) for host in ("203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2")]
    assert [status for _, status in held] == [b"200", b"200", b"429", b"200"]
    for sock, _ in held:
        sock.close()


def test_who_does_not_come_by_the_balancer_gets_nothing(begin, target):
    zrokd = begin({"proxy_protocol": {"trusted": ["192.0.2.1"]}})
    before = len(target.heads)
    with contextlib.suppress(ConnectionResetError):
        assert balanced(zrokd.frontend.port, encode("v1", VISITOR, None)) == b""
    assert len(target.heads) == before


def test_the_header_comes_before_tls(begin, visit, target):
    zrokd = begin({**BALANCED, "tls": tls(ZONE)})
    visitor = visit(zrokd.frontend.port, before=encode("v2", VISITOR, None))
    assert visitor.get()[0] == 200
    assert target.heads[-1]["x-forwarded-for"] == "203.0.113.9"
    assert target.heads[-1]["x-forwarded-proto"] == "https"


# -- the API ---


@pytest.fixture
def api(tmp_path):
    """An API inside TLS behind a balancer, and the file of its certificate."""
    own = issue("127.0.0.1")
    (ca, _) = own.write(tmp_path)
    controller = {"tls": tls(own), **BALANCED}
    with Scenario(tmp_path, changes={"roles": {"controller": controller, "frontend": None, "backend": None}}) as zrokd:
        yield zrokd.controller.port, own, ca


def test_the_api_speaks_tls_behind_a_balancer_too(api, visit):
    port, own, _ = api
    visitor = visit(port, own, host="127.0.0.1", before=encode("v1", VISITOR, None))
    status, body = visitor.get("/api/v2/version")
    assert (status, b"v2" in body) == (200, True), body


def test_who_asks_the_api_without_the_balancer_gets_nothing(api):
    with pytest.raises((ConnectionError, ssl.SSLError)):
        SecureVisitor(api[0], api[1], host="127.0.0.1")


# -- files and signals ---


@pytest.fixture
def daemon(folder):
    """A process of its own that answers the API inside TLS; the certificate's files; its port."""
    (port,) = free_ports(1)
    (folder / "etc").mkdir()
    files = issue("127.0.0.1").write(folder / "etc")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "STATE_DIRECTORY": str(folder / "state")}
    process = Process("controller", folder, Person(), environ, [sys.executable, "-m", "zrokd"])
    process.file.write_text(
        f"version: 1\nlog: {{format: json}}\nroles:\n  controller:\n    listen: 127.0.0.1:{port}\n"
        f"    tls: {{certificates: [{{chain: !file {files[0].name}, key: !file {files[1].name}}}]}}\n"
    )
    process.start()
    yield process, files, port
    process.close()


def test_sighup_takes_up_renewed_files_and_keeps_the_old_ones_when_they_are_wrong(daemon, visit):
    process, (chain, key), port = daemon
    first, renewed = Issued(chain.read_text(), key.read_text()), issue("127.0.0.1", number=7)

    def refusals():
        process.reload()
        return [one["message"] for one in process.records() if "reload refused" in one["message"]]

    def answers(visitor):
        return visitor.get("/api/v2/version")[0] == 200

    kept = visit(port, first, host="127.0.0.1")
    assert answers(kept)
    chain.write_text(renewed.chain)  # and its key not yet
    (refused,) = refusals()
    assert "roles.controller.tls.certificates[0]" in refused
    assert "the key does not belong to the first certificate" in refused
    assert f"read from {chain} and {key}" in refused
    assert answers(visit(port, first, host="127.0.0.1"))
    key.write_text(renewed.key)
    assert len(refusals()) == 1
    assert answers(visit(port, renewed, host="127.0.0.1"))
    key.unlink()
    assert f"cannot read {key}: no such file or directory" in refusals()[-1]
    assert answers(visit(port, renewed, host="127.0.0.1"))
    assert answers(kept)
    ended = issue("127.0.0.1", number=7, days=-1)
    chain.write_text(ended.chain)
    key.write_text(ended.key)
    process.reload()
    warned = [one["message"] for one in process.records() if one["level"] == "warning"]
    assert [text for text in warned if "the certificate for 127.0.0.1 ended on" in text]


CHECKS = [
    (issue("127.0.0.1"), issue("127.0.0.1", number=7).key, 2, "the key does not belong to the first certificate"),
    (issue("127.0.0.1"), "", 2, "own.key is empty"),
    (Issued("", issue("127.0.0.1").key), None, 2, "own.crt is empty"),
    (issue("127.0.0.1"), "no key", 2, "the key holds no private key"),
    (issue("127.0.0.1", days=-3), None, 0, "the certificate for 127.0.0.1 ended on 20"),
]


@pytest.fixture
def check(tmp_path, capsys):
    """check(chain, key): exit code and words of `zrokd check` on a file with this certificate."""

    def checked(chain, key):
        file = tmp_path / "api.yml"
        file.write_text(
            "version: 1\nroles:\n  controller:\n    tls:\n      certificates:\n"
            f"        - chain: !file {chain}\n          key: !file {key}\n"
        )
        code = run_program(["check", str(file)])
        told = "".join(capsys.readouterr())
        assert "BEGIN" not in told
        return code, told

    return checked


@pytest.mark.parametrize(("issued", "key", "code", "words"), CHECKS)
def test_check_finds_what_is_wrong_with_a_certificate(tmp_path, check, issued, key, code, words):
    chain_file, key_file = issued.write(tmp_path)
    key_file.write_text(issued.key if key is None else key)
    found, told = check(chain_file.name, key_file.name)
    print(told)
    assert found == code
    assert words in told
    assert "api.yml:" in told
    assert "own." in told


def test_check_finds_a_file_that_is_missing_and_a_key_that_others_read(tmp_path, check):
    chain_file, key_file = issue("127.0.0.1").write(tmp_path)
    key_file.chmod(0o644)
    code, told = check(chain_file.name, key_file.name)
    assert (code, "own.key holds a secret and can be read by others" in told) == (0, True)
    code, told = check("gone.crt", key_file.name)
    assert (code, "gone.crt: no such file or directory" in told) == (2, True)
