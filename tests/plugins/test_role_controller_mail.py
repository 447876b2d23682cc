"""Letters of a controller: into a folder, and to a mail server of the test's own."""

import email
import logging
import socket
from dataclasses import replace
from email.policy import default
from types import SimpleNamespace

import gevent
import pytest
from gevent.queue import Queue
from pydantic import ValidationError
from zrokd_plugins.role_controller import mail
from zrokd_plugins.role_controller.client import client_address
from zrokd_plugins.role_controller.mail import Post, message_of
from zrokd_plugins.role_controller.settings import MailSettings, SignUpSettings

from zrokd.config.load import from_tree
from zrokd.errors import StoreError
from zrokd.host.daemon import Daemon
from zrokd.host.registry import Registry
from zrokd.model.site import Letter
from zrokd.model.units import Secret
from zrokd.service.letters import to_reset

LETTER = to_reset("ann@example.com", "AbCdEfGhIjKl", "https://z.example/reset", 900)


class MailServer:
    """Takes one mail by SMTP, without TLS. `refuse`: what it answers to DATA instead."""

    def __init__(self, refuse=""):
        self.refuse, self.lines, self.data = refuse, [], ""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(10)
        self.port = self._socket.getsockname()[1]
        self._greenlet = gevent.spawn(self._serve)

    def _serve(self):
        peer, _ = self._socket.accept()
        with peer, peer.makefile("rwb") as file:
            self._say(file, "220 here")
            while line := file.readline().decode().strip():
                self.lines.append(line)
                if line.upper() == "DATA" and not self.refuse:
                    self._say(file, "354 go on")
                    while (line := file.readline().decode()) != ".\r\n":
                        self.data += line
                self._say(
                    file, self.refuse if line.upper() == "DATA" else "221 bye" if line.upper() == "QUIT" else "250 fine"
                )
                if line.upper() == "QUIT":
                    return

    @staticmethod
    def _say(file, text):
        file.write(f"{text}\r\n".encode())
        file.flush()

    def close(self):
        self._socket.close()
        self._greenlet.join(5)


@pytest.fixture
def server():
    made = MailServer()
    yield made
    made.close()


@pytest.fixture
def ctx(tmp_path):
    return SimpleNamespace(
        log=logging.getLogger("zrokd.test"), state_dir=tmp_path, offload=lambda function, *args: function(*args)
    )


def test_a_letter_lands_in_a_folder_that_only_the_operator_reads(ctx, tmp_path):
    post = Post(ctx, MailSettings(sender="Zrok <zrok@example.com>"))
    assert post.deliver(LETTER) == ""
    (file,) = (tmp_path / "mail").iterdir()
    assert [path.stat().st_mode & 0o777 for path in (file, file.parent)] == [0o600, 0o700]
    message = email.message_from_bytes(file.read_bytes(), policy=default)
    assert (message["to"], message["from"], message["subject"]) == (
        "ann@example.com", "Zrok <zrok@example.com>", "Your new password"
    )  # fmt: skip
    for kind in ("plain", "html"):
        assert "https://z.example/reset/AbCdEfGhIjKl" in message.get_body((kind,)).get_content()


def test_a_letter_goes_to_a_mail_server(ctx, server):
    post = Post(ctx, MailSettings(use="smtp", host="127.0.0.1", port=server.port, tls="none"))
    assert post.deliver(replace(LETTER, key="k1")) == ""
    assert "Message-ID: <k1@localhost>" in server.data
    assert "RCPT TO:<ann@example.com>" in [line.replace("rcpt", "RCPT") for line in server.lines]
    assert "https://z.example/reset/AbCdEfGhIjKl" in server.data


def test_why_a_letter_is_not_out_is_told(ctx, server):
    server.refuse = "554 no, thanks"
    post = Post(ctx, MailSettings(use="smtp", host="127.0.0.1", port=server.port, tls="none"))
    assert "no, thanks" in post.deliver(LETTER)


@pytest.mark.parametrize("leads", [True, False])
def test_letters_go_when_somebody_rings_and_what_others_left_when_it_leads(ctx, monkeypatch, leads):
    monkeypatch.setattr(mail, "_EVERY_S", 0.01)
    post, looked = Post(ctx, MailSettings()), Queue()
    running = gevent.spawn(post.run, lambda: lambda deliver: looked.put(deliver), lambda: leads)
    if leads:
        assert [looked.get(timeout=5) for _ in range(3)] == [post.deliver] * 3
    else:
        gevent.sleep(0)
        assert looked.empty()
        post.ring()
        assert looked.get(timeout=5) == post.deliver
    running.kill()


@pytest.mark.parametrize("trouble", [StoreError("the database is away"), ValueError("unforeseen")])
def test_letters_wait_while_the_outbox_cannot_be_read(ctx, monkeypatch, caplog, trouble):
    monkeypatch.setattr(mail, "_EVERY_S", 0.01)
    post, looked = Post(ctx, MailSettings()), Queue()

    def send(deliver):
        looked.put(deliver)
        raise trouble

    running = gevent.spawn(post.run, lambda: send, lambda: True)
    for _ in range(2):
        looked.get(timeout=5)
    running.kill()
    assert str(trouble) in caplog.text


def test_a_mail_cannot_get_more_headers_by_its_address():
    letter = Letter(to="a@b\r\nBcc: eve@example.com", subject="s", text="t", html="h")
    with pytest.raises(ValueError, match="linefeed"):
        message_of(letter, MailSettings())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"use": "pigeon"}, "file"),
        ({"tls": "maybe"}, "starttls"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"use": "smtp", "host": "mail.example.com", "tls": "none", "username": "u"}, "unencrypted"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        MailSettings(**settings)


@pytest.mark.parametrize("settings", [{"invites": "maybe"}, {"register_within": "1s"}, {"reset_within": 0}])
def test_sign_up_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(ValidationError):
        SignUpSettings(**settings)


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
        ("127.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", "6.6.6.6, 192.0.2.9", "192.0.2.9"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.9, 10.0.0.2", "192.0.2.9"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6, nonsense", "127.0.0.1"),
        ("", "6.6.6.6", "6.6.6.6"),
    ],
)
def test_only_trusted_proxies_say_who_asks(peer, forwarded_for, address):
    assert client_address(peer, forwarded_for, trusted=["10.0.0.0/8"]) == address


def test_a_controller_lets_people_sign_up_by_what_it_writes(tmp_path):
    from zrokd.client.transport import Transport

    tree = {
        "version": 1,
        "state_dir": str(tmp_path / "state"),
        "roles": {"controller": {
            "listen": "127.0.0.1:0", "sign_up": {"invites": "open"}, "mail": {"dir": str(tmp_path / "out")}
        }},
    }  # fmt: skip
    registry = Registry()
    daemon = Daemon(from_tree(tree, registry=registry, environ={}), registry)
    daemon.start()
    try:
        transport = Transport(
            f"http://{daemon.components.roles['controller'].address}", Secret(""), timeout_s=10.0, verify=True
        )
        assert transport.call("GET", "/configuration")["invitesOpen"] is True
        transport.call("POST", "/invite", {"email": "zoe@example.com"})
        with gevent.Timeout(10):
            while not (found := list((tmp_path / "out").glob("[!.]*.eml"))):
                gevent.sleep(0.01)
        token = found[0].read_text().partition("token is ")[2][:12]
        made = transport.call("POST", "/register", {"registerToken": token, "password": "Correct-h0rse"})
        assert set(made) == {"accountToken"}
        transport.close()
    finally:
        daemon.stop(0.1)
