import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import gevent
import gevent.ssl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from websockets.sync.client import connect as websocket_connect
from zrokd_plugins.mode_proxy import ProxyMode, ProxySettings, zrokd_provide_modes
from zrokd_plugins.mode_proxy.target import parse_target

from zrokd.contracts import Caller
from zrokd.errors import StreamError
from zrokd.net import stream as stream_module
from zrokd.net.proxy_protocol import HeaderReader
from zrokd.net.stream import SocketStream
from zrokd.net.tls.stream import TlsStream

WEBSOCKET_SERVER = """
from websockets.sync.server import serve
def echo(ws):
    for message in ws:
        ws.send(message)
with serve(echo, "127.0.0.1", 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
"""


def make(ctx, target, **settings):
    mode = ProxyMode(ProxySettings(target=target, **settings), ctx)
    mode.open()
    mode.share_token = "tok"
    return mode


@pytest.fixture
def proxy(small_ctx):
    """proxy(target, **settings): an open mode, closed at the end."""
    modes = []

    def start(target, **settings):
        modes.append(make(small_ctx, target, **settings))
        return modes[-1]

    yield start
    for mode in modes:
        mode.close()


class Server:
    """An origin that keeps connections, notes heads and bodies, and answers by `answer(head, body)`."""

    def __init__(self, answer=None):
        self.heads, self.bodies, self.connections = [], [], 0
        self._answer = answer or (lambda head, body: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def __call__(self, stream):
        self.connections += 1
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                piece = stream.recv(65536, 30)
                if not piece:
                    return
                data += piece
            head, _, data = data.partition(b"\r\n\r\n")
            length = next(
                (
                    int(v)
                    for k, _, v in (r.partition(b":") for r in head.split(b"\r\n"))
                    if k.lower() == b"content-length"
                ),
                0,
            )
            while len(data) < length:
                data += stream.recv(65536, 30)
            body, data = data[:length], data[length:]
            self.heads.append(head)
            self.bodies.append(body)
            answer = self._answer(head, body)
            if answer is None:
                return
            stream.send(answer, 30)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_the_module_provides_the_mode():
    assert zrokd_provide_modes() == [ProxyMode]
    assert (ProxyMode.name, ProxyMode.http) == ("proxy", True)


# -- forwarding ---


def test_a_request_reaches_the_target_and_its_answer_the_visitor(proxy, origin, visit, small_ctx):
    server = Server()
    visitor = visit(proxy(f"http://127.0.0.1:{origin(server)}"))
    status, _fields, body = visitor.get("/path?q=1", "X-Color: blue")
    assert (status, body) == (200, b"ok")
    assert server.heads[0].startswith(b"GET /path?q=1 HTTP/1.1\r\n")
    assert b"X-Color: blue" in server.heads[0]
    assert b"Host: a.example" in server.heads[0]
    [told] = small_ctx.hooks.wait("on_exchange")
    assert (told.method, told.target, told.status, told.role) == ("GET", "/path?q=1", 200, "backend")
    assert (told.share_token, told.peer, told.tx_bytes, told.outcome) == ("tok", "pid:1", 2, "ok")
    assert told.duration_s >= 0


def recorded(connect, asked):
    """`connect` that notes where to in `asked`."""

    def record(sock, to, *rest):
        asked.append(to)
        return connect(sock, to, *rest)

    return record


@pytest.mark.parametrize("named", ["http://169.254.169.254/latest", "http://127.0.0.1:9/latest", "http://[::1]/latest"])
def test_a10_whatever_host_a_visitor_names_the_target_alone_is_asked(proxy, origin, visit, monkeypatch, named):
    server = Server()
    port = origin(server)
    asked = []
    for owner, name in ((socket.socket, "connect"), (stream_module, "_connect_to")):
        monkeypatch.setattr(owner, name, recorded(getattr(owner, name), asked))
    visitor = visit(proxy(f"http://127.0.0.1:{port}"))
    assert visitor.get(named, f"Host: {named.split('/')[2]}")[0] in (200, 400)
    assert visit(proxy(f"http://127.0.0.1:{port}")).get("/", "X-Forwarded-Host: 169.254.169.254")[0] == 200
    assert {to[:2] for to in asked} == {("127.0.0.1", port)}
    assert all(head.split(b" ")[1].startswith(b"/") for head in server.heads)


def test_both_sides_keep_their_connections(proxy, origin, visit):
    server = Server()
    visitor = visit(proxy(origin(server)))
    for _ in range(5):
        assert visitor.get("/")[0] == 200
    assert server.connections == 1
    assert len(server.heads) == 5


def test_visitors_share_the_connections_to_the_target(proxy, origin, visit):
    server = Server()
    mode = proxy(origin(server))
    for _ in range(3):
        visitor = visit(mode)
        assert visitor.get("/")[0] == 200
        visitor.close()
    assert server.connections == 1


def test_a_body_goes_up(proxy, origin, visit, small_ctx):
    server = Server()
    visitor = visit(proxy(origin(server)))
    visitor.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    assert visitor.answer()[2] == b"ok"
    assert server.bodies == [b"hello"]
    [told] = small_ctx.hooks.wait("on_exchange")
    assert (told.rx_bytes, told.tx_bytes) == (5, 2)


@pytest.mark.parametrize(
    ("choice", "seen"),
    [("keep", b"a.example"), ("target", b"127.0.0.1:%d"), ("other.example", b"other.example")],
)
def test_the_host_field_is_the_operators_choice(proxy, origin, visit, choice, seen):
    server = Server()
    port = origin(server)
    visit(proxy(f"http://127.0.0.1:{port}", host_header=choice)).get("/")
    expected = seen % port if b"%d" in seen else seen
    hosts = [row for row in server.heads[0].split(b"\r\n") if row.lower().startswith(b"host:")]
    assert hosts == [b"Host: " + expected]


@pytest.mark.parametrize(
    ("base", "asked", "seen"),
    [
        ("", "/x", "/x"),
        ("/", "/x", "/x"),
        ("/app", "/x?y", "/app/x?y"),
        ("/app/", "/", "/app/"),
        ("/a/b", "//x", "/a/b//x"),
    ],
)
def test_the_targets_path_goes_first(proxy, origin, visit, base, asked, seen):
    server = Server()
    visit(proxy(f"http://127.0.0.1:{origin(server)}{base}")).get(asked)
    assert server.heads[0].split(b" ")[1] == seen.encode()


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/..",
        "/a/../../secret",
        "/%2e%2e/secret",
        "/.%2E/secret",
        "/a%2f..%2fsecret",
        "/a/..%2Fsecret",
        "/..;/secret",
        "/..;x=1/secret",
        "/..%3b/secret",
        "/..\\secret",
        "/a\\..\\secret",
        "/%5c..%5csecret",
        "/..?x",
    ],
)
def test_no_path_leads_out_of_the_base(proxy, origin, visit, path):
    server = Server()
    target = f"http://127.0.0.1:{origin(server)}"
    assert visit(proxy(target + "/base")).get(path)[0] == 400
    assert server.connections == 0
    assert visit(proxy(target)).get(path)[0] == 200, "without a base there is nothing to leave"


@pytest.mark.parametrize("path", ["/..a/b", "/a..b", "/...", "/a?x=/../b", "/%2e%2ex", "/.", "/a/./b", "/-..", "/..%2"])
def test_dots_that_lead_nowhere_pass_under_a_base(proxy, origin, visit, path):
    server = Server()
    assert visit(proxy(f"http://127.0.0.1:{origin(server)}/base")).get(path)[0] == 200
    assert server.heads[0].startswith(f"GET /base{path} ".encode())


def test_a_head_that_a_frontend_takes_is_not_too_large_with_what_it_adds(proxy, origin, visit):
    server = Server()
    rows = [f"X-{number}: {'y' * 310}" for number in range(99)] + [f"X-Added-{number}: z" for number in range(12)]
    assert visit(proxy(f"http://127.0.0.1:{origin(server)}")).get("/" + "a" * 8150, *rows)[0] == 200


def test_a_unix_socket_is_a_target(proxy, visit, tmp_path, small_ctx):
    server = Server()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()
        visitor = visit(proxy(f"unix:{tmp_path}/s"))
        asking = small_ctx.spawn(lambda: visitor.get("/"))
        stream = SocketStream(sock.accept()[0])
        small_ctx.spawn(server, stream)
        assert asking.join(10)
        stream.close()
        assert server.heads[0].startswith(b"GET / ")


def test_the_ping_never_reaches_the_target(proxy, visit, small_ctx):
    visitor = visit(proxy(free_port()))
    assert visitor.get("/.well-known/zrokd/ping")[0] == 204
    assert visitor.get("/.well-known/zrokd/ping", method="HEAD")[0] == 204
    assert small_ctx.hooks.calls == []


def test_events_come_one_by_one(proxy, origin, visit):
    more = threading.Event()

    def events(stream):
        stream.recv(65536, 10)
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        assert more.wait(10)
        stream.send(b"data: 2\n\n")

    visitor = visit(proxy(origin(events)))
    visitor.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"data: 2" not in visitor.until(b"data: 1\n\n")
    more.set()
    visitor.until(b"data: 2\n\n")


def test_websockets_pass(proxy, small_ctx):
    process = subprocess.Popen([sys.executable, "-c", WEBSOCKET_SERVER], stdout=subprocess.PIPE, text=True)
    near, far = socket.socketpair()
    stream = SocketStream(far)
    try:
        mode = proxy(int(process.stdout.readline()))
        serving = small_ctx.spawn(mode.serve, stream, Caller(address="pid:1"))
        with near, websocket_connect("ws://a.example/chat", sock=near, compression=None) as ws:
            for message in ("hello", b"\x00\xff" * 1000, "x" * 200_000):
                ws.send(message)
                assert ws.recv(10) == message
        assert serving.join(10)
        [told] = small_ctx.hooks.wait("on_exchange")
        assert told.status == 101
        assert told.tx_bytes > 200_000
    finally:
        stream.close()
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_hundred_megabytes_pass_in_flat_memory(proxy, origin, visit):
    size = 100 << 20

    def pour(stream):
        stream.recv(65536, 10)
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece, left = bytes(1 << 18), size
        while left:
            stream.send(piece, 10)
            left -= len(piece)

    visitor = visit(proxy(origin(pour)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    visitor.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    visitor.until(b"\r\n\r\n")
    received = len(visitor.data.partition(b"\r\n\r\n")[2])
    while received < size:
        received += len(visitor.near.recv(1 << 18, 10))
    assert received == size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10  # KiB


# -- what goes wrong ---


def test_a_target_that_is_down_is_502_at_once_and_tried_again(proxy, origin, visit, small_ctx, caplog):
    port = free_port()
    mode = proxy(port)
    assert f"127.0.0.1:{port}" in mode.probe()
    visitor = visit(mode)
    started = time.monotonic()
    for _ in range(3):
        status, _, body = visitor.get("/")
        assert status == 502
        assert str(port).encode() not in body
    assert time.monotonic() - started < 1
    origin(Server(), port)
    assert mode.probe() == ""
    assert visitor.get("/")[0] == 200
    told = small_ctx.hooks.of("on_exchange")
    assert [summary.status for summary in told] == [502, 502, 502, 200]
    assert "refused" in told[0].outcome
    assert caplog.text.count("refused") == 1


def test_a_body_for_a_target_that_is_down_does_not_stand_in_the_way(proxy, visit):
    visitor = visit(proxy(free_port()))
    visitor.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    status, fields, _ = visitor.answer()
    assert (status, fields["connection"]) == (502, "close")


def test_a_target_that_hangs_up_is_502(proxy, origin, visit):
    assert visit(proxy(origin(Server(lambda head, body: None)))).get("/")[0] == 502


def test_a_frontend_is_told_why_there_is_no_answer(proxy, origin, visit):
    def silent(_head, _body):
        gevent.sleep(5)

    reasons = {
        "destination_unavailable": proxy(1),
        "connection_terminated": proxy(origin(Server(lambda head, body: None))),
        "http_response_timeout": proxy(origin(Server(silent)), answer_timeout=0.05),
    }
    for reason, where in reasons.items():
        assert visit(where).get("/")[1]["proxy-status"] == f"zrokd; error={reason}"


def test_a_target_that_talks_nonsense_is_502(proxy, origin, visit):
    assert visit(proxy(origin(Server(lambda head, body: b"SSH-2.0-x\r\n\r\n")))).get("/")[0] == 502


def test_a_share_has_limits_of_its_own_for_bodies_and_pauses(proxy, origin, visit):
    def begun(_head, _body):
        return b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

    mode = proxy(origin(Server(begun)), answer_idle=0.05, body_size=10)
    assert visit(mode).get("/", "Content-Length: 11", method="POST")[0] == 413
    visitor = visit(mode)
    visitor.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert visitor.until(b"half")
    with pytest.raises((StreamError, AssertionError)):
        visitor.until(b"never")


def test_a_target_that_says_nothing_is_504(proxy, origin, visit):
    def silent(stream):
        with pytest.raises(StreamError):
            while stream.recv(65536, 10):
                pass
            raise StreamError("ended")

    assert visit(proxy(origin(silent), answer_timeout=0.1)).get("/")[0] == 504


def test_a_target_that_takes_no_connection_is_given_up_in_time(proxy, crowded_port, visit, small_ctx):
    assert visit(proxy(crowded_port, connect_timeout=0.05)).get("/")[0] == 502
    (told,) = small_ctx.hooks.of("on_exchange")
    assert "no answer within 0.05 s" in told.outcome


def test_a_kept_connection_that_the_target_closed_is_not_used(proxy, origin, visit):
    served = []

    def once(stream):
        served.append(stream.recv(65536, 10))
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    visitor = visit(proxy(origin(once)))
    for _ in range(5):
        assert visitor.get("/")[0] == 200
    assert len(served) == 5


def test_a_get_whose_kept_connection_dies_under_it_is_sent_again(proxy, origin, visit):
    answers = []

    def die_at_the_second(head, body):
        answers.append(head)
        return None if len(answers) == 2 else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    visitor = visit(proxy(origin(Server(die_at_the_second))))
    assert visitor.get("/")[0] == 200
    assert visitor.get("/again")[0] == 200
    assert len(answers) == 3


def test_a_post_is_never_sent_twice(proxy, origin, visit):
    answers = []

    def die_at_the_second(head, body):
        answers.append(head)
        return None if len(answers) == 2 else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    visitor = visit(proxy(origin(Server(die_at_the_second))))
    assert visitor.get("/")[0] == 200
    visitor.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert visitor.answer()[0] == 502
    assert len(answers) == 2


def test_an_answer_that_is_cut_short_is_cut_short_for_the_visitor(proxy, origin, visit, small_ctx):
    def cut(stream):
        stream.recv(65536, 10)
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    visitor = visit(proxy(origin(cut)))
    visitor.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        while visitor.more():
            pass
    except StreamError:
        pass
    assert visitor.data.endswith(b"only this")
    [told] = small_ctx.hooks.wait("on_exchange")
    assert told.outcome != "ok"


@pytest.mark.parametrize(
    "request_text", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"]
)
def test_a_malformed_request_never_reaches_the_target(proxy, origin, visit, request_text):
    server = Server()
    visitor = visit(proxy(origin(server)))
    visitor.send(request_text)
    assert visitor.answer()[0] == 400
    assert server.heads == []


def test_no_descriptor_is_left(proxy, origin, visit, descriptors, patient, small_ctx):
    mode = proxy(origin(Server()), idle_connections=2)
    before = descriptors()
    for _ in range(30):
        visitor = visit(mode)
        visitor.get("/")
        visitor.close()
    mode.close()
    patient(lambda: descriptors() <= before)


def test_the_pool_keeps_no_more_than_it_may(proxy, origin, visit):
    server = Server()
    mode = proxy(origin(server), idle_connections=2)
    visitors = [visit(mode) for _ in range(5)]
    gate = [gevent.spawn(visitor.get, "/") for visitor in visitors]
    gevent.joinall(gate, 10, raise_error=True)
    assert len(mode._pool._idle) <= 2


def test_idle_connections_grow_old(proxy, origin, visit):
    server = Server()
    visitor = visit(proxy(origin(server), idle=0.05))
    visitor.get("/")
    gevent.sleep(0.1)
    visitor.get("/")
    assert server.connections == 2


def test_drain_ends_an_idle_connection(proxy, origin, visit):
    mode = proxy(origin(Server()))
    visitor = visit(mode)
    assert visitor.get("/")[0] == 200
    mode.drain(1.0)
    assert visitor.ended() == b""


# -- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", str(folder / "key"), "-out", str(folder / "cert"), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


class TlsOrigin:
    """The gevent socket of an accepted TLS connection, with the methods that Server uses."""

    def __init__(self, sock):
        self._sock = sock

    def recv(self, size, timeout_s):
        self._sock.settimeout(timeout_s)
        return self._sock.recv(size)

    def send(self, data, timeout_s):
        self._sock.sendall(data)


@pytest.fixture
def tls_origin(certificate):
    """tls_origin(server): a port; TLS there."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    sockets, greenlets = [], []

    def serve(sock, server):
        while True:
            try:
                client, _ = sock.accept()
            except OSError:
                return
            greenlets.append(gevent.spawn(one, client, server))

    def one(client, server):
        try:
            wrapped = context.wrap_socket(client, server_side=True)
        except OSError:
            client.close()
            return
        try:
            server(TlsOrigin(wrapped))
        except OSError:
            pass
        finally:
            wrapped.close()

    def start(server):
        sock = socket.create_server(("127.0.0.1", 0))
        sockets.append(sock)
        greenlets.append(gevent.spawn(serve, sock, server))
        return sock.getsockname()[1]

    yield start
    for sock in sockets:
        sock.close()
    gevent.killall(greenlets)


def test_an_https_target_with_any_certificate_when_asked_for(proxy, tls_origin, visit):
    big = b"x" * 3_000_000
    server = Server(lambda head, body: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)
    visitor = visit(proxy(f"https://localhost:{tls_origin(server)}", insecure=True))
    for _ in range(3):
        status, _, body = visitor.get("/")
        assert (status, body) == (200, big)
    assert server.connections == 1


def test_a_large_body_goes_up_through_tls(proxy, tls_origin, visit):
    server = Server()
    visitor = visit(proxy(f"https://localhost:{tls_origin(server)}", insecure=True))
    body = os.urandom(1_000_000)
    sending = gevent.spawn(visitor.send, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert visitor.answer()[0] == 200
    sending.get(timeout=10)
    assert server.bodies == [body]


def test_an_untrusted_certificate_is_502_and_the_log_says_why(proxy, tls_origin, visit, caplog):
    server = Server()
    mode = proxy(f"https://localhost:{tls_origin(server)}")
    assert "insecure: true" in mode.probe()
    assert visit(mode).get("/")[0] == 502
    assert "not trusted" in caplog.text
    assert server.heads == []


def test_a_trusted_certificate_is_taken_and_its_name_checked(proxy, tls_origin, visit, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert"))
    server = Server()
    port = tls_origin(server)
    assert visit(proxy(f"https://localhost:{port}")).get("/")[0] == 200
    assert visit(proxy(f"https://127.0.0.1:{port}")).get("/")[0] == 502


def test_plain_http_behind_an_https_target_is_502(proxy, origin, visit):
    def plain(stream):
        stream.recv(65536, 10)
        stream.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    assert visit(proxy(f"https://localhost:{origin(plain)}", insecure=True)).get("/")[0] == 502


def test_a_target_without_tls_is_told_of_by_https(proxy, origin):
    def plain(stream):
        stream.recv(65536, 10)
        stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert proxy(f"https://localhost:{origin(plain)}").probe() == "the target does not speak TLS; write http://"


def test_a_target_with_tls_is_told_of_by_http(proxy, tls_origin, visit, caplog):
    target = f"http://127.0.0.1:{tls_origin(Server())}"
    mode = proxy(target)
    assert visit(mode).get("/")[0] == 502
    with gevent.Timeout(10):  # it is found out beside the answer
        while f"{target}: the target speaks TLS; write https://" not in caplog.text:
            gevent.sleep(0.001)
    assert visit(mode).get("/")[0] == 502
    assert caplog.text.count("speaks TLS") == 1
    assert mode._doubt() == "the target speaks TLS; write https://"


def test_the_handshake_runs_off_the_hub(proxy, tls_origin, visit, small_ctx):
    mode = proxy(f"https://localhost:{tls_origin(Server())}", insecure=True)
    before = small_ctx.offloaded
    visit(mode).get("/")
    assert small_ctx.offloaded > before


# -- PROXY protocol ---


class Announced(Server):
    """An origin that wants a PROXY header before anything else."""

    def __init__(self):
        super().__init__()
        self.sources = []

    def __call__(self, stream):
        header = HeaderReader()
        while header.wants:
            header.feed(stream.recv(header.wants, 10))
        self.sources.append(header.source and header.source.host)
        super().__call__(stream)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_target_is_told_each_visitor_when_asked_for(proxy, origin, visit, version):
    server = Announced()
    visitor = visit(proxy(origin(server), proxy_protocol=version))
    told = [b"X-Real-IP: 203.0.113.9\r\n", b"X-Real-IP: 2001:db8::7\r\n", b"", b"X-Real-IP: a b\r\n"]
    for fields in told:
        visitor.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        assert visitor.answer()[0] == 200
    assert server.sources == ["203.0.113.9", "2001:db8::7", None, None]
    assert server.connections == 4


def test_the_header_comes_before_tls(proxy, visit, origin, certificate):
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    sources = []

    def serve(stream):
        header = HeaderReader()
        while header.wants:
            header.feed(stream.recv(header.wants, 10))
        sources.append(header.source.host)
        inside = TlsStream(stream, context)
        inside.handshake(lambda function: function(), 10)
        Server()(inside)

    visitor = visit(proxy(f"https://localhost:{origin(serve)}", insecure=True, proxy_protocol="v2"))
    visitor.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 203.0.113.9\r\n\r\n")
    assert visitor.answer()[0] == 200
    assert sources == ["203.0.113.9"]


def test_asking_whether_the_target_is_there_speaks_for_nobody(proxy, origin):
    server = Announced()
    assert proxy(origin(server), proxy_protocol="v2").probe() == ""
    deadline = time.monotonic() + 10
    while not server.sources:
        assert time.monotonic() < deadline
        gevent.sleep(0.005)
    assert server.sources == [None]


# -- settings ---

TARGETS = [
    ("http://127.0.0.1:3000", "127.0.0.1:3000", "", b"127.0.0.1:3000", b""),
    ("http://example.com", "example.com:80", "", b"example.com", b""),
    ("https://example.com/base/", "example.com:443", "example.com", b"example.com", b"/base"),
    ("https://[::1]:8443", "[::1]:8443", "::1", b"[::1]:8443", b""),
    (3000, "127.0.0.1:3000", "", b"127.0.0.1:3000", b""),
    ("3000", "127.0.0.1:3000", "", b"127.0.0.1:3000", b""),
    (":3000", "127.0.0.1:3000", "", b"127.0.0.1:3000", b""),
    ("db:81", "db:81", "", b"db:81", b""),
    ("unix:/run/x.sock", "unix:/run/x.sock", "", b"localhost", b""),
]


@pytest.mark.parametrize(("text", "address", "tls_name", "host", "base"), TARGETS)
def test_targets_as_people_write_them(text, address, tls_name, host, base):
    target = ProxySettings(target=text).target
    assert (str(target.address), target.tls_name, target.host, target.base) == (address, tls_name, host, base)
    assert str(target) == str(text)
    assert ProxySettings(target=target).target is target


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "http://",
        "ftp://x",
        "http://x:99999",
        "http://x/?q",
        "http://x/#f",
        "http://a:b@x",
        "http://x/a b",
        "unix:rel",
        "localhost",
        "http://x/ä",
        True,
        None,
        1.5,
        [],
        "http://x/\r\nX: y",
        "http://[::1",
        "http://a..b",
        "http://./folder",
        f"http://{'x' * 64}.example",
        "-1",
        70000,
    ],
)
def test_what_is_no_target_is_told(bad):
    with pytest.raises(ValidationError):
        ProxySettings(target=bad)


@given(st.text(max_size=40))
def test_any_text_is_a_target_or_a_value_error(text):
    for candidate in (text, f"http://{text}"):
        try:
            target = parse_target(candidate)
        except ValueError:
            continue
        assert target.base == b"" or target.base.startswith(b"/")
        assert not set(target.host + target.base) & set(b" \r\n\0")


@pytest.mark.parametrize(
    "bad", [{"host_header": ""}, {"host_header": "a b"}, {"host_header": "a\r\nX: y"}, {"idle": -1}, {"x": 1}]
)
def test_settings_are_strict(bad):
    with pytest.raises(ValidationError):
        ProxySettings(target=1, **bad)
