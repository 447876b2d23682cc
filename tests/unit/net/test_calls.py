"""Calls over HTTP: they may be ended at any time, follow nobody, and go where the environment's proxies want them."""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gevent.socket
import pytest
from gevent.event import Event
from gevent.server import StreamServer
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationValueError, ReadTimeoutError

from zrokd.net.calls import Calls, proxy_of

LIMITS = {"connect_s": 5.0, "read_s": 5.0}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server():
    """A server that notes what it is asked, and sends everybody on."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"body")

        def do_CONNECT(self):
            asked.append((self.path, dict(self.headers)))
            self.send_error(502)

        def log_message(self, *_):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url, made.asked = f"http://127.0.0.1:{made.server_port}", asked
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_an_answer_is_told_as_it_is_and_nobody_is_followed(server):
    with Calls() as calls, calls.open("GET", f"{server.url}/a?b=c", {"X": "y"}, **LIMITS) as answer:
        assert (answer.status, answer.headers["Location"], answer.read()) == (302, "/elsewhere", b"body")
    ((path, headers),) = server.asked
    assert (path, headers["X"]) == ("/a?b=c", "y")
    assert headers["User-Agent"].startswith("zrokd/")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_call_that_is_ended_while_it_connects_leaves_no_socket(monkeypatch, scheme):
    connecting, sockets = Event(), []

    def connect(sock, address):
        sockets.append(sock)
        connecting.set()
        gevent.sleep(60)

    monkeypatch.setattr(gevent.socket.socket, "connect", connect)
    with Calls() as calls:
        call = gevent.spawn(calls.open, "GET", f"{scheme}://127.0.0.1:9", **LIMITS)
        assert connecting.wait(10)
        call.kill(timeout=10)
    assert [sock.fileno() for sock in sockets] == [-1]


def test_a_call_that_is_ended_while_it_shakes_hands_leaves_no_socket():
    greeted, over, peers = Event(), Event(), []

    def listen(sock, _address):
        assert sock.recv(65536)  # the greeting, which is never answered
        greeted.set()
        peers.append(sock.recv(100))
        over.set()

    peer = StreamServer(("127.0.0.1", 0), listen)
    peer.start()
    with Calls() as calls:
        call = gevent.spawn(calls.open, "GET", f"https://127.0.0.1:{peer.server_port}", **LIMITS)
        assert greeted.wait(10)
        call.kill(timeout=10)
        assert over.wait(5), "it is closed at once, and not when somebody looks for garbage"
    assert peers == [b""]
    peer.stop()


def test_a_peer_that_takes_no_connection_ends_it_in_time(monkeypatch):
    def times_out(sock, address):
        raise TimeoutError("timed out")

    monkeypatch.setattr(gevent.socket.socket, "connect", times_out)
    with Calls() as calls, pytest.raises(ConnectTimeoutError):
        calls.open("GET", "http://127.0.0.1:9", **LIMITS)


def test_a_peer_that_says_nothing_ends_it_in_time():
    with closing(gevent.socket.create_server(("127.0.0.1", 0))) as silent, Calls() as calls:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ReadTimeoutError):
            calls.open("GET", place, connect_s=5.0, read_s=0.1)


@pytest.mark.parametrize("url", ["http://", "http://[::1", f"http://{'a' * 64}.example"])
def test_what_is_no_url_is_told(url):
    with Calls() as calls, pytest.raises(LocationValueError):
        calls.open("GET", url, **LIMITS)


def test_connections_of_calls_at_once_are_kept(server, caplog):
    with Calls() as calls:
        for answer in [calls.open("GET", server.url, **LIMITS) for _ in range(4)]:
            with answer:
                assert answer.read() == b"body"
        assert len([one for one in calls._pool(server.url).connection_from_url(server.url).pool.queue if one]) == 4
    assert not caplog.records


def test_whom_to_trust_is_read_with_the_first_call_that_needs_it(tmp_path):
    with Calls(verify=str(tmp_path / "nothing.pem")) as calls:
        with pytest.raises(FileNotFoundError):
            calls.open("GET", "https://127.0.0.1:9", **LIMITS)
        with pytest.raises(HTTPError):
            calls.open("GET", "http://127.0.0.1:9", **LIMITS)


def test_a_folder_of_authorities_is_one_to_trust(tmp_path):
    with Calls(verify=str(tmp_path)) as calls, pytest.raises(HTTPError):
        calls.open("GET", "https://127.0.0.1:9", **LIMITS)


# -- proxies ---


def test_a_call_goes_through_the_proxy_of_the_environment(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://me:my%40word@"))
    with Calls() as calls, calls.open("GET", "http://api.example.com/a", **LIMITS) as answer:
        assert answer.status == 302
    ((path, headers),) = server.asked
    assert path == "http://api.example.com/a"
    assert headers["proxy-authorization"] == "Basic bWU6bXlAd29yZA=="


@pytest.mark.parametrize("password", ["my€word", "my%E2%82%ACword"])
def test_a_password_for_a_proxy_may_have_any_characters(server, monkeypatch, password):
    monkeypatch.setenv("http_proxy", server.url.replace("http://", f"http://me:{password}@"))
    with Calls() as calls, calls.open("GET", "http://api.example.com/a", **LIMITS):
        pass
    ((_, headers),) = server.asked
    assert headers["proxy-authorization"] == f"Basic {b64encode('me:my€word'.encode()).decode()}"


@pytest.mark.parametrize("proxy", ["http://me:pass@[::1", "socks5://me:pass@p:1080", "http://me:pass@p:x"])
def test_a_proxy_that_is_none_is_told_without_its_password(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    with Calls() as calls, pytest.raises(LocationValueError, match="the proxy that the environment names") as caught:
        calls.open("GET", "https://api.example.com", **LIMITS)
    assert "pass" not in str(caught.value)


def test_a_call_by_tls_goes_through_a_tunnel_of_the_proxy(server, monkeypatch):
    monkeypatch.setenv("https_proxy", server.url.replace("http://", "http://me:my%40word@"))
    with Calls() as calls, pytest.raises(HTTPError, match="502"):
        calls.open("GET", "https://api.example.com/a", {"x-token": "secret"}, **LIMITS)
    ((path, headers),) = server.asked
    assert path == "api.example.com:443"
    assert headers["proxy-authorization"] == "Basic bWU6bXlAd29yZA=="
    assert "secret" not in str(headers)


def test_who_goes_directly_asks_no_proxy(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Calls(direct=True) as calls, calls.open("GET", server.url, **LIMITS) as answer:
        assert answer.status == 302


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.example.com", ""),
        ({"https_proxy": ""}, "https://api.example.com", ""),
        ({"https_proxy": "http://p:3128"}, "https://api.example.com", "http://p:3128"),
        ({"HTTPS_PROXY": "p:3128"}, "https://api.example.com", "http://p:3128"),
        ({"https_proxy": "http://p:3128"}, "http://api.example.com", ""),
        ({"all_proxy": "http://p:3128"}, "http://api.example.com", "http://p:3128"),
        ({"https_proxy": "http://p:3128", "no_proxy": "example.com"}, "https://api.example.com:8443/x", ""),
        ({"https_proxy": "http://p:3128", "no_proxy": "example.org"}, "https://api.example.com", "http://p:3128"),
        ({"https_proxy": "http://p:3128", "no_proxy": "*"}, "https://api.example.com", ""),
        ({"https_proxy": "http://p:3128", "no_proxy": "10.1.0.0/16, x"}, "https://10.1.2.3:80", ""),
        ({"https_proxy": "http://p:3128", "no_proxy": "10.1.0.0/16"}, "https://10.2.2.3", "http://p:3128"),
        ({"https_proxy": "http://p:3128", "no_proxy": "fd00::/8"}, "https://[fd00::1]:80", ""),
    ],
)
def test_which_proxy_an_environment_wants(monkeypatch, environment, url, proxy):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == proxy
