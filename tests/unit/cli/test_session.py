import fcntl
import json
import os
import socket

import pytest

from zrokd.cli import preflight, session
from zrokd.errors import StartError, Unavailable


def test_a_scratch_folder_is_private_and_gone_afterwards(home):
    with session.scratch_folder() as folder:
        assert folder.parent == home / "run"
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "state").touch()
    assert not folder.exists()


def test_what_a_crash_left_is_swept_and_what_lives_is_not(home):
    (home / "run" / "left").mkdir(parents=True)
    (home / "run" / "living").mkdir()
    living = os.open(home / "run" / "living", os.O_RDONLY)
    fcntl.flock(living, fcntl.LOCK_EX)
    with session.scratch_folder() as one, session.scratch_folder() as other:
        assert sorted((home / "run").iterdir()) == sorted([home / "run" / "living", one, other])
    os.close(living)


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
