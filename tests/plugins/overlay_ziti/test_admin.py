"""The administrator's half on a network that only remembers: what is made, adopted, refused and taken away."""

from __future__ import annotations

import logging
import stat

import gevent
import pytest
from zrokd_plugins.overlay_ziti.admin import ZitiAdmin
from zrokd_plugins.overlay_ziti.identity import IdentityFile
from zrokd_plugins.overlay_ziti.management import Management
from zrokd_plugins.overlay_ziti.settings import AdminSettings
from zrokd_plugins.overlay_ziti.standing import Names, bootstrap

from tests.plugins.overlay_ziti.fake import No
from zrokd.errors import OverlayError, UnknownService
from zrokd.model.units import Secret


@pytest.fixture
def management(controller):
    made = Management(
        (controller.url,),
        controller.ca,
        AdminSettings(username="admin", password=Secret("x")),
        log=logging.getLogger("test"),
        advertised=("https://ziti.example.com:1280",),
    )
    yield made
    made.close()


@pytest.fixture
def admins(management, tmp_path):
    """admins("name"): the administrator's half of an instance; with a folder: that of another of its controllers."""

    def make(instance, folder="."):
        bootstrap(management, Names(instance))
        (tmp_path / folder).mkdir(exist_ok=True)
        return ZitiAdmin(management, instance, tmp_path / folder, logging.getLogger("test.admin"), lambda: None)

    return make


@pytest.fixture
def admin(admins):
    return admins("one")


@pytest.fixture
def share(admin):
    """A private share `svc`; the id of the environment that binds it."""
    host = admin.create_environment("host")
    admin.create_share("svc", host.z_id, public=False, config={})
    return host.z_id


def changes(controller, since=0):
    return [each for each in controller.asked[since:] if each.method != "GET" and "authenticate" not in each.path]


# -- environments ---


def test_an_environment_is_an_identity_that_may_bind_and_dial_its_own_shares(admin, controller):
    made = admin.create_environment("ann")
    identity = controller.things["identities"][made.z_id]
    assert (identity["isAdmin"], identity["roleAttributes"]) == (False, ["zrokd.one"])
    policies = [
        each for each in controller.kind("service-policies").values() if f"@{made.z_id}" in each["identityRoles"]
    ]
    assert sorted(each["type"] for each in policies) == ["Bind", "Dial"]
    assert {role for each in policies for role in each["serviceRoles"]} == {f"#zrokd.one.env.{made.z_id}"}


def test_an_agents_service_is_its_environments_to_bind_and_controllers_to_dial(admin, controller):
    ann = admin.create_environment("ann")
    before = set(controller.kind("service-policies"))
    for _ in range(2):
        admin.create_agent("told", ann.z_id)
    service = next(each for each in controller.kind("services").values() if each["name"] == "told")
    assert service["roleAttributes"] == ["zrokd.one"]  # so that no standing policy lets anybody in
    policies = [each for z_id, each in controller.kind("service-policies").items() if z_id not in before]
    who = {each["type"]: (each["identityRoles"], each["serviceRoles"]) for each in policies}
    assert who == {
        "Bind": ([f"@{ann.z_id}"], [f"@{service['id']}"]),
        "Dial": (["#zrokd.one.controller"], [f"@{service['id']}"]),
    }
    admin.delete_share("told")
    assert set(controller.kind("service-policies")) == before


def test_a_controller_keeps_its_identity_and_another_has_its_own(admin, admins, controller, tmp_path):
    first = admin.create_controller()
    assert admins("one").create_controller() == first
    assert controller.things["identities"][first.z_id]["roleAttributes"] == ["zrokd.one", "zrokd.one.controller"]
    (tmp_path / "controller-one.json").unlink()
    assert admin.create_controller().z_id != first.z_id
    assert first.z_id in controller.things["identities"]  # somebody may have it


def test_its_document_is_complete_and_names_where_others_reach_the_controller(admin, controller):
    made = IdentityFile.parse(admin.create_environment("ann").document)
    assert made.controllers == ("https://ziti.example.com:1280",)
    assert made.ca.strip() == controller.ca.strip()
    made.ssl_context([])


def test_one_whose_answer_was_lost_makes_room(admin, controller):
    first = admin.create_environment("ann")
    second = admin.create_environment("ann")
    assert first.z_id not in controller.things["identities"]
    assert second.z_id in controller.things["identities"]
    assert len(controller.kind("service-policies")) == 3


@pytest.mark.parametrize("where", ["/service-policies", "/enroll", "/identities"])
def test_one_that_was_cut_short_is_made_when_asked_again(admin, controller, where):
    def refuse(asked):
        if asked.method == "POST" and asked.path.endswith(where):
            raise No(500)

    controller.faults.append(refuse)
    with pytest.raises(OverlayError):
        admin.create_environment("ann")
    controller.faults.clear()
    made = admin.create_environment("ann")
    assert list(controller.things["identities"]) == [made.z_id]
    assert len(controller.kind("service-policies")) == 3


def strangers(admin, management, **changes):
    """An identity that somebody else made: enrolled, and nothing of ours on it."""
    z_id = admin.create_environment("stranger").z_id
    for policy in list(management.find("service-policies", tag_zrokdEnvironment=z_id)):
        management.delete("service-policies", policy["id"])
    management.patch("identities", z_id, **{"tags": {"zrok": "v2"}, "roleAttributes": ["theirs"]} | changes)
    return z_id


def test_an_identity_of_somebody_else_is_taken_over_with_what_it_has(admin, management):
    z_id = strangers(admin, management)
    for _ in range(2):
        admin.adopt_environment(z_id)
    found = management.get("identities", z_id)
    assert found["tags"] == {"zrok": "v2", "zrokd": "one", "zrokdKind": "environment"}
    assert found["roleAttributes"] == ["theirs", "zrokd.one"]
    policies = list(management.find("service-policies", tag_zrokdEnvironment=z_id))
    assert sorted(policy["type"] for policy in policies) == ["Bind", "Dial"]
    assert all(policy["identityRoles"] == [f"@{z_id}"] for policy in policies)
    admin.delete_environment(z_id)
    assert not list(management.find("service-policies", tag_zrokdEnvironment=z_id))


@pytest.mark.parametrize("changes", [{"isAdmin": True}, {"tags": {"zrokd": "two"}}])
def test_an_administrator_or_one_of_another_instance_is_not_taken_over(admin, management, changes):
    z_id = strangers(admin, management, **changes)
    before = management.get("identities", z_id)
    with pytest.raises(UnknownService):
        admin.adopt_environment(z_id)
    assert management.get("identities", z_id) == before


def test_an_identity_that_is_not_there_is_not_taken_over(admin):
    with pytest.raises(UnknownService, match="the network has no identity 'nobody'"):
        admin.adopt_environment("nobody")


def test_the_key_is_in_no_log(admin, caplog):
    caplog.set_level(logging.DEBUG)
    made = admin.create_environment("ann")
    assert "PRIVATE" in made.document
    assert "PRIVATE" not in caplog.text


def test_an_environment_goes_with_all_it_has(admin, controller):
    ann, bob = admin.create_environment("ann"), admin.create_environment("bob")
    admin.create_share("anns", ann.z_id, public=True, config={})
    admin.create_share("bobs", bob.z_id, public=True, config={})
    admin.create_access("bob-to-ann", "anns", bob.z_id)
    admin.create_access("ann-to-bob", "bobs", ann.z_id)
    for _ in range(2):
        admin.delete_environment(ann.z_id)
        assert admin.list_shares() == {"bobs"}
        assert list(controller.kind("configs")) == ["bobs"]
        assert list(controller.things["identities"]) == [bob.z_id]
        assert len(controller.kind("service-policies")) == 3


# -- frontends ---


def test_a_frontend_keeps_its_identity_also_after_a_restart(admin, admins, controller):
    first = admin.create_frontend("edge")
    assert admins("one").create_frontend("edge") == first
    assert controller.things["identities"][first.z_id]["roleAttributes"] == ["zrokd.one", "zrokd.one.frontend"]
    assert admin.create_frontend("other").z_id != first.z_id


def test_it_gets_another_when_the_network_has_lost_it_or_we_have(admin, controller, tmp_path):
    first = admin.create_frontend("edge")
    del controller.things["identities"][first.z_id]
    second = admin.create_frontend("edge")
    assert second.z_id != first.z_id
    for file in tmp_path.glob("frontend-*.json"):
        file.write_text("damaged")
    third = admin.create_frontend("edge")
    assert list(controller.things["identities"]) == [third.z_id]


def test_two_that_come_at_once_get_the_same(admin, controller):
    asking = [gevent.spawn(admin.create_frontend, "edge") for _ in range(3)]
    gevent.joinall(asking, timeout=10, raise_error=True)
    assert len({each.value.z_id for each in asking}) == 1
    assert len(controller.things["identities"]) == 1


def test_two_controllers_leave_each_other_the_identities_that_they_made_for_a_frontend(admins, controller):
    here, there = admins("one"), admins("one", "there")
    first, second = here.create_frontend("edge"), there.create_frontend("edge")
    assert first.z_id != second.z_id
    assert (here.create_frontend("edge"), there.create_frontend("edge")) == (first, second)
    attributes = [controller.things["identities"][each.z_id]["roleAttributes"] for each in (first, second)]
    assert attributes == [["zrokd.one", "zrokd.one.frontend"]] * 2


def test_a_frontend_that_goes_takes_along_what_other_controllers_made_for_it(admins, controller):
    here, there = admins("one"), admins("one", "there")
    here.create_frontend("edge"), there.create_frontend("edge")
    other = here.create_frontend("other")
    for _ in range(2):
        there.delete_environment(there.create_frontend("edge").z_id)
        assert list(controller.things["identities"]) == [other.z_id]


@pytest.mark.parametrize("told", ["ours", "older"])
def test_one_that_was_made_before_controllers_had_their_own_goes_with_them(admins, admin, controller, management, told):
    older = admin.create_environment("older").z_id
    tags = {**controller.things["identities"][older]["tags"], "zrokdKind": "frontend"}
    management.patch("identities", older, name="zrokd.one.frontend.edge", tags=tags)
    other = admin.create_frontend("edge.other")
    ours = admins("one", "there").create_frontend("edge")
    admin.delete_environment(ours.z_id if told == "ours" else older)
    assert list(controller.things["identities"]) == [other.z_id]


def test_frontends_of_two_instances_differ(admins):
    assert admins("one").create_frontend("edge").z_id != admins("two").create_frontend("edge").z_id


@pytest.mark.parametrize("name", ["../../x", "a/b", "ünï", "."])
def test_any_name_stays_in_its_folder_and_is_for_us_alone(admin, tmp_path, name):
    admin.create_frontend(name)
    (file,) = tmp_path.glob("frontend-*")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


# -- shares ---


@pytest.mark.parametrize("public", [True, False])
def test_a_share_is_one_service_and_one_config_and_nothing_else(admin, controller, public):
    host = admin.create_environment("host").z_id
    since = len(controller.asked)
    admin.create_share("svc", host, public=public, config={})
    assert [str(each).split("/v1")[1] for each in changes(controller, since)] == ["/configs", "/services"]
    service, config = controller.kind("services")["svc"], controller.kind("configs")["svc"]
    assert service["configs"] == [config["id"]]
    assert service["encryptionRequired"] is True
    assert ("zrokd.one.public" in service["roleAttributes"]) is public
    assert service["tags"] == config["tags"] == {"zrokd": "one", "zrokdEnvironment": host, "zrokdShare": "svc"}


def test_made_again_it_is_adopted_and_put_right(admin, controller, share):
    service = controller.kind("services")["svc"]
    service["roleAttributes"], service["configs"] = [], []
    admin.create_share("svc", share, public=True, config={})
    again = controller.kind("services")["svc"]
    assert again["id"] == service["id"]
    assert "zrokd.one.public" in again["roleAttributes"]
    assert again["configs"] == [controller.kind("configs")["svc"]["id"]]


def test_one_whose_config_alone_was_made_is_finished(admin, controller):
    def refuse(asked):
        if asked.method == "POST" and asked.path.endswith("/services"):
            raise No(500)

    controller.faults.append(refuse)
    with pytest.raises(OverlayError):
        admin.create_share("svc", "env", public=True, config={})
    controller.faults.clear()
    admin.create_share("svc", "env", public=True, config={})
    assert list(controller.kind("services")) == list(controller.kind("configs")) == ["svc"]


@pytest.mark.parametrize("kind", ["services", "configs"])
@pytest.mark.parametrize("tags", [{"zrokd": "two"}, {}, None])
def test_what_is_not_ours_is_neither_changed_nor_deleted(admin, controller, management, kind, tags):
    id_ = management.create(kind, name="svc", tags=tags, mine=True)
    with pytest.raises(OverlayError, match="not of this instance"):
        admin.create_share("svc", "env", public=True, config={})
    admin.delete_share("svc")
    assert controller.things[kind][id_] == {"name": "svc", "tags": tags, "mine": True, "id": id_}


def test_a_share_goes_with_its_config_and_accesses(admin, controller, share):
    admin.create_access("acc", "svc", "guest")
    for _ in range(2):
        admin.delete_share("svc")
        assert not controller.kind("services")
        assert not controller.kind("configs")
        assert len(controller.kind("service-policies")) == 3
    assert admin.list_shares() == set()


def test_a_share_is_served_again_by_who_comes_after_a_restart(admin, admins, share):
    admins("one").delete_share("svc")
    assert admin.list_shares() == set()


def test_without_its_config_type_the_operator_is_told_what_to_run(admin, controller):
    controller.things["config-types"].clear()
    with pytest.raises(OverlayError, match="zrokd admin bootstrap"):
        admin.create_share("svc", "env", public=True, config={})


def test_each_instance_lists_its_own(admins):
    one, two = admins("one"), admins("two")
    one.create_share("a", "env", public=True, config={})
    two.create_share("b", "env", public=True, config={})
    assert (one.list_shares(), two.list_shares()) == ({"a"}, {"b"})
    two.delete_share("a")
    assert one.list_shares() == {"a"}


# -- accesses ---


def access_policies(controller):
    return [each for name, each in controller.kind("service-policies").items() if ".access." in name]


def test_an_access_is_one_policy(admin, controller, share):
    since = len(controller.asked)
    admin.create_access("acc", "svc", "guest")
    assert len(changes(controller, since)) == 1
    (policy,) = access_policies(controller)
    service = controller.kind("services")["svc"]["id"]
    assert (policy["type"], policy["identityRoles"], policy["serviceRoles"]) == ("Dial", ["@guest"], [f"@{service}"])


def test_an_access_is_made_also_to_a_share_of_an_earlier_run(admins, share, controller):
    admins("one").create_access("acc", "svc", "guest")
    assert access_policies(controller)[0]["serviceRoles"] == [f"@{controller.kind('services')['svc']['id']}"]


def test_an_access_to_no_share_is_told(admin, controller):
    with pytest.raises(OverlayError, match="'nowhere'"):
        admin.create_access("acc", "nowhere", "guest")


def test_made_again_it_is_for_whom_it_is_now(admin, controller, share):
    admin.create_access("acc", "svc", "guest")
    admin.create_access("acc", "svc", "another")
    (policy,) = access_policies(controller)
    assert policy["identityRoles"] == ["@another"]


def sessions(controller, *rows):
    service = controller.kind("services")["svc"]["id"]
    for id_, identity, kind in rows:
        row = {"id": id_, "name": id_, "service": service, "identityId": identity, "type": kind}
        controller.things.setdefault("sessions", {})[id_] = row
        circuit = {"id": id_, "name": id_, "service": service, "tags": {"clientId": identity}}
        controller.things.setdefault("circuits", {})[id_] = circuit


def test_a_revoked_access_ends_its_sessions_and_streams_and_no_others(admin, controller, share):
    admin.create_access("acc", "svc", "guest")
    sessions(controller, ("1", "guest", "Dial"), ("2", "other", "Dial"), ("3", "guest", "Bind"))
    for _ in range(2):
        admin.delete_access("acc", "svc")
        assert not access_policies(controller)
        assert set(controller.things["sessions"]) == {"2", "3"}
        assert set(controller.things["circuits"]) == {"2"}


def test_it_ends_them_at_a_share_that_another_controller_made_again(admins, admin, controller, share):
    there = admins("one", "there")
    there.delete_share("svc")
    there.create_share("svc", share, public=False, config={})
    there.create_access("acc", "svc", "guest")
    sessions(controller, ("1", "guest", "Dial"), ("2", "other", "Dial"))
    admin.delete_access("acc", "svc")
    assert not access_policies(controller)
    assert set(controller.things["sessions"]) == {"2"}
    assert set(controller.things["circuits"]) == {"2"}


def test_the_right_goes_before_the_sessions_and_the_policy_last(admin, controller, share):
    admin.create_access("acc", "svc", "guest")
    sessions(controller, ("1", "guest", "Dial"))
    since = len(controller.asked)
    admin.delete_access("acc", "svc")
    kinds = [str(each).split("/v1/")[1].split("/")[0] for each in changes(controller, since)]
    assert kinds == ["service-policies", "sessions", "circuits", "service-policies"]
    assert changes(controller, since)[0].json == {"identityRoles": []}


@pytest.mark.parametrize("where", ["/sessions", "/circuits"])
def test_interrupted_it_is_finished_when_asked_again(admin, controller, share, where):
    def away(asked):
        if where in asked.path:
            raise No(500)

    admin.create_access("acc", "svc", "guest")
    sessions(controller, ("1", "guest", "Dial"))
    controller.faults.append(away)
    with pytest.raises(OverlayError):
        admin.delete_access("acc", "svc")
    assert access_policies(controller)[0]["identityRoles"] == []
    controller.faults.clear()
    admin.delete_access("acc", "svc")
    assert not controller.things["sessions"]
    assert not controller.things["circuits"]
    assert not access_policies(controller)


def test_with_another_access_of_the_same_host_its_streams_go_on(admin, controller, share):
    admin.create_access("acc", "svc", "guest")
    admin.create_access("more", "svc", "guest")
    sessions(controller, ("1", "guest", "Dial"))
    admin.delete_access("acc", "svc")
    assert set(controller.things["sessions"]) == {"1"}
    admin.delete_access("more", "svc")
    assert not controller.things["sessions"]


def test_a_controller_without_the_fabric_api_is_no_hindrance_and_is_logged(admin, controller, share, caplog):
    def absent(asked):
        if asked.path.startswith("/fabric"):
            raise No(404, "NOT_FOUND")

    controller.faults.append(absent)
    admin.create_access("acc", "svc", "guest")
    admin.delete_access("acc", "svc")
    assert not access_policies(controller)
    assert "go on until they are closed" in caplog.text


def test_an_access_of_another_instance_is_left_alone(admin, controller, management, share):
    management.create("service-policies", name="zrokd.one.access.acc", tags={"zrokd": "two"}, identityRoles=["@x"])
    with pytest.raises(OverlayError, match="not of this instance"):
        admin.delete_access("acc", "svc")
    assert access_policies(controller)[0]["identityRoles"] == ["@x"]


def test_an_access_goes_though_its_share_is_gone(admin, controller, share):
    admin.create_access("acc", "svc", "guest")
    controller.things["services"].clear()
    admin.delete_access("acc", "svc")
    assert not access_policies(controller)


def test_usage_is_counted_elsewhere(admin):
    assert list(admin.usage()) == []


# -- few calls, and none that looks at all there is ---


def test_what_was_made_here_is_taken_away_without_a_search(admin, controller, share):
    guest = admin.create_environment("guest").z_id
    admin.create_access("acc", "svc", guest)
    since = len(controller.asked)
    admin.delete_share("svc")
    assert not [each for each in controller.asked[since:] if "filter" in each.query]
    assert not controller.kind("services") and not controller.kind("configs")
    assert "zrokd.one.access.acc" not in controller.kind("service-policies")


def test_an_access_is_taken_back_with_one_search_for_its_sessions(admin, controller, share):
    guest = admin.create_environment("guest").z_id
    admin.create_access("acc", "svc", guest)
    since = len(controller.asked)
    admin.delete_access("acc", "svc")
    searched = {each.path.rpartition("/")[2] for each in controller.asked[since:] if "filter" in each.query}
    assert searched == {"sessions", "circuits"}
    assert "zrokd.one.access.acc" not in controller.kind("service-policies")


def test_a_list_of_all_tells_where_each_is(admins, controller, share):
    there = admins("one", "there")
    there.list_shares()
    since = len(controller.asked)
    there.delete_share("svc")
    assert not [each for each in controller.asked[since:] if "filter" in each.query]
    assert not controller.kind("services")


@pytest.mark.parametrize("made_again", [True, False])
def test_what_another_controller_did_meanwhile_is_found_out(admins, controller, share, made_again):
    here, there = admins("one"), admins("one", "there")
    here.create_share("svc", share, public=False, config={})
    there.delete_share("svc")
    if made_again:
        there.create_share("svc", share, public=False, config={})
        here.create_access("acc", "svc", share)
        (policy,) = [each for name, each in controller.kind("service-policies").items() if name.endswith("access.acc")]
        assert policy["serviceRoles"] == [f"@{controller.kind('services')['svc']['id']}"]
    here.delete_share("svc")
    assert not controller.kind("services") and not controller.kind("configs")
    assert not [name for name in controller.kind("service-policies") if name.endswith("access.acc")]


def test_what_is_left_of_a_share_whose_service_is_gone_goes_too(admin, controller, share):
    def refuse(asked):
        if asked.method == "DELETE" and "/configs/" in asked.path:
            raise No(500)

    controller.faults.append(refuse)
    with pytest.raises(OverlayError):
        admin.delete_share("svc")
    controller.faults.clear()
    admin.delete_share("svc")
    assert not controller.kind("configs")
