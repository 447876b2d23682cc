import json

import pytest


def here(shell):
    return json.loads(shell("status", "--json")[0])["environment"]


def test_a_name_is_created_listed_changed_and_given_back(enabled, site):
    assert enabled("create", "name", "blog")[1] == "blog is yours\n"
    [row] = enabled.lines("list", "names")
    assert row == {
        "name": "blog",
        "namespace": "public",
        "host": site.host("blog"),
        "share": row["share"],
        "reserved": True,
    }
    enabled("modify", "name", "blog", "--reserved")
    assert enabled.lines("list", "names", "-n", "public") == [row]
    enabled("delete", "name", "blog")
    out, err = enabled("list", "names")
    assert (out, err) == ("", "no names; make one: zrokd create name NAME\n")


def test_a_name_that_no_share_uses_is_free_when_it_is_not_reserved_any_more(enabled):
    enabled("create", "name", "brief")
    assert enabled("modify", "name", "brief", "--ephemeral")[1] == "brief is ephemeral now\n"
    assert enabled.lines("list", "names") == []


def test_json_is_one_object_a_line_and_nothing_for_people(enabled):
    out, err = enabled("create", "name", "shop", "--json")
    assert json.loads(out) == {"event": "name_created", "namespace": "public", "name": "shop"}
    assert err == ""
    assert json.loads(enabled("delete", "name", "shop", "--json")[0])["event"] == "name_deleted"


@pytest.mark.parametrize(
    "words",
    [
        ("create", "name", "twice"),
        ("create", "name", "Not_Allowed!"),
        ("create", "name", "x", "-n", "nowhere"),
        ("delete", "name", "never-made"),
        ("modify", "name", "never-made", "--reserved"),
        ("delete", "share", "never-made"),
        ("delete", "access", "never-made"),
        ("delete", "environment", "never-made"),
    ],
    ids=" ".join,
)
def test_what_the_controller_refuses_is_one_sentence(enabled, words):
    enabled("create", "name", "twice")
    out, err = enabled(*words, code=1)
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("zrokd: ")
    enabled("delete", "name", "twice")


def test_a_name_must_be_told_what_to_become(enabled):
    assert "--reserved" in enabled("modify", "name", "x", code=2)[1]


def test_namespaces_are_listed(enabled):
    [row] = enabled.lines("list", "namespaces")
    assert (row["namespace"], row["zone"]) == ("public", "share.localhost")


def test_environments_are_listed_as_a_table(enabled):
    out, _ = enabled("list", "environments")
    first, *rows = out.splitlines()
    assert first.split() == ["ENVIRONMENT", "DESCRIPTION", "HOST", "SHARES", "ACCESSES"]
    assert any(row.startswith(here(enabled)) for row in rows)


def test_this_machine_ends_by_disable_alone(enabled):
    assert "zrokd disable" in enabled("delete", "environment", here(enabled), code=1)[1]


def test_a_machine_that_is_not_enabled_is_told_how(shell):
    for words in (("list", "names"), ("create", "name", "x"), ("overview",), ("list", "shares")):
        assert "zrokd enable TOKEN" in shell(*words, code=1)[1]


def test_a_share_is_listed_and_ended(enabled, site):
    share = enabled.start("share", "private", "127.0.0.1:9", "--mode", "tcp", "-s", "listed", "--json")
    enabled.until("share_ready")
    [row] = [row for row in enabled.lines("list", "shares") if row["share"] == "listed"]
    assert (row["mode"], row["access"], row["environment"]) == ("tcp", "private", here(enabled))
    enabled("delete", "share", "listed")
    assert "listed" not in [row["share"] for row in enabled.lines("list", "shares")]
    assert enabled.end() == 0
    assert share.successful()
