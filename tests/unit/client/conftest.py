"""A small controller that notes requests and answers what it is told."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zrokd.client.controller import Controller
from zrokd.model.units import Secret


class Api:
    """A small HTTP server that notes requests and answers what it is told."""

    def __init__(self):
        self.requests, self.answers = [], []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                api.requests.append((self.command, self.path, dict(self.headers), json.loads(body) if body else None))
                answer = api.answers.pop(0) if api.answers else (200, {})
                if callable(answer):
                    answer(self)
                    return
                self.answer(*answer)

            def answer(self, status, document=None, fields=()):
                data = (
                    b""
                    if document is None
                    else document
                    if isinstance(document, bytes)
                    else json.dumps(document).encode()
                )
                self.send_response(status)
                for name, value in fields:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do_PATCH = do  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def api():
    api = Api()
    yield api
    api.close()


@pytest.fixture
def secure(api, self_signed):
    """The API behind TLS; the file of the certificate, which nobody else signed."""
    certificate, key = self_signed
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    api.server.socket = context.wrap_socket(api.server.socket, server_side=True)
    api.url = api.url.replace("http:", "https:")
    return certificate


@pytest.fixture
def controller(api):
    controller = Controller(api.url + "/", Secret("t0ken"), timeout_s=5)
    yield controller
    controller.close()
