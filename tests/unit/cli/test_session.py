import contextlib
import json
import socket
import ssl

import gevent
import pytest
from gevent.server import StreamServer

from zrokd.cli import preflight, session
from zrokd.client.environment import EnabledEnvironment
from zrokd.errors import StartError, Unavailable
from zrokd.model.environment import Identity
from zrokd.model.units import Secret
from zrokd.testing.scenario import ACCOUNT_TOKEN


def test_a_scratch_folder_is_private_and_gone_afterwards(home):
    with session.scratch_folder() as folder:
        assert folder.parent == home / "run"
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "state").touch()
    assert not folder.exists()


def test_what_a_crash_left_is_swept_and_what_lives_is_not(home):
    (home / "run" / "left").mkdir(parents=True)
    with session.scratch_folder() as one, session.scratch_folder() as other:
        assert {path.name for path in (home / "run").iterdir()} == {".lock", one.name, other.name}


def test_a_home_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "file"))
    with pytest.raises(StartError, match="cannot write to .*file"), session.scratch_folder():
        pass


def test_the_controller_is_what_was_given_then_the_environment_then_this_machine(home, monkeypatch):
    assert session.controller_url(None) == session.DEFAULT_CONTROLLER
    monkeypatch.setenv("ZROK2_API_ENDPOINT", "http://a")
    assert session.controller_url(None) == "http://a"
    monkeypatch.setenv("ZROKD_CONTROLLER", "http://b")
    assert session.controller_url(None) == "http://b"
    assert session.controller_url("http://c") == "http://c"


def test_a_controller_that_is_away_is_told_once_and_waited_for(capsys, monkeypatch):
    tries = []

    def ask():
        tries.append(1)
        if len(tries) < 4:
            raise Unavailable("nobody at home")
        return "here"

    monkeypatch.setattr(preflight.Backoff, "next_s", lambda _self: 0.0)
    assert preflight.patiently(ask) == "here"
    assert capsys.readouterr().err == "zrokd: nobody at home; trying again until it does, Ctrl-C to end\n"


def test_a_revoked_token_is_said_with_what_to_do(enabled, site, home):
    path = home / "environment.json"
    kept = path.read_text()
    path.write_text(kept.replace("scenario-account-token", "revoked-token"))
    for words in (("list", "names"), ("share", "public", "3000"), ("access", "private", "x", "-b", "127.0.0.1:0")):
        _, err = enabled(*words, code=1)
        assert "revoked" in err
        assert len(err.splitlines()) == 1
        assert "revoked-token" not in err
    path.write_text(kept)


def test_a_share_waits_for_a_controller_that_is_away_and_says_so_on_one_line(enabled, home):
    path = home / "environment.json"
    kept = path.read_text()
    with socket.create_server(("127.0.0.1", 0)) as away:
        url = f"http://127.0.0.1:{away.getsockname()[1]}"
    document = json.loads(kept)
    path.write_text(json.dumps({**document, "controller": url}))
    one = enabled.start("share", "public", "3000")
    _, err = enabled.until("trying again")
    assert url in err
    assert len(err.splitlines()) == 1
    one.kill()
    path.write_text(kept)


# -- certificates ---


@pytest.mark.parametrize(
    ("given", "variable", "remembered", "counts"),
    [
        ("", "", "", ""),
        ("", "", "c", "c"),
        ("", "b", "c", "b"),
        ("a", "b", "c", "a"),
    ],
)
def test_certificates_are_what_was_given_then_the_variable_then_what_the_environment_remembers(
    tmp_path, home, monkeypatch, given, variable, remembered, counts
):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        (tmp_path / name).touch()
    if variable:
        monkeypatch.setenv("ZROKD_CA", variable)
    environment = EnabledEnvironment(
        controller="", account_token=Secret(""), identity=Identity(z_id="", document=""), ca=remembered
    )
    assert session.ca_file(environment, given=given) == (str(tmp_path / counts) if counts else "")


def test_certificates_that_cannot_be_read_are_one_sentence(enabled, site, monkeypatch):
    monkeypatch.setenv("ZROKD_CA", "/nowhere/ca.pem")
    for words in (("list", "names"), ("share", "public", "3000"), ("access", "private", "x")):
        _, err = enabled(*words, code=2)
        [sentence, _help] = err.splitlines()
        assert sentence == "zrokd: the certificates in /nowhere/ca.pem cannot be read: No such file or directory"
    monkeypatch.delenv("ZROKD_CA")


@pytest.fixture
def secure_url(site, self_signed):
    """The site's controller behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed)

    def relay(sock, _address):
        with socket.create_connection((site.controller.host, site.controller.port)) as there:
            back = gevent.spawn(copy, there, sock)
            copy(sock, there)
            back.join()

    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    server = StreamServer(("127.0.0.1", 0), relay, ssl_context=context)
    server.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.stop(timeout=1)


def test_what_enable_trusted_is_trusted_by_shares_and_accesses_and_lists(site, shell, home, secure_url, self_signed):
    ca = self_signed[0]
    refused, said = shell("enable", ACCOUNT_TOKEN, "--controller", secure_url, code=1)
    assert refused == ""
    assert "is not trusted: self-signed certificate; we trust those of this system" in said
    shell("enable", ACCOUNT_TOKEN, "--controller", secure_url, "--ca", ca)
    assert json.loads((home / "environment.json").read_text())["ca"] == str(ca)
    assert shell.lines("list", "shares") == []
    shell.start("share", "private", "--mode", "hello", "-s", "by-tls")
    shell.until("zrokd access private by-tls")
    share = shell._running[-1]
    shell.start("access", "private", "by-tls", "--bind", "127.0.0.1:0")
    shell.until("-> private share by-tls")
    assert shell.end() == 0
    assert share.get(timeout=10) == 0
    assert shell.lines("list", "shares") == shell.lines("list", "accesses") == []
    shell("disable")


def test_the_variable_reaches_a_share_too(site, shell, monkeypatch, secure_url, self_signed):
    monkeypatch.setenv("ZROKD_CA", str(self_signed[0]))
    shell("enable", ACCOUNT_TOKEN, "--controller", secure_url)
    shell.start("share", "private", "--mode", "hello", "-s", "by-variable")
    shell.until("zrokd access private by-variable")
    assert shell.end() == 0
    shell("disable")
