"""A controller killed at every change it makes on a real network: both sides are equal again."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.killed.test_every_call import killed_at_every_call
from tests.killed.world import VERBS, Nursery, World, differ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.blocks_hub("talks to processes by pipes, right here"),
]
KINDS = ("identities", "services", "configs", "service-policies")
AFTER = range(2, 200, 2)  # each change; before it is after the one before


class ZitiSide:
    """A network as its own management API shows it."""

    kind = "ziti"

    def __init__(self, network, instance):
        self._network, self.instance, self._before = network, instance, {}
        admin = f"{{username: {network.username}, password: {network.password}}}"
        self.yaml = f"{{use: ziti, controller: '{network.url}', ca: {network.ca}, admin: {admin}}}"

    def plant(self):
        """What is nobody's or somebody else's, and must stay as it is."""
        for name, tags in (("untagged", {}), ("foreign", {"zrokd": "other"})):
            body = {"name": f"{self.instance}-{name}", "encryptionRequired": True, "tags": tags}
            self._network.api("POST", "/services", body)
        self._before = self._others()

    def planted(self):
        """Whether that is so, and everything else that is not ours."""
        return self._others() == self._before

    def differences(self, store):
        """How it differs from what the store says, each object counted."""
        ours = {kind: [one for one in self._network.all(f"/{kind}") if self._is_ours(one)] for kind in KINDS}
        hosts = [one["id"] for one in ours["identities"] if one["tags"].get("zrokdKind") == "environment"]
        policies = ours["service-policies"]
        accesses = [one for one in policies if one["tags"].get("zrokdKind") == "access"]
        standing = [one for one in policies if "zrokdEnvironment" in one["tags"] and one not in accesses]
        return [
            *differ("identities", hosts, store["environment"]),
            *differ("services", [one["name"] for one in ours["services"]], store["share"]),
            *differ("configs", [one["name"] for one in ours["configs"]], store["share"]),
            *differ("accesses", [one["name"].rpartition(".")[2] for one in accesses], store["access"]),
            *differ("policies", [one["tags"]["zrokdEnvironment"] for one in standing], store["environment"] * 2),
        ]

    def _is_ours(self, one):
        return (one.get("tags") or {}).get("zrokd") == self.instance

    def _others(self):
        """What is not ours, but for what the network itself keeps up to date."""
        found = {}
        for kind in KINDS:
            others = [one for one in self._network.all(f"/{kind}") if not self._is_ours(one)]
            found[kind] = sorted((one["id"], one["name"], str(one.get("tags")), one["updatedAt"]) for one in others)
        return found | {"identities": [one[:2] for one in found["identities"]]}


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def world(nursery, ziti_network, request, tmp_path):
    side = ZitiSide(ziti_network, "".join(letter for letter in request.node.name.lower() if letter.isalnum())[-12:])
    with closing(World(tmp_path, nursery, side)) as made:
        made.start()
        made.furnish()  # what stands on the network before anything is shared stands there now
        side.plant()
        yield made


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("share private", "unshare")])  # part of others
def test_killed_after_every_change_both_sides_are_equal_again(world, verb, capsys):
    killed_at_every_call(world, verb, capsys, steps=AFTER)
