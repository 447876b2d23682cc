import gevent
import pytest

from zrokd.errors import PluginError, StartError
from zrokd.host import components as module

FULL = {
    "storage": {"use": "cellar"},
    "auth": [{"use": "badge"}],
    "sinks": [{"use": "drain"}],
    "observers": [{"use": "ear"}],
    "roles": {"desk": {}, "shelf": {}},
}


def opened(components, configuration, diary):
    diary.clear()
    components.open_all(configuration)
    return diary


def test_components_open_in_order_and_close_in_reverse(components, configure, diary):
    opened(components, configure(**FULL), diary)
    order = ["storage.cellar", "auth.badge", "sink.drain", "observer.ear", "role.desk", "role.shelf"]
    assert diary == [f"{name} open" for name in order]
    diary.clear()
    components.end_all()
    assert diary == [f"{name} close" for name in reversed(order)]
    assert len(components) == 0


@pytest.mark.parametrize("last", ["auth", "sinks", "observers"])
def test_a_failure_is_raised_and_what_was_opened_can_be_closed(components, configure, diary, last):
    tree = {**FULL, last: [{**FULL[last][0], "fail": "open"}]}
    with pytest.raises(StartError, match="open failed on purpose"):
        opened(components, configure(**tree), diary)
    assert diary[-1].endswith("close")
    components.end_all()
    opens = [line.split()[0] for line in diary if line.endswith("open")]
    closes = [line.split()[0] for line in diary if line.endswith("close")]
    assert sorted(opens) == sorted(closes)


def test_a_plugin_that_fails_unexpectedly_is_named_with_its_origin(components, configure, diary):
    with pytest.raises(PluginError, match=r"role.desk of .*life.py could not be opened: ZeroDivisionError: oops"):
        components.open_all(configure(roles={"desk": {"fail": "open badly"}}))
    assert diary[-1] == "role.desk close"


def test_a_constructor_that_fails_leaves_nothing(components, registry):
    cls = type("Sick", (registry("role", "desk"),), {"__init__": lambda self, settings, ctx: 1 / 0})
    with pytest.raises(PluginError, match="could not be made: ZeroDivisionError"):
        components.make(cls, cls.Settings(), "sick")
    assert len(components) == 0


def test_a_close_that_fails_is_logged_and_the_others_close(components, configure, diary, caplog):
    opened(components, configure(roles={"desk": {"fail": "close badly"}, "shelf": {"fail": "close"}}), diary)
    components.end_all()
    assert diary[-2:] == ["role.shelf close", "role.desk close"]
    assert "role.desk could not be closed" in caplog.text
    assert "role.shelf could not be closed" in caplog.text


def test_a_close_that_hangs_is_left_behind(components, configure, monkeypatch, caplog):
    monkeypatch.setattr(module, "_CLOSE_S", 0.05)
    components.open_all(configure())
    monkeypatch.setattr(components.roles["desk"], "close", lambda: gevent.sleep(100))
    components.end_all()
    assert "role.desk could not be closed" in caplog.text
    assert len(components) == 0


def test_children_close_after_their_parent(components, configure, diary):
    opened(components, configure(roles={"parent": {"inner": {"use": "child"}}}), diary)
    components.end_all()
    assert diary == ["parent open", "mode.child open", "parent close", "mode.child close"]


def test_a_child_that_does_not_open_closes_its_parent(components, configure, diary):
    with pytest.raises(StartError):
        opened(components, configure(roles={"parent": {"inner": {"use": "child", "fail": "open"}}}), diary)
    assert diary == ["parent open", "mode.child open", "mode.child close", "parent close"]
    assert list(components.named()) == ["overlay.local"]


def test_only_the_top_level_is_named(components, configure):
    components.open_all(configure(roles={"parent": {"inner": "child"}}, observers=[{"use": "ear"}, {"use": "ear"}]))
    assert list(components.named()) == ["overlay.local", "observer.ear", "observer.ear-2", "role.parent"]


def test_hooks_follow_the_order_of_the_yaml(components, configure, diary):
    components.open_all(configure(observers=[{"use": "ear", "note": n} for n in "abc"]))
    diary.clear()
    components.plugins.on_share_lost("tok", "")
    assert diary == [f"observer.{n} heard tok" for n in "abc"]


def test_a_component_hears_nothing_after_its_end(components, configure, diary):
    components.open_all(configure(observers=[{"use": "ear"}]))
    (ear,) = components.ordered("observer")
    components.end(ear)
    components.end(ear)
    diary.clear()
    components.plugins.on_share_lost("tok", "")
    assert diary == []


def test_ending_twice_is_fine(components, configure):
    components.open_all(configure())
    components.end_all()
    components.end_all()
    assert (components.storage, components.overlay, components.roles) == (None, None, {})
