"""What stands on the network for an instance: made where it is missing, taken away whole, others left alone."""

from __future__ import annotations

import logging

import pytest
from zrokd_plugins.overlay_ziti.management import Management
from zrokd_plugins.overlay_ziti.settings import AdminSettings
from zrokd_plugins.overlay_ziti.standing import Names, bootstrap, unbootstrap

from tests.plugins.overlay_ziti.fake import No
from zrokd.errors import OverlayError
from zrokd.model.units import Secret

ONE, TWO = Names("one"), Names("two")
KINDS = ("config-types", "edge-router-policies", "service-edge-router-policies", "service-policies")


@pytest.fixture
def management(controller):
    admin = AdminSettings(username="admin", password=Secret("x"))
    made = Management((controller.url,), controller.ca, admin, log=logging.getLogger("test"))
    yield made
    made.close()


def changes(controller):
    return [str(each) for each in controller.asked if each.method != "GET" and "authenticate" not in each.path]


def actions(steps):
    return [step.action for step in steps]


def test_an_empty_network_gets_everything_once(management, controller):
    assert actions(bootstrap(management, ONE)) == ["made"] * 4
    assert actions(bootstrap(management, ONE)) == ["kept"] * 4
    assert [len(controller.kind(kind)) for kind in KINDS] == [1, 1, 1, 1]
    assert all(each["tags"] == {"zrokd": "one"} for kind in KINDS for each in controller.kind(kind).values())


def test_a_dry_run_tells_and_changes_nothing(management, controller):
    assert actions(bootstrap(management, ONE, dry_run=True)) == ["would make"] * 4
    assert not changes(controller)
    bootstrap(management, ONE)
    before = changes(controller)
    assert actions(unbootstrap(management, ONE, dry_run=True)) == ["would remove"] * 3
    assert changes(controller) == before


def test_what_is_missing_is_made_and_the_rest_kept(management, controller):
    bootstrap(management, ONE)
    controller.things["service-policies"].clear()
    assert actions(bootstrap(management, ONE)) == ["kept", "kept", "kept", "made"]


def test_roles_carry_the_instance_so_that_two_never_meet(management, controller):
    bootstrap(management, ONE)
    bootstrap(management, TWO)
    roles = [
        role
        for kind in KINDS[1:]
        for each in controller.kind(kind).values()
        for key in ("identityRoles", "serviceRoles")
        for role in each.get(key, [])
    ]
    assert (len(roles), len(set(roles))) == (8, 6)
    assert "#all" not in roles


@pytest.mark.parametrize("sly", ["one-frontend", "one-public", "one-env-x", "on", "one-"])
def test_no_instance_can_be_called_so_that_its_roles_are_anothers(sly):
    ours, theirs = ({names.all, names.frontends, names.public, names.environment("x")} for names in (ONE, Names(sly)))
    assert not ours & theirs


def test_frontends_of_an_instance_dial_its_public_shares(management, controller):
    bootstrap(management, ONE)
    (policy,) = controller.kind("service-policies").values()
    assert (policy["type"], policy["identityRoles"], policy["serviceRoles"]) == (
        "Dial",
        [f"#{ONE.frontends}"],
        [f"#{ONE.public}"],
    )


def test_router_policies_of_the_network_itself_will_do(management, controller):
    management.create("edge-router-policies", name="everybody", identityRoles=["#all"], edgeRouterRoles=["#public"])
    management.create("service-edge-router-policies", name="all", serviceRoles=["#all"], edgeRouterRoles=["#all"])
    steps = bootstrap(management, ONE)
    assert actions(steps) == ["made", "kept", "kept", "made"]
    assert "'everybody', the network's own" in str(steps[1])
    assert len(controller.kind("edge-router-policies")) == len(controller.kind("service-edge-router-policies")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"identityRoles": ["#others"], "edgeRouterRoles": ["#all"]},
        {"identityRoles": ["#all"], "edgeRouterRoles": []},
        {"identityRoles": None, "edgeRouterRoles": None},
    ],
)
def test_router_policies_that_are_not_for_all_will_not(management, controller, fields):
    management.create("edge-router-policies", name="theirs", **fields)
    assert actions(bootstrap(management, ONE))[1] == "made"


def test_a_config_type_of_another_program_is_used_and_stays(management, controller):
    management.create("config-types", name="zrok.proxy.v1", schema={})
    assert actions(bootstrap(management, ONE))[0] == "kept"
    unbootstrap(management, ONE)
    assert "zrok.proxy.v1" in controller.kind("config-types")


def test_a_policy_of_our_name_that_is_not_ours_is_told_and_left(management, controller):
    management.create("service-policies", name=ONE.public, tags={"zrokd": "two"}, type="Dial")
    with pytest.raises(OverlayError, match="not of this instance"):
        bootstrap(management, ONE)
    unbootstrap(management, ONE)
    assert ONE.public in controller.kind("service-policies")


def test_another_daemon_that_was_faster_is_no_trouble(management, controller):
    def faster(asked):
        if asked.method == "POST" and asked.path.endswith("/service-policies") and not hurried:
            hurried.append(1)
            controller._thing(asked, "service-policies")

    hurried: list[int] = []
    controller.faults.append(faster)
    assert actions(bootstrap(management, ONE))[3] == "kept"


def test_a_refusal_is_told(management, controller):
    def refuse(asked):
        if asked.method == "POST" and asked.path.endswith("/service-policies"):
            raise No(400, "COULD_NOT_VALIDATE", "identityRoles")

    controller.faults.append(refuse)
    with pytest.raises(OverlayError, match="because"):
        bootstrap(management, ONE)


def test_taking_away_takes_all_of_ours_and_nothing_else(management, controller):
    bootstrap(management, ONE)
    bootstrap(management, TWO)
    for kind in ("services", "configs", "identities"):
        management.create(kind, name=f"{kind}-one", tags=ONE.tags())
        management.create(kind, name=f"{kind}-two", tags=TWO.tags())
        management.create(kind, name=f"{kind}-foreign", tags={})
        management.create(kind, name=f"{kind}-untagged")
    assert actions(unbootstrap(management, ONE)) == ["removed"] * 6
    assert unbootstrap(management, ONE) == []
    left = {each["name"] for things in controller.things.values() for each in things.values()}
    assert not [name for name in left if "one" in name.split("-")]
    assert {"services-two", "configs-foreign", "identities-untagged", TWO.public} <= left


def test_it_goes_on_where_it_was_interrupted(management, controller):
    bootstrap(management, ONE)
    management.create("identities", name="i", tags=ONE.tags())

    def refuse(asked):
        if asked.method == "DELETE" and "/identities/" in asked.path:
            raise No(500)

    controller.faults.append(refuse)
    with pytest.raises(OverlayError):
        unbootstrap(management, ONE)
    controller.faults.clear()
    assert actions(unbootstrap(management, ONE)) == ["removed"]
