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
    assert "ends with its share" in enabled("modify", "name", "brief", "--ephemeral")[1]
    assert enabled.lines("list", "names") == []


def test_json_is_one_object_a_line_and_nothing_for_people(enabled):
    out, err = enabled("create", "name", "shop", "--json")
    assert json.loads(out) == {"event": "name_created", "namespace": "public", "name": "shop"}
    assert err == ""
    assert json.loads(enabled("delete", "name", "shop", "--json")[0])["event"] == "name_deleted"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("create name twice", "the name 'twice' is yours already"),
        ("create name xyz -n nowhere", "'nowhere'"),
        ("delete name never-made", "no such name: never-made"),
        ("modify name never-made --reserved", "no such name: never-made"),
        ("delete share never-made", "no such share: never-made"),
        ("delete share never-made --environment nowhere", "no such environment: nowhere"),
        ("delete access never-made", "no such access: never-made"),
        ("delete environment nowhere", "no such environment: nowhere"),
    ],
)
def test_what_the_controller_refuses_is_one_sentence_that_says_which(enabled, words, said):
    enabled("create", "name", "twice")
    out, err = enabled(*words.split(), code=1)
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("zrokd: ")
    assert said in line
    enabled("delete", "name", "twice")


def test_a_name_must_be_told_what_to_become(enabled):
    assert "--reserved" in enabled("modify", "name", "xyz", code=2)[1]


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
    for words in (("list", "names"), ("create", "name", "xyz"), ("overview",), ("list", "shares")):
        assert "zrokd enable TOKEN" in shell(*words, code=1)[1]


def test_a_share_is_listed_and_ended(enabled, site):
    share = enabled.start("share", "private", "--mode", "hello", "-s", "listed", "--json")
    enabled.until("share_ready")
    [row] = [row for row in enabled.lines("list", "shares") if row["share"] == "listed"]
    assert (row["mode"], row["access"], row["environment"]) == ("hello", "private", here(enabled))
    enabled("delete", "share", "listed")
    assert "listed" not in [row["share"] for row in enabled.lines("list", "shares")]
    assert share.get(timeout=15) == 1  # it says that it was deleted
