import pytest

from zrokd.errors import PluginError, StartError, StreamTimeout
from zrokd.testing.scenario import ZONE, Scenario, _over


def test_a_share_is_reached_through_the_frontend(scenario):
    zrokd = scenario(shares=[{"mode": "hello"}])
    (host,) = zrokd.hosts()
    assert host.endswith(ZONE)
    answer = zrokd.get(host, "/?format=json", {"X-Colour": "green"})
    assert answer.status == 200
    assert answer.fields["content-type"] == "application/json"
    assert b"green" in answer.body


def test_a_body_goes_to_the_share(scenario):
    zrokd = scenario(shares=[{"mode": "hello"}])
    (host,) = zrokd.hosts()
    assert b"5 bytes" in zrokd.ask("POST", host, "/", body=b"12345").body
    assert zrokd.ask("HEAD", host).body == b""


def test_a_name_nobody_has_is_404(scenario):
    assert scenario().get("nobody").status == 404


def test_a_private_share_is_bound_without_a_public_name(scenario):
    zrokd = scenario(shares=[{"mode": "hello", "private": True}])
    assert zrokd.hosts() == ()
    assert len(zrokd.ready) == 1


def test_two_run_side_by_side(scenario):
    one, two = scenario(shares=[{"mode": "hello"}]), scenario(shares=[{"mode": "hello"}])
    assert one.get(*two.hosts()).status == 404
    assert one.get(*one.hosts()).status == two.get(*two.hosts()).status == 200


def test_a_reload_takes_up_changes(scenario):
    zrokd = scenario()
    assert zrokd.reload({"roles": {"backend": {"shares": [{"mode": "hello"}]}}})
    zrokd.wait_for_shares(1)
    assert zrokd.get(*zrokd.hosts()).status == 200
    assert not zrokd.reload({"state_dir": "/nonexistent"})


def test_a_start_that_fails_leaves_nothing(tmp_path):
    with pytest.raises((StartError, PluginError)), Scenario(tmp_path, changes={"health": {"listen": "192.0.2.1:1"}}):
        raise AssertionError("it started")


def test_shares_that_do_not_come_are_told(scenario):
    with pytest.raises(StreamTimeout, match="not 3 shares within 0.05 s"):
        scenario().wait_for_shares(3, 0.05)


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ({}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": None}, {}),
        ({"a": [1]}, {"a": [1]}),
        ({"d": {"e": 1}}, {"a": {"b": 1, "c": 2}, "d": {"e": 1}}),
    ],
)
def test_changes_go_over_the_tree_key_by_key(changes, made):
    tree = {"a": {"b": 1, "c": 2}}
    assert _over(tree, changes) == made
    assert tree == {"a": {"b": 1, "c": 2}}
