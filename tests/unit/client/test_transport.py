import socket
import threading
import time

import certifi
import pytest
from gevent.server import StreamServer

from zrokd.client.controller import Controller
from zrokd.errors import Conflict, Denied, Invalid, LimitReached, Misused, NotFound, Unavailable
from zrokd.model.units import Secret

MEDIA_TYPE = "application/zrok.v1+json"


def test_every_request_carries_what_zrok_asks_for(api, controller):
    controller.create_name("public", "docs")
    method, path, fields, body = api.requests[0]
    assert (method, path, body) == ("POST", "/api/v2/share/name", {"namespaceToken": "public", "name": "docs"})
    assert fields["x-token"] == "t0ken"
    assert fields["Accept"] == fields["Content-Type"] == MEDIA_TYPE


def test_without_a_token_none_is_sent_and_without_a_body_no_type(api):
    controller = Controller(api.url, Secret(""), timeout_s=5)
    controller.overview()
    controller.close()
    fields = {name.lower() for name in api.requests[0][2]}
    assert not fields & {"x-token", "content-type", "authorization"}


def test_a_netrc_password_is_never_sent(api, controller, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    controller.overview()
    assert "Authorization" not in api.requests[0][2]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Invalid), (401, Denied), (403, Denied), (404, NotFound), (405, Invalid), (409, Conflict), (413, Invalid),
        (415, Invalid), (422, Invalid), (429, LimitReached), (500, Unavailable), (502, Unavailable), (503, Unavailable),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("words of the controller", "words of the controller"),
        ({"code": 1, "message": "because"}, "because"),
        (None, ""),
    ],
)
def test_a_no_becomes_an_error_with_the_controllers_words_or_its_url(api, controller, status, error, document, said):
    api.answers.append((status, document))
    with pytest.raises(error) as caught:
        controller.overview()
    assert (said or api.url) in str(caught.value)
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(("field", "seconds"), [("7", 7.0), ("", 2.0), ("soon", 2.0), ("99999", 300.0), ("-1", 2.0)])
def test_the_advice_when_to_come_back_is_kept(api, controller, field, seconds):
    api.answers.append((503, None, [("Retry-After", field)]))
    with pytest.raises(Unavailable) as caught:
        controller.overview()
    assert caught.value.retry_after_s == seconds


def test_a_redirect_is_not_followed_with_the_token(api, controller):
    api.answers.append((302, None, [("Location", api.url + "/elsewhere")]))
    with pytest.raises(Invalid, match="is not the controller: it sends us to .*/elsewhere"):
        controller.overview()
    assert len(api.requests) == 1


@pytest.mark.parametrize("document", [b"<html>", b"\xff", b"{", b"[]", b"null", b'"x"', b"[" * 100_000])
def test_an_answer_that_is_no_overview_is_told(api, controller, document):
    api.answers.append((200, document))
    with pytest.raises(Unavailable, match="makes no sense|is not a zrokd controller"):
        controller.overview()


def test_an_answer_without_an_end_is_cut_at_the_limit(api, controller, monkeypatch):
    monkeypatch.setattr("zrokd.client.transport.MAX_ANSWER_BYTES", 1 << 20)

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 65536)
        except OSError:
            handler.close_connection = True

    api.answers.append(endless)
    with pytest.raises(Unavailable, match="more than"):
        controller.overview()


@pytest.mark.parametrize("drop", [1, 70_000])
def test_an_answer_that_drips_is_given_up(api, drop):
    controller = Controller(api.url, Secret("t"), timeout_s=0.5)

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000000")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * drop)
                time.sleep(0.05)
        except OSError:
            handler.close_connection = True

    api.answers.append(drip)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="too long"):
        controller.overview()
    assert time.monotonic() - started < 5
    controller.close()


def test_a_controller_that_is_not_there_is_told_with_its_url():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    controller = Controller(f"http://127.0.0.1:{port}", Secret("t0ken"), timeout_s=2)
    with pytest.raises(
        Unavailable, match=rf"http://127\.0\.0\.1:{port} does not answer \(.*refused.*\); is it running"
    ) as caught:
        controller.overview()
    assert "t0ken" not in str(caught.value)
    assert "HTTPConnectionPool" not in str(caught.value)
    controller.close()


def test_a_controller_that_says_nothing_is_told(api):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        controller = Controller(f"http://127.0.0.1:{sock.getsockname()[1]}", Secret("t"), timeout_s=0.2)
        with pytest.raises(Unavailable, match="does not answer in time"):
            controller.overview()
        controller.close()


def test_a_connection_that_breaks_is_told():
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def hang_up():
            client, _ = sock.accept()
            client.recv(1000)
            client.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        controller = Controller(f"http://127.0.0.1:{sock.getsockname()[1]}", Secret("t"), timeout_s=2)
        with pytest.raises(Unavailable, match="does not answer"):
            controller.overview()
        controller.close()
        thread.join()


@pytest.mark.parametrize("token", ["t€ken", "t0ken\nX-Other: 1"])
def test_what_can_be_no_token_is_told_without_it(token):
    with pytest.raises(Misused, match="this is no token: it has characters that none has"):
        Controller("http://127.0.0.1:9", Secret(token), timeout_s=1)


NO_URLS = ["", "api.example.com", "ftp://x", "http://", "http://[::1", "http:// x", f"http://{'a' * 64}.example"]


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_told(url):
    with pytest.raises((Invalid, Unavailable), match="URL|answer"):
        Controller(url, Secret("t"), timeout_s=1).overview()


@pytest.mark.slow
def test_many_callers_share_one_controller(api, controller):
    results = []
    threads = [threading.Thread(target=lambda: results.append(controller.version())) for _ in range(20)]
    api.answers += [(200, {"controllerVersion": "1"})] * 20
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["1"] * 20


# -- certificates ---


def ask(api, verify):
    controller = Controller(api.url, Secret("t"), timeout_s=5, verify=verify)
    try:
        return controller.overview()
    finally:
        controller.close()


@pytest.mark.parametrize("variable", ["", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_of_our_own_are_what_counts(api, secure, monkeypatch, variable):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, certifi.where())  # as many a firm sets it for every program
    assert ask(api, str(secure)) == {}


TRUSTED = "is not trusted: .*certificate; we trust those of this system, and others in ZROKD_CA or `ca`$"


def test_a_certificate_that_nobody_signed_is_told_with_what_to_do(api, secure):
    with pytest.raises(
        Unavailable,
        match="is not trusted: .*certificate; we trust those of this system, and others in ZROKD_CA or `ca`$",
    ):
        ask(api, True)


def test_a_controller_without_tls_is_told_of_by_an_https_url(api):
    controller = Controller(api.url.replace("http://", "https://"), Secret("t"), timeout_s=5)
    with pytest.raises(Unavailable) as caught:
        controller.overview()
    assert str(caught.value) == f"{controller.url} does not speak TLS; write {api.url}"
    controller.close()


def test_a_controller_with_tls_is_told_of_by_an_http_url(api, secure):
    controller = Controller(api.url.replace("https://", "http://"), Secret("t"), timeout_s=5)
    with pytest.raises(Unavailable, match="does it speak http there"):
        controller.overview()
    controller.close()


@pytest.fixture
def dying():
    """dying(*answers): the address of a server that sends one of these to each connection, and closes it."""
    servers = []

    def build(*answers):
        left = list(answers)

        def serve(sock, _):
            sock.recv(65536)
            sock.sendall(left.pop(0))

        servers.append(StreamServer(("127.0.0.1", 0), serve))
        servers[-1].start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield build
    for server in servers:
        server.stop()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((b"",), "does not answer (Remote end closed connection without response); does it speak http there?"),
        ((b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n",), "; does it speak http there?"),
        ((WHOLE, b""), "does not answer (Remote end closed connection without response); is it running?"),
        ((WHOLE, b"garbage\r\n\r\n"), "; is it running?"),
        ((HEAD + b'Content-Length: 9\r\n\r\n{"a',), "fell silent in the middle of an answer ("),
        ((HEAD + b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"a',), "fell silent in the middle of an answer ("),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n",), "fell silent in the middle of an answer ("),
    ],
)
def test_who_dies_in_an_answer_is_not_asked_whether_he_speaks_http(dying, answers, told):
    controller = Controller(dying(*answers), Secret("t"), timeout_s=5)
    for _ in answers[1:]:
        controller.overview()
    with pytest.raises(Unavailable) as caught:
        controller.overview()
    controller.close()
    assert told in str(caught.value)
    assert ("speak http" in str(caught.value)) == ("speak http" in told)


@pytest.mark.parametrize("status", [200, 404, 405, 501])
def test_a_web_server_is_told_to_be_no_controller(api, controller, status):
    api.answers.append((status, b"<p>Not found", [("Content-Type", "text/html; charset=utf-8")]))
    with pytest.raises(Unavailable, match="is not a zrokd controller; .* the port of a frontend"):
        controller.overview()


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_certificates_that_cannot_be_used_are_named(api, secure, tmp_path, text):
    file = tmp_path / "own.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises((Invalid, Unavailable)) as caught:
        ask(api, str(file))
    assert str(file) in str(caught.value)
    assert "HTTPSConnectionPool" not in str(caught.value)
