import socket

import pytest

from zrokd.errors import PluginError, RestartNeeded, StartError
from zrokd.host.daemon import LOG
from zrokd.host.reload import Reload


@pytest.fixture
def step(components, configure, diary):
    """step(old, new): a Reload from one tree to the other; the old one is open."""

    def make(old, new):
        before = configure(**old)
        components.open_all(before)
        after = configure(**new)
        diary.clear()
        return Reload(components, before, after, LOG)

    return make


def ears(*notes, **more):
    return {"observers": [{"use": "ear", "note": note, **more} for note in notes]}


def test_nothing_changed_touches_nothing(step, diary):
    one = step(ears("a"), ears("a"))
    one.apply()
    assert (diary, one.changed, one.retired) == ([], [], [])


def test_a_changed_observer_is_opened_before_the_old_one_closes(step, diary, components):
    one = step(ears("a", "b"), ears("a", "c"))
    kept = components.ordered("observer")[0]
    one.apply()
    assert diary == ["observer.c open", "observer.b close"]
    assert one.changed == ["observers"]
    assert components.ordered("observer")[0] is kept


def test_a_new_order_closes_nobody_and_is_the_order_of_calls(step, diary, components):
    step(ears("a", "b", "c"), ears("c", "a", "b")).apply()
    assert diary == []
    components.plugins.on_share_lost("t", "")
    assert diary == [f"observer.{n} heard t" for n in "cab"]


def test_equal_ones_are_kept_one_for_one(step, diary):
    step(ears("a", "a"), ears("a", "a", "a")).apply()
    assert diary == ["observer.a open"]


@pytest.mark.parametrize(("key", "plugin"), [("auth", "badge"), ("sinks", "drain"), ("observers", "ear")])
def test_every_ordered_slot_is_swapped(step, diary, components, key, plugin):
    one = step({key: []}, {key: [{"use": plugin}]})
    one.apply()
    assert one.changed == [key]
    assert len(diary) == 1


def test_one_that_does_not_open_leaves_all_as_it_was(step, diary, components):
    one = step(ears("a"), {"auth": [{"use": "badge"}], **ears("b"), "sinks": [{"use": "drain", "fail": "open"}]})
    before = components.ordered("observer")
    with pytest.raises(StartError):
        one.apply()
    assert components.ordered("observer") is before
    assert components.ordered("auth") == ()
    opens = sorted(line.split()[0] for line in diary if line.endswith("open"))
    assert opens == sorted(line.split()[0] for line in diary if line.endswith("close"))
    assert "observer.a close" not in diary


# -- roles ---


def test_a_role_takes_up_its_new_settings(step, diary, components):
    one = step({"roles": {"desk": {}}}, {"roles": {"desk": {"note": "new"}}})
    one.apply()
    assert (diary, one.changed) == (["role.new reload"], ["roles.desk"])
    assert components.roles["desk"].settings.note == "new"


def test_roles_are_added_and_taken_away(step, diary, components):
    one = step({"roles": {"desk": {}}}, {"roles": {"shelf": {}}})
    desk = components.roles["desk"]
    one.apply()
    assert diary == ["role.shelf open", "role.shelf serve"]
    assert one.retired == [desk]
    assert list(components.roles) == ["shelf"]
    assert one.changed == ["roles.desk", "roles.shelf"]


def test_an_added_role_that_does_not_start_changes_nothing(step, diary, components):
    one = step({"roles": {"desk": {}}}, {"roles": {"desk": {"note": "n"}, "shelf": {"fail": "serve"}}})
    with pytest.raises(StartError):
        one.apply()
    assert diary == ["role.shelf open", "role.shelf serve", "role.shelf close"]
    assert list(components.roles) == ["desk"]
    assert components.roles["desk"].settings.note == ""


def test_a_second_role_that_refuses_sets_the_first_back(step, diary, components):
    old = {"roles": {"desk": {}, "shelf": {}}}
    new = {"roles": {"desk": {"note": "new"}, "shelf": {"fail": "reload"}}}
    one = step(old, new)
    with pytest.raises(StartError, match="the new port is taken"):
        one.apply()
    assert components.roles["desk"].settings.note == ""
    assert components.roles["shelf"].settings.fail == ""


def test_a_role_that_breaks_while_it_reloads_is_named(step, components):
    one = step({}, {"roles": {"desk": {"fail": "reload badly"}}})
    with pytest.raises(PluginError, match="role.desk of .* could not be reloaded: ZeroDivisionError"):
        one.apply()


def test_a_role_that_cannot_go_back_is_logged(step, components, caplog, monkeypatch):
    one = step({"roles": {"desk": {}, "shelf": {}}}, {"roles": {"desk": {"note": "new"}, "shelf": {"fail": "reload"}}})
    for name, role in components.roles.items():
        reload = role.reload

        def once(settings, reload=reload, name=name):
            if settings.note == "" and settings.fail == "":
                raise StartError(f"{name} is stuck")
            reload(settings)

        monkeypatch.setattr(role, "reload", once)
    with pytest.raises(StartError, match="the new port is taken"):
        one.apply()
    assert "could not go back to its old settings; restart this daemon" in caplog.text


# -- what only a restart can change ---


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ({"storage": {"use": "cellar"}}, {"storage": {"use": "cellar", "note": "x"}}, ["storage.note"]),
        ({"storage": {"use": "cellar"}}, {"storage": {"use": "sqlite"}}, ["storage"]),
        ({}, {"storage": {"use": "cellar"}}, ["storage"]),
        ({}, {"overlay": {"use": "local", "dir": "/tmp/x", "group": "y"}}, ["overlay.dir", "overlay.group"]),
        ({}, {"state_dir": "/tmp/other"}, ["state_dir"]),
        ({}, {"health": {"listen": "127.0.0.1:9"}}, ["health.listen"]),
        ({"roles": {"desk": {"use": "desk"}}}, {"roles": {"desk": {"use": "shelf"}}}, ["roles.desk.use"]),
        ({}, {"roles": {"desk": {"frozen": "x"}}}, ["roles.desk.frozen"]),
    ],
)
def test_these_keys_need_a_restart_and_nothing_else_changes(step, diary, components, old, new, keys):
    one = step({**old, **ears("a")}, {**old, **new, **ears("b")})
    before = components.ordered("observer")
    with pytest.raises(RestartNeeded) as caught:
        one.apply()
    assert list(caught.value.keys) == keys
    assert components.ordered("observer") is before


def test_all_such_keys_are_told_at_once(step):
    one = step({}, {"state_dir": "/tmp/o", "overlay": {"use": "local", "dir": "/x"}, "health": {"listen": 9}})
    with pytest.raises(RestartNeeded, match=r"needs a restart to change: state_dir, health.listen, overlay.dir"):
        one.apply()


# -- addresses ---

DOOR = """
from pydantic import Field
from zrokd import hookimpl
from zrokd.contracts import AddressSetting, Role, Settings

class Keys(Settings):
    listen: AddressSetting = Field(description="Where.")

class Door(Role):
    name = "door"
    Settings = Keys
    sock = None
    def open(self):
        self.sock = self.ctx.listen(self.settings.listen)
    def close(self):
        if self.sock:
            self.sock.close()
    def serve(self):
        pass
    def drain(self, deadline_s):
        pass

@hookimpl
def zrokd_provide_roles():
    return [Door]
"""


@pytest.fixture
def doors(folder, registry):
    """doors(name=address): a tree of roles that listen there."""
    registry.add_path(folder(door=DOOR))
    return lambda **listens: {"roles": {name: {"use": "door", "listen": where} for name, where in listens.items()}}


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_a_role_by_another_name_is_told_that_this_daemon_has_its_address(step, doors, components, port):
    address = f"127.0.0.1:{port}"
    one = step(doors(front=address), doors(shop=address))
    with pytest.raises(StartError) as caught:
        one.apply()
    assert str(caught.value) == (
        f"roles.shop cannot listen on {address}: roles.front of this daemon does until it ends; "
        "restart the daemon, or choose another port"
    )
    assert list(components.roles) == ["front"]


def test_so_is_one_on_all_addresses_and_one_on_a_path(step, doors, port, tmp_path):
    path = f"unix:{tmp_path / 'door'}"
    for one in (
        step(doors(front=f"127.0.0.1:{port}"), doors(shop=f"0.0.0.0:{port}")),
        step(doors(front=path), doors(shop=path)),
    ):
        with pytest.raises(StartError, match=r"roles.front of this daemon does"):
            one.apply()


def test_the_port_of_another_program_is_not_called_ours(step, doors, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one = step(doors(front=f"127.0.0.1:{port}"), doors(shop=f"127.0.0.1:{taken.getsockname()[1]}"))
        with pytest.raises(StartError, match="another program listens there"):
            one.apply()
