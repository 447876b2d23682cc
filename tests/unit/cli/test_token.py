"""`zrokd token ...` at a real controller."""

import json

import pytest

from zrokd.testing.scenario import ACCOUNT_TOKEN


def test_a_token_is_made_used_listed_and_revoked(enabled, tmp_path):
    secret, told = enabled("token", "create", "phone", "--scope", "read", "--expires", "90d")
    assert secret.strip().startswith("zrokd_") and secret.count("\n") == 1
    assert "good for read, until 20" in told
    (tmp_path / "token").write_text(secret)
    rows = enabled("token", "list")[0].splitlines()
    assert rows[0].split() == ["NAME", "SCOPE", "CREATED", "EXPIRES", "LAST", "USED"]
    assert any(row.startswith("phone") and " read " in row for row in rows)
    with_file = ("--token-file", tmp_path / "token")
    err = enabled("token", "list", *with_file, code=1)[1]
    assert err == "zrokd: this takes a token of scope account, and this one has the scope read\n"
    assert enabled("token", "revoke", "phone")[1] == "token phone is void now\n"
    assert "does not accept this token" in enabled("token", "list", *with_file, code=1)[1]
    assert enabled("token", "revoke", "phone", code=1)[1] == "zrokd: no such token: phone\n"


def test_json_is_one_object_a_line(enabled):
    (made,) = enabled.lines("token", "create", "robot")
    assert (made["name"], made["scope"], made["expires_at_ms"]) == ("robot", "share", 0)
    listed = {row["name"]: row for row in enabled.lines("token", "list")}
    assert set(listed["robot"]) == {"name", "scope", "created_at_ms", "expires_at_ms", "last_used_at_ms"}
    assert enabled.lines("token", "revoke", "robot") == [{"event": "token_revoked", "name": "robot"}]


def test_a_machine_enabled_by_a_token_for_sharing_cannot_make_others(site, shell, enabled, home, tmp_path, monkeypatch):
    secret = enabled.lines("token", "create", "box")[0]["token"]
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "other"))
    shell("enable", secret)
    err = shell("token", "create", "more", code=1)[1]
    assert err == "zrokd: this takes a token of scope account, and this one has the scope share\n"
    (tmp_path / "full").write_text(ACCOUNT_TOKEN)
    shell("token", "create", "more", "--token-file", tmp_path / "full", "--controller", site.controller_url)
    shell("token", "revoke", "more", "--token-file", tmp_path / "full")
    shell("disable")
    monkeypatch.setenv("ZROKD_HOME", str(home))
    shell("token", "revoke", "box")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["create", "a b"], 1, "not a name for a token"),
        (["create", "x", "--scope", "admin"], 2, "'admin' is not one of"),
        (["create", "x", "--expires", "soon"], 2, "'soon' is not a duration"),
        (["revoke", "configuration"], 1, "taken out there"),
        (["list", "--token-file", "/nowhere"], 2, "/nowhere cannot be read"),
        (["list", "--token-file", "/dev/null"], 2, "the token is empty"),
    ],
)
def test_mistakes_are_told_with_their_exit_code(enabled, words, code, sentence):
    assert sentence in enabled("token", *words, code=code)[1]


def test_without_an_environment_it_is_said_what_to_do(shell):
    assert "run: zrokd enable" in shell("token", "list", code=1)[1]


def test_a_token_with_an_end_shows_that_it_ended(enabled, monkeypatch):
    enabled("token", "create", "short", "--expires", "1h")
    monkeypatch.setattr("zrokd.cli.token.time.time", lambda: 9e9)
    (row,) = [row for row in enabled("token", "list")[0].splitlines() if row.startswith("short")]
    assert "(ended)" in row
    enabled("token", "revoke", "short")


def test_json_stays_json_when_nothing_is_there(enabled):
    for row in enabled("token", "list", "--json")[0].splitlines():
        assert json.loads(row)["name"]
