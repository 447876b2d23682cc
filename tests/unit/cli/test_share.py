import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time

import pytest
from gevent.event import Event
from gevent.server import StreamServer

from zrokd.cli.share import _selection, _target
from zrokd.testing.scenario import ACCOUNT_TOKEN

WAIT_S = 15
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"


@pytest.fixture
def target():
    """A web server that knows one answer; its port."""

    def serve(sock, _address):
        while sock.recv(65536):
            sock.sendall(ANSWER)

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    yield server.server_port
    server.stop(timeout=0.1)


@pytest.mark.parametrize(
    ("given", "mode", "meant"),
    [
        ("3000", "proxy", "http://127.0.0.1:3000"),
        (":3000", "proxy", "http://127.0.0.1:3000"),
        ("443", "proxy", "https://127.0.0.1:443"),
        ("intra.example:8080", "proxy", "http://intra.example:8080"),
        ("intra.example", "proxy", "http://intra.example"),
        ("https://intra.example/a", "proxy", "https://intra.example/a"),
        ("unix:/run/app.sock", "proxy", "unix:/run/app.sock"),
        ("5432", "tcp", "127.0.0.1:5432"),
        (":5432", "tcp", "127.0.0.1:5432"),
        ("db.example:5432", "tcp", "db.example:5432"),
        ("/srv/files", "web", "/srv/files"),
        ("", "proxy", ""),
        (None, "hello", ""),
    ],
)
def test_a_target_is_what_people_mean(given, mode, meant):
    assert _target(given, mode) == meant


def test_a_folder_is_of_where_the_person_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _target("files", "web") == str(tmp_path / "files")
    assert _target("8080", "web") == str(tmp_path / "8080")


@pytest.mark.parametrize(("text", "pair"), [("blog", ("public", "blog")), ("team:blog", ("team", "blog"))])
def test_a_name_may_say_its_namespace(text, pair):
    assert _selection(text, "public") == pair


def test_a_share_is_reached_shown_and_released(enabled, site, target):
    enabled.start("share", "public", target)
    out, _ = enabled.until("curl -H")
    url = out.split()[0]
    assert out.startswith(f"{url} -> http://127.0.0.1:{target}\n")
    host = url.removeprefix("http://").partition(":")[0]
    assert site.get(host, "/seen?x").body == b"mine"
    enabled.until("GET     /seen?x  200")
    assert enabled.end() == 0
    assert enabled.lines("list", "shares") == []


def test_ctrl_c_keeps_a_reserved_name_and_takes_it_up_again(enabled, site, target):
    enabled("create", "name", "kept")
    for _ in range(2):
        enabled.start("share", "public", target, "--name", "kept", "--json")
        out, _ = enabled.until("share_ready")
        [ready] = [json.loads(line) for line in out.splitlines()]
        assert ready["verified"] is True
        assert ready["urls"] == [f"http://kept.share.localhost:{site.frontend.port}"]
        assert enabled.end() == 0
    assert [row["name"] for row in enabled.lines("list", "names")] == ["kept"]
    enabled("delete", "name", "kept")


@pytest.mark.slow
def test_sigterm_ends_it_cleanly_too(enabled, target):
    enabled.start("share", "public", target)
    enabled.until("http://")
    assert enabled.end(signal.SIGTERM) == 0
    assert enabled.lines("list", "shares") == []


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(enabled, site):
    came, release = Event(), Event()

    def hold(sock, _address):
        if sock.recv(10):
            came.set()
            release.wait(WAIT_S)

    server = StreamServer(("127.0.0.1", 0), hold)
    server.start()
    words = [sys.executable, "-m", "zrokd", "share", "public", str(server.server_port), "--name", "slow"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as share:  # what is cut dies with its process
        assert "http://slow" in share.stdout.readline()
        visitor = socket.create_connection((site.frontend.host, site.frontend.port))
        visitor.sendall(b"GET /wait HTTP/1.1\r\nHost: slow.share.localhost\r\n\r\n")
        assert came.wait(WAIT_S)
        share.send_signal(signal.SIGINT)
        shown = iter(share.stdout.readline, "")
        assert any("draining: 1 open" in line and "Ctrl-C again to end now" in line for line in shown)
        share.send_signal(signal.SIGINT)
        assert share.wait(WAIT_S) == 130
    visitor.close()
    release.set()
    server.stop(timeout=1)


def test_a_target_that_does_not_answer_is_warned_of_and_shared(enabled, site):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    enabled.start("share", "public", port, "--name", "early")
    _, err = enabled.until("http://early", "works once that is mended")
    assert f"zrokd: share early: cannot connect to 127.0.0.1:{port}: Connection refused; " in err
    assert site.get("early").status == 502
    out, err = enabled.until("  502  ")
    assert (err.count("refused"), out.count("refused")) == (1, 1)  # a visit is told once
    server = StreamServer(("127.0.0.1", port), lambda sock, _address: sock.recv(9999) and sock.sendall(ANSWER))
    server.start()
    assert site.get("early").status == 200
    server.stop(timeout=0.1)
    assert enabled.end() == 0
    enabled("delete", "name", "early")


@pytest.mark.slow
def test_programs_are_told_who_visits_and_how_it_ended(enabled, site, target):
    enabled.start("share", "public", target, "--name", "told", "--json")
    enabled.until("share_ready")
    assert site.get("told").status == 200
    enabled.until('"request"')
    assert enabled.end() == 0
    events = [json.loads(line) for line in enabled.out.splitlines()]
    [request] = [event for event in events if event["event"] == "request"]
    assert request["peer"] == "127.0.0.1"
    assert events[-1] == {"event": "ended", "reason": "it was told to end", "code": 0}
    enabled("delete", "name", "told")


def test_a_folder_is_shared(enabled, site, tmp_path):
    (tmp_path / "page.txt").write_text("a page")
    enabled.start("share", "public", tmp_path, "--mode", "web", "--name", "files")
    enabled.until("http://files")
    assert site.get("files", "/page.txt").body == b"a page"
    assert enabled.end() == 0
    enabled("delete", "name", "files")


@pytest.mark.slow
def test_visitors_must_know_a_password_that_is_in_a_file(enabled, site, target, tmp_path, monkeypatch):
    (tmp_path / "users").write_text("ann:sesame\n\n")
    monkeypatch.setenv("ZROKD_BASIC_AUTH", "ben:open")
    enabled.start("share", "public", target, "--name", "closed", "--basic-auth-file", tmp_path / "users")
    enabled.until("http://closed")
    assert site.get("closed").status == 401
    for users in ("YW5uOnNlc2FtZQ==", "YmVuOm9wZW4="):
        assert site.get("closed", fields={"Authorization": f"Basic {users}"}).status == 200
    assert enabled.end() == 0
    assert "sesame" not in enabled.out + enabled.err
    enabled("delete", "name", "closed")


def test_a_gate_that_the_frontend_lacks_ends_it_at_once_with_one_sentence(enabled, target):
    out, err = enabled("share", "public", target, "--name", "gated", "--gate", "office", code=1)
    assert out == ""
    [told] = [line for line in err.splitlines() if line.startswith("zrokd: share gated ")]
    assert "can be reached by nobody, as the frontend has no gate 'office': " in told
    enabled("delete", "name", "gated")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("public", "3000", "-n", "a", "-n", "b"), 2, "one --name for one share"),
        (("public", "3000", "--name", "Not_Allowed!"), 2, "--name: 'Not_Allowed!' is not a valid name"),
        (("public", "3000", "--mode", "proxxy"), 2, "--mode: no mode plugin is named 'proxxy'; did you mean 'proxy'?"),
        (("public",), 2, "TARGET is missing; mode proxy needs it"),
        (("private", "--mode", "web"), 2, "TARGET is missing; mode web needs it"),
        (("public", "there", "--mode", "hello"), 2, "mode hello takes no TARGET"),
        (("private", "3000", "--mode", "tcp", "--insecure"), 2, "mode tcp takes no --insecure"),
        (("public", "ftp://x"), 2, "TARGET: 'ftp://x' is not a web server"),
        (("public", "./x"), 2, "TARGET: 'http://./x' is not a web server"),
        (("public", "99999"), 2, "TARGET: 'http://127.0.0.1:99999': a port is a number up to 65535"),
        (("public", "3000", "--gate", "No!"), 2, "--gate: "),
        (("public", "3000", "--gate", "basic"), 2, "--gate basic is what --basic-auth-file FILE"),
        (("public", "a..b", "--name", "x"), 2, "--name: 'x' is not a valid name"),
        (("public", "3000", "--mode", "web"), 2, "there is no folder 3000 here; for a web server on that port leave"),
        (("public", "/"), 2, "/ is a folder here, shared with --mode web"),
        (("public", "3000", "--basic-auth-file", "/nowhere"), 2, "/nowhere cannot be read: No such file or directory"),
        (("public", "3000", "--namespace", "nowhere", "--name", "xyz"), 1, "namespace"),
        (("private", "3000", "-s", "no good"), 2, "--token: 'no good' is not a valid share token"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_said_before_anything_runs(enabled, words, code, said):
    out, err = enabled("share", *words, code=code)
    assert err.startswith(f"zrokd: {said}" if code == 2 else "zrokd: ")
    assert said in err
    assert out == ""
    assert "roles." not in err


def test_a_web_server_that_is_called_like_a_folder_here_is_meant_by_its_url(enabled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "intra").mkdir()
    _, err = enabled("share", "public", "intra", code=2)
    assert "intra is a folder here, shared with --mode web; a web server of that name is http://intra\n" in err


def test_visitors_without_a_password_are_refused(enabled, tmp_path):
    (tmp_path / "users").write_text("nobody\n")
    assert "user:password" in enabled("share", "public", "1", "--basic-auth-file", tmp_path / "users", code=2)[1]


def test_a_machine_that_is_not_enabled_is_told_how(shell):
    assert "zrokd enable TOKEN" in shell("share", "public", "3000", code=1)[1]


@pytest.mark.slow
def test_a_name_of_another_machine_of_mine_is_taken(enabled, site, target, tmp_path, monkeypatch):
    enabled.start("share", "public", target, "--name", "busy")
    enabled.until("http://busy")
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "other"))
    share = enabled._running[-1]
    enabled("enable", "scenario-account-token")
    _, err = enabled("share", "public", target, "--name", "busy", code=1)
    assert "'busy' is in use by a share of another machine" in err
    enabled("disable")
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "home"))
    assert not share.dead
    assert enabled.end() == 0
    enabled("delete", "name", "busy")


@pytest.mark.parametrize(
    ("words", "shown", "said"),
    [
        (("public", "--name", "busy"), "http://busy", "the name 'busy'"),
        (("private", "-s", "busy-token"), "zrokd access private busy-token", "the token 'busy-token'"),
    ],
)
@pytest.mark.slow
def test_what_a_living_share_of_this_machine_has_is_not_shared_twice(enabled, target, words, shown, said):
    enabled.start("share", words[0], target, *words[1:])
    enabled.until(shown)
    share = enabled._running[-1]
    _, err = enabled("share", words[0], target, *words[1:], code=1)
    assert f"{said} is shared by another zrokd of this machine" in err
    assert not share.dead
    assert len(enabled.lines("list", "shares")) == 1
    assert enabled.end() == 0
    if words[0] == "public":
        enabled("delete", "name", "busy")


def test_a_mode_that_speaks_no_http_is_not_for_the_public(enabled):
    _, err = enabled("share", "public", "5432", "--mode", "tcp", code=2)
    assert err.splitlines() == [
        "zrokd: mode tcp is for private shares; run: zrokd share private 5432 --mode tcp",
        "help: zrokd share public --help",
    ]


def test_a_qr_code_comes_below_the_address(enabled, target):
    enabled.start("share", "public", target, "--qr")
    enabled.until("█")
    assert enabled.end() == 0


# -- a no of the controller's ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("private", "--grant", "nobody"), "'nobody' is not an e-mail address"),
        (("public", "--namespace", "nowhere"), "namespace"),
        (("private", "-s", "of-another"), "of-another"),
    ],
    ids=["an unknown grant", "no such namespace", "a token that is taken"],
)
def test_what_the_controller_refuses_is_one_sentence_and_the_end(enabled, target, tmp_path, monkeypatch, words, said):
    enabled.start("share", "private", target, "-s", "of-another")
    enabled.until("zrokd access private of-another")
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "other"))
    enabled("enable", ACCOUNT_TOKEN)
    out, err = enabled("share", words[0], target, *words[1:], code=1)
    assert out == ""
    assert err.startswith("zrokd: share ")
    assert "is refused: " in err
    assert said in err
    assert len(err.splitlines()) == 1
    enabled("disable")
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "home"))
    assert enabled.end() == 0


def test_a_share_that_is_deleted_elsewhere_ends_with_a_sentence(enabled, target):
    running = enabled.start("share", "private", target, "-s", "short-lived")
    enabled.until("zrokd access private short-lived")
    enabled("delete", "share", "short-lived")
    assert running.get(timeout=WAIT_S) == 1
    enabled._read()
    assert "zrokd: share short-lived was deleted, so there is nothing left to do here\n" in enabled.err
    assert "lost" not in enabled.out + enabled.err
    assert enabled.lines("list", "shares") == []


# -- ends that are not asked for ---


@pytest.fixture
def process():
    """process(*words): a zrokd of its own; it is killed at the end."""
    made = []

    def start(*words, before=(), **options):
        command = [*before, sys.executable, "-m", "zrokd", *map(str, words)]
        made.append(subprocess.Popen(command, **{"stdout": subprocess.PIPE, "text": True, **options}))
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.wait(WAIT_S)
        if one.stdout:
            one.stdout.close()


@pytest.mark.slow
def test_what_a_killed_share_left_is_ended_by_the_next_and_what_lives_is_not(enabled, site, target, process):
    enabled.start("share", "public", target, "--name", "living")
    enabled.until("http://living")
    for words in (["list", "shares"], ["overview"], ["list", "names"]):
        killed = process("share", "public", target)
        url = killed.stdout.readline().split()[0]
        killed.kill()
        killed.wait(WAIT_S)
        _, err = enabled(*words)
        assert "of a zrokd that died is ended now" in err
        [row] = enabled.lines("list", "shares")
        assert row["endpoints"] == ["living.share.localhost"]
        assert site.get(url.removeprefix("http://").partition(":")[0]).status == 404
        assert site.get("living").body == b"mine"
        assert enabled(*words)[1] == ""
    assert enabled.end() == 0
    enabled("delete", "name", "living")


@pytest.mark.slow
def test_a_share_ends_what_a_killed_one_left(enabled, target, process):
    killed = process("share", "public", target, "--json")
    left = json.loads(killed.stdout.readline())["share"]
    killed.kill()
    killed.wait(WAIT_S)
    enabled.start("share", "public", target, "--json")
    enabled.until("share_ready")
    [ready] = [json.loads(line) for line in enabled.out.splitlines()]
    assert ready["share"] != left
    stop = time.monotonic() + WAIT_S
    while [row["share"] for row in enabled.lines("list", "shares")] != [ready["share"]]:
        assert time.monotonic() < stop
    assert enabled.end() == 0


def test_a_token_of_a_killed_share_is_taken_up_again(enabled, target, process):
    killed = process("share", "private", target, "-s", "again")
    killed.stdout.readline()
    killed.kill()
    killed.wait(WAIT_S)
    enabled.start("share", "private", target, "-s", "again")
    enabled.until("zrokd access private again")
    assert [row["share"] for row in enabled.lines("list", "shares")] == ["again"]
    assert enabled.end() == 0
    assert enabled.lines("list", "shares") == []


def take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal_that_closes_ends_it_and_takes_the_share_back(enabled, target, process):
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine has no pseudo terminals: {error}")
    share = process("share", "public", target, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_terminal)
    os.close(theirs)
    shown = b""
    while b"curl" not in shown:
        select.select([ours], [], [], WAIT_S)
        shown += os.read(ours, 4096)
    os.close(ours)
    assert share.wait(WAIT_S) == 0
    assert enabled.lines("list", "shares") == []


@pytest.mark.slow
def test_under_nohup_it_goes_on(enabled, site, target, process):
    share = process("share", "public", target, before=["nohup"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = share.stdout.readline().split()[0]
    share.send_signal(signal.SIGHUP)
    assert site.get(url.removeprefix("http://").partition(":")[0]).body == b"mine"
    share.send_signal(signal.SIGINT)
    assert any(line.startswith(("ending", "draining")) for line in share.stdout)  # it was this signal that it ended by
    assert share.wait(WAIT_S) == 0
    assert enabled.lines("list", "shares") == []
