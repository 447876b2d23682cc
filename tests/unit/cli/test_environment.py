import errno
import json
import os
import socket
import time

import pytest

from zrokd.client.binds import BindsFile
from zrokd.client.controller import Controller
from zrokd.model.bind import Bind, BindReport
from zrokd.model.share import ShareDraft, ShareMode
from zrokd.model.units import Secret
from zrokd.testing.scenario import ACCOUNT_TOKEN


def at(site, *words):
    return (*words, "--controller", site.controller_url)


def test_enable_keeps_what_it_got_for_this_person_alone(site, shell, home):
    out, err = shell(*at(site, "enable", ACCOUNT_TOKEN))
    assert out == ""
    assert "enabled as environment" in err
    kept = json.loads((home / "environment.json").read_text())
    assert (kept["controller"], kept["account_token"]) == (site.controller_url, ACCOUNT_TOKEN)
    assert (home / "environment.json").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    shell("disable")
    assert not (home / "environment.json").exists()


@pytest.mark.parametrize("words", [("enable", "-"), ("enable", "--token-file", "-")])
def test_a_token_is_read_from_standard_input(site, shell, words):
    shell(*at(site, *words), given=f"{ACCOUNT_TOKEN}\n")
    shell("disable")


def test_a_token_is_read_from_a_file(site, shell, tmp_path):
    (tmp_path / "token").write_text(f"{ACCOUNT_TOKEN}\n")
    shell(*at(site, "enable", "--token-file", tmp_path / "token"))
    shell("disable")


def test_a_user_without_a_name_is_enabled_by_number(site, shell, monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 61999)
    shell(*at(site, "enable", ACCOUNT_TOKEN))
    assert "61999" in [row["description"].partition("@")[0] for row in shell.lines("list", "environments")]
    shell("disable")


def test_the_description_is_what_was_given(site, shell):
    shell(*at(site, "enable", ACCOUNT_TOKEN, "-d", "the old laptop"))
    assert "the old laptop" in [row["description"] for row in shell.lines("list", "environments")]
    shell("disable")


def test_a_second_enable_is_refused_and_keeps_the_first(enabled, home):
    before = (home / "environment.json").read_bytes()
    _, err = enabled("enable", ACCOUNT_TOKEN, code=1)
    assert "enabled already" in err
    assert "zrokd disable" in err
    assert (home / "environment.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "given", "code", "said"),
    [
        (("enable",), None, 2, "give a TOKEN or --token-file"),
        (("enable", "x", "--token-file", "y"), None, 2, "give a TOKEN or --token-file"),
        (("enable", "--token-file", "/nowhere/at/all"), None, 2, "/nowhere/at/all cannot be read"),
        (("enable", "-"), "\n", 2, "the token is empty"),
        (("enable", "x", "--controller", "example.com"), None, 2, "is not the URL of a controller"),
    ],
)
def test_a_wrong_enable_is_one_sentence(shell, home, words, given, code, said):
    _, err = shell(*words, code=code, given=given)
    assert said in err
    assert "Traceback" not in err
    assert not home.exists()


def test_an_unknown_token_is_refused_in_one_line_and_leaves_nothing(site, shell, home):
    out, err = shell(*at(site, "enable", "nobody-has-this"), code=1)
    assert (out, len(err.splitlines())) == ("", 1)
    assert "token" in err
    assert "nobody-has-this" not in err
    assert not (home / "environment.json").exists()


def test_a_controller_that_is_away_is_named(shell):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    _, err = shell("enable", "x", "--controller", url, code=1)
    assert url in err
    assert "is it running?" in err


def test_a_full_disk_leaves_nothing_behind_at_the_controller(site, shell, home, monkeypatch):
    shell(*at(site, "enable", ACCOUNT_TOKEN))
    before = len(shell.lines("list", "environments"))
    kept = (home / "environment.json").read_bytes()
    monkeypatch.setenv("ZROKD_HOME", str(home / "second"))

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        _, err = shell(*at(site, "enable", ACCOUNT_TOKEN), code=1)
    assert "No space left on device" in err
    assert list((home / "second").iterdir()) == []
    monkeypatch.setenv("ZROKD_HOME", str(home))
    assert (home / "environment.json").read_bytes() == kept
    assert len(shell.lines("list", "environments")) == before
    shell("disable")


def test_status_asks_nobody_and_hides_the_token(enabled, site):
    facts = json.loads(enabled("status", "--json")[0])
    assert facts["enabled"] is True
    assert facts["controller"] == site.controller_url
    assert ACCOUNT_TOKEN not in json.dumps(facts)
    assert ACCOUNT_TOKEN in enabled("status", "--secrets")[0]
    assert ACCOUNT_TOKEN not in enabled("status")[0]


def test_status_tells_how_what_is_shared_here_stands(enabled, home):
    shares = [{"share": "app", "token": "t", "state": "broken", "why": "the router is away", "since": 1, "ends": 0}]
    served = BindsFile(home / "binds", "a")
    served.write({"version": 1, "process": 1, "at": time.time(), "shares": shares})
    out, _ = enabled("status")
    line = next(line for line in out.splitlines() if line.startswith("share app"))
    assert line.endswith("the router is away")
    assert json.loads(enabled("status", "--json")[0])["backends"][0]["shares"] == shares
    served.remove()
    assert json.loads(enabled("status", "--json")[0])["backends"] == []


def test_status_of_a_new_machine_names_the_controller_it_would_ask(shell, monkeypatch):
    monkeypatch.setenv("ZROK2_API_ENDPOINT", "https://old.example")
    assert json.loads(shell("status", "--json")[0])["controller"] == "https://old.example"
    monkeypatch.setenv("ZROKD_CONTROLLER", "https://new.example")
    out, _ = shell("status")
    assert "https://new.example" in out
    assert "enabled        no" in out


def test_disable_of_a_machine_that_is_not_enabled_is_one_sentence(shell):
    assert "zrokd enable TOKEN" in shell("disable", code=1)[1]


def rewrite(home, **changes):
    file = home / "environment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_disable_forgets_an_environment_whose_token_was_revoked(enabled, home):
    before = (home / "environment.json").read_text()
    rewrite(home, account_token="another-token-of-nobody")
    _, err = enabled("disable")
    assert "does not accept this machine's token any more" in err
    assert not (home / "environment.json").exists()
    (home / "environment.json").write_text(before)


def test_disable_waits_for_nobody_when_it_is_forced(enabled, home):
    before = (home / "environment.json").read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    rewrite(home, controller=f"http://127.0.0.1:{free}")
    _, err = enabled("disable", code=1)
    assert "zrokd disable --force forgets" in err
    assert (home / "environment.json").exists()
    _, err = enabled("disable", "--force")
    assert "stays there" in err
    assert not (home / "environment.json").exists()
    (home / "environment.json").write_text(before)


def test_disable_forgets_an_environment_that_the_controller_forgot(enabled, site, home, tmp_path, monkeypatch):
    mine = json.loads(enabled("status", "--json")[0])["environment"]
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "other"))
    enabled(*at(site, "enable", ACCOUNT_TOKEN))
    enabled("delete", "environment", mine)
    enabled("disable")
    monkeypatch.setenv("ZROKD_HOME", str(home))
    _, err = enabled("disable")
    assert "did not know this environment" in err
    assert not (home / "environment.json").exists()


def test_a_damaged_environment_is_named(shell, home):
    home.mkdir()
    (home / "environment.json").write_text("{")
    _, err = shell("status", code=1)
    assert "environment.json is damaged" in err


def test_overview_tells_whether_a_share_is_reached(enabled, site, home):
    environment = json.loads((home / "environment.json").read_text())["z_id"]
    controller = Controller(site.controller_url, Secret(ACCOUNT_TOKEN))
    token, _ = controller.share(ShareDraft(env_z_id=environment, share_mode=ShareMode.PRIVATE, mode="tcp"))
    assert "not known whether it is reached" in enabled("overview")[0]
    bind = Bind(share_token=token, why="the router is away", since_s=300)
    controller.report_binds(BindReport(env_z_id=environment, backend="b", binds=(bind,), whole=True))
    assert "broken for 5 min: the router is away" in enabled("overview")[0]
    told = json.loads(enabled("overview", "--json")[0])["binds"]
    assert [(one["shareToken"], one["state"]) for one in told] == [(token, "broken")]
    controller.unshare(environment, token)
    controller.close()


def test_overview_shows_this_machine(enabled):
    enabled("create", "name", "seen")
    out, _ = enabled("overview")
    assert "(this machine)" in out
    assert "names: " in out
    assert "seen" in out
    assert "namespaces: public" in out
    assert json.loads(enabled("overview", "--json")[0])["environments"]
    enabled("delete", "name", "seen")
