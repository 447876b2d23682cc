"""The client API as one identity: services and sessions are remembered, and fetched anew when they were refused."""

from __future__ import annotations

import logging

import gevent
import pytest
from zrokd_plugins.overlay_ziti.edge import CONFIG_TYPE, EdgeApi, Router
from zrokd_plugins.overlay_ziti.identity import IdentityFile
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from tests.plugins.overlay_ziti.fake import CLIENT, No
from zrokd.errors import OverlayError, OverlayTimeout, UnknownService


@pytest.fixture
def apis(small_ctx):
    """apis(controller, ..., check_every="8s"): an EdgeApi of a new identity; all are closed at the end."""
    made = []

    def make(*controllers, types=(), **settings):
        cert, key = controllers[0].identity()
        identity = IdentityFile(
            controllers=tuple(each.url for each in controllers),
            cert=cert,
            key=key,
            ca=controllers[0].ca,
            config_types=types,
        )
        given = EdgeSettings.model_validate({"request_timeout": "5s", **settings})
        made.append(EdgeApi(identity, log=logging.getLogger("test"), spawn=small_ctx.spawn, settings=given))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def api(apis, controller):
    controller.things["services"] = {"s1": service()}
    return apis(controller)


def service(**changes):
    return {
        "id": "s1",
        "name": "svc",
        "encryptionRequired": True,
        "permissions": ["Dial", "Bind"],
        "config": {CONFIG_TYPE: {"auth_scheme": "none"}, "other": {}},
        **changes,
    }


def test_authentication_is_by_certificate_and_asks_for_the_shares_config(apis, controller):
    api = apis(controller, types=("mine", CONFIG_TYPE))
    assert api.token in controller.tokens
    (asked,) = controller.asked
    assert (asked.path, asked.query) == (f"{CLIENT}/authenticate", {"method": "cert"})
    assert asked.json == {"configTypes": [CONFIG_TYPE, "mine"]}


def test_a_service_is_fetched_once_and_told_whole(api, controller):
    asking = [gevent.spawn(api.service, "svc") for _ in range(5)]
    gevent.joinall(asking, timeout=10, raise_error=True)
    found = api.service("svc")
    assert controller.count("GET", "/services") == 1
    assert (found.id, found.name, found.encrypted) == ("s1", "svc", True)
    assert found.config == {"auth_scheme": "none"}
    assert found.permissions == {"Dial", "Bind"}


def test_services_that_are_wanted_at_once_are_asked_for_together(api, controller):
    controller.things["services"] |= {f"id{n}": service(id=f"id{n}", name=f"more{n}") for n in range(20)}
    asking = [gevent.spawn(api.service, f"more{n}") for n in range(20)]
    gevent.joinall(asking, timeout=10, raise_error=True)
    assert [each.value.id for each in asking] == [f"id{n}" for n in range(20)]
    assert controller.count("GET", "/services") == 2  # the first, and all that came meanwhile


@pytest.mark.parametrize("changes", [{"config": None}, {"config": {}}, {"config": {CONFIG_TYPE: None}}])
def test_a_service_without_config_has_an_empty_one(apis, controller, changes):
    controller.things["services"] = {"s1": service(**changes)}
    assert apis(controller).service("svc").config == {}


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a b&c", "ünï", 'x" or true or name="svc'])
def test_a_name_is_taken_as_it_is(api, controller, name):
    with pytest.raises(UnknownService):
        api.service(name)
    controller.things["services"]["s2"] = service(id="s2", name=name)
    assert api.service(name).id == "s2"


def test_that_a_service_is_unknown_is_not_remembered(api, controller):
    with pytest.raises(UnknownService, match="'new'"):
        api.service("new")
    controller.things["services"]["s2"] = service(id="s2", name="new")
    assert api.service("new").id == "s2"


def test_a_session_is_made_once_a_kind(api, controller):
    dial, again, bind = api.session("svc", "Dial"), api.session("svc", "Dial"), api.session("svc", "Bind")
    assert dial is again
    assert bind.token != dial.token
    assert [each.json for each in controller.asked if each.path.endswith("/sessions")] == [
        {"serviceId": "s1", "type": "Dial"},
        {"serviceId": "s1", "type": "Bind"},
    ]
    assert dial.routers == (Router("r1", "tls://127.0.0.1:1"),)


def test_a_sessions_token_is_in_no_repr(api):
    session = api.session("svc", "Dial")
    assert session.token not in repr(session)


def test_many_who_dial_at_once_make_one_session(api, controller):
    asking = [gevent.spawn(api.session, "svc", "Dial") for _ in range(20)]
    gevent.joinall(asking, timeout=10, raise_error=True)
    assert controller.count("POST", "/sessions") == 1


def test_a_session_without_routers_is_not_remembered(api, controller):
    def none(asked):
        if asked.method == "POST" and asked.path.endswith("/sessions"):
            return 201, {"data": {"id": "x", "token": "t", "edgeRouters": None}}
        return None

    controller.faults.append(none)
    assert api.session("svc", "Dial").routers == ()
    controller.faults.clear()
    assert api.session("svc", "Dial").routers


@pytest.mark.parametrize("status", [400, 404])
def test_a_refused_session_is_an_unknown_service_which_is_fetched_anew(api, controller, status):
    api.service("svc")

    def refuse(asked):
        if asked.method == "POST" and asked.path.endswith("/sessions"):
            raise No(status, "INVALID")

    controller.faults.append(refuse)
    with pytest.raises(UnknownService, match="not ours to dial"):
        api.session("svc", "Dial")
    controller.faults.clear()
    api.session("svc", "Dial")
    assert controller.count("GET", "/services") == 2


def test_other_refusals_are_no_unknown_service(api, controller):
    def refuse(asked):
        if asked.method == "POST" and asked.path.endswith("/sessions"):
            raise No(500, "UNHANDLED")

    controller.faults.append(refuse)
    with pytest.raises(OverlayError, match="UNHANDLED") as caught:
        api.session("svc", "Dial")
    assert not isinstance(caught.value, UnknownService)


def test_what_was_refused_is_forgotten_and_made_anew(api, controller):
    dial, bind = api.session("svc", "Dial"), api.session("svc", "Bind")
    controller.things["sessions"].clear()
    api.forget("svc", "Dial")
    assert api.session("svc", "Dial").token != dial.token
    assert api.session("svc", "Bind") is bind
    api.forget("svc")
    assert api.session("svc", "Bind") is not bind
    api.forget("never heard of")


def test_a_service_that_was_made_again_gets_a_session_of_its_own(api, controller):
    api.session("svc", "Dial")
    controller.things["services"] = {"s9": service(id="s9")}
    api.forget("svc")
    api.session("svc", "Dial")
    assert controller.asked[-1].json["serviceId"] == "s9"


def test_routers_are_asked_for_anew(api, controller):
    session = api.session("svc", "Bind")
    more = {"name": "r2", "supportedProtocols": {"tls": "tls://127.0.0.1:2"}}
    controller.things["sessions"][session.id]["edgeRouters"].append(more)
    assert [each.name for each in api.routers("svc", "Bind")] == ["r1", "r2"]
    assert [each.name for each in api.session("svc", "Bind").routers] == ["r1", "r2"]


def test_routers_of_a_session_that_is_gone_are_those_of_a_new_one(api, controller):
    old = api.session("svc", "Bind")
    controller.things["sessions"].clear()
    assert api.routers("svc", "Bind")
    assert api.session("svc", "Bind").token != old.token


def test_routers_of_a_service_that_was_made_again_are_those_of_the_new_one(api, controller):
    api.session("svc", "Bind")
    controller.things["services"] = {"s9": service(id="s9")}

    def forgotten(asked):
        if asked.method == "POST" and asked.path.endswith("/sessions") and asked.json["serviceId"] == "s1":
            raise No(404, "NOT_FOUND")

    controller.faults.append(forgotten)
    assert api.routers("svc", "Bind")
    assert api.service("svc").id == "s9"


def test_routers_of_an_unknown_service_are_asked_for_once(api, controller):
    with pytest.raises(UnknownService):
        api.routers("new", "Bind")
    assert controller.count("GET", "/services") == 1


# -- the API session ---


def test_a_lost_api_session_is_made_again_with_its_sessions(api, controller):
    old, generation = api.session("svc", "Dial"), api.generation
    controller.tokens.clear()
    api.refresh()
    assert api.generation == generation + 1
    assert api.session("svc", "Dial").token != old.token


def test_it_is_renewed_in_time_by_itself(apis, controller, patient):
    api = apis(controller, check_every="100ms")
    assert api.token
    patient(lambda: controller.count("GET", "/current-api-session") >= 2)
    controller.tokens.clear()
    patient(lambda: api.generation == 2)
    assert api.health().ok


def test_a_controller_that_is_away_is_told_by_the_health_until_it_is_back(apis, controller, patient):
    api = apis(controller, check_every="100ms", request_timeout="300ms")
    assert api.token
    controller.faults.append(controller.hang)
    patient(lambda: not api.health().ok)
    assert "does not answer" in api.health().detail
    controller.faults.clear()
    patient(lambda: api.health().ok)


def test_who_waits_for_a_controller_is_woken_when_one_answers_again(apis, controller):
    api = apis(controller, check_every="100ms", request_timeout="300ms")
    assert api.token
    controller.faults.append(controller.hang)
    with pytest.raises(OverlayError):
        api.refresh()
    waiting = gevent.spawn(api.wait_back, 60.0)
    controller.faults.clear()
    waiting.get(timeout=5)
    api.wait_back(0.01)  # and not at once when none was away


def test_a_session_that_ended_while_it_was_fetched_is_not_remembered(api, controller):
    api.service("svc")

    def log_in_meanwhile(asked):
        if asked.path.endswith("/sessions"):
            controller.faults.clear()
            api.authenticate()

    controller.faults.append(log_in_meanwhile)
    old = api.session("svc", "Dial")
    assert api.session("svc", "Dial").token != old.token


def test_what_is_known_is_known_while_the_controller_is_away(api, controller):
    session = api.session("svc", "Dial")
    controller.close()
    assert api.session("svc", "Dial") is session
    assert api.service("svc").id == "s1"
    with pytest.raises(OverlayError, match="cannot be reached"):
        api.service("another")


def test_every_call_ends_within_its_limit(apis, controller):
    api = apis(controller, request_timeout="200ms")
    controller.faults.append(controller.hang)
    with gevent.Timeout(5), pytest.raises(OverlayTimeout):
        api.service("svc")


def test_an_identity_that_was_deleted_says_what_to_do(apis, controller):
    controller.knows_us = False
    api = apis(controller)
    with pytest.raises(OverlayError, match="enable this host again"):
        api.service("svc")
    assert "enable this host again" in api.health().detail


def test_the_next_controller_is_asked_when_one_is_away(apis, controllers):
    first, second = controllers(), controllers()
    second.things["services"] = {"s1": service()}
    api = apis(first, second)
    assert api.token in first.tokens
    first.close()
    assert api.service("svc").id == "s1"
    assert api.token in second.tokens


# -- the end ---


def test_the_end_ends_the_api_session_and_nothing_stays(api, controller):
    assert api.token
    api.close()
    api.close()
    assert controller.count("DELETE", "/current-api-session") == 1


def test_the_end_does_not_wait_for_a_controller_that_is_silent(api, controller):
    assert api.token
    controller.faults.append(controller.hang)
    with gevent.Timeout(3):
        api.close()


def test_an_end_that_is_cut_short_closes_its_connections(api, controller, monkeypatch):
    closed = []
    monkeypatch.setattr(api._web, "close", lambda: closed.append(True))
    assert api.token
    controller.faults.append(controller.hang)
    ending = gevent.spawn(api.close)
    gevent.sleep(0.1)
    ending.kill()
    assert closed


def test_one_that_was_never_used_asks_nobody_at_its_end(api, controller):
    api.close()
    assert not controller.asked
