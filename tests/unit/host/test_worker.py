from __future__ import annotations

from zrokd.config.load import from_tree, thaw
from zrokd.contracts import Use
from zrokd.host.registry import Registry
from zrokd.host.worker import of_worker

TREE = {
    "version": 1,
    "state_dir": "state",
    "log": {"level": "debug"},
    "overlay": {"use": "ziti", "managed": {"binary": "ziti"}, "edge": {}},
    "observers": [{"use": "access_log"}],
    "roles": {
        "controller": {},
        "door": {
            "use": "frontend",
            "listen": "127.0.0.1:8080",
            "controller": "http://127.0.0.1:1",
            "token": "t" * 40,
            "workers": 3,
            "accesses": [{"share": "abcdefgh", "listen": "127.0.0.1:9999"}],
        },
    },
}


def test_a_worker_is_the_role_and_what_every_role_needs():
    registry = Registry()
    whole = from_tree(TREE, registry=registry)
    one = of_worker(whole, "door")
    assert (one.storage, one.auth, list(one.roles)) == (None, (), ["door"])
    assert [plan.name for plan in one.observers] == ["access_log"]
    assert (one.state_dir, one.log, one.secrets) == (whole.state_dir, whole.log, whole.secrets)


def test_what_only_one_process_may_do_stays_in_the_first():
    one = of_worker(from_tree(TREE, registry=Registry()), "door")
    assert one.overlay is not None
    assert one.overlay.settings.managed is None
    door = one.roles["door"].settings
    assert (door.accesses, door.workers, str(door.listen)) == ([], 3, "127.0.0.1:8080")


def test_a_thawed_configuration_is_the_one_that_was_frozen():
    registry = Registry()
    whole = from_tree(TREE, registry=registry)
    again = thaw(whole.frozen, registry=registry)
    assert again == whole
    assert isinstance(again.top.roles["door"], Use)
