"""Enrolment and the client API against a real controller."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging

import gevent
import pytest
from zrokd_plugins.overlay_ziti.edge import EdgeApi
from zrokd_plugins.overlay_ziti.enrol import enrol
from zrokd_plugins.overlay_ziti.identity import IdentityFile
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from zrokd.errors import OverlayError, UnknownService

_NUMBER = itertools.count()


@pytest.fixture
def apis(zrokd_bench):
    """apis(identity, check_every="1s"): an EdgeApi; all are closed at the end."""
    made = []

    def make(identity, **settings):
        given = EdgeSettings.model_validate(settings)
        made.append(EdgeApi(identity, log=logging.getLogger("test"), spawn=zrokd_bench.ctx.spawn, settings=given))
        return made[-1]

    yield make
    for each in made:
        each.close()


def name():
    return f"edge-api-{next(_NUMBER)}"


def new(network, who=None):
    """A one-time token of a new identity."""
    body = {"name": who or name(), "type": "Device", "isAdmin": False, "enrollment": {"ott": True}}
    return network.token_of(network.api("POST", "/identities", body)["id"])


@pytest.fixture
def identity(ziti_network):
    return enrol(new(ziti_network))


@pytest.fixture
def service(ziti_network):
    with ziti_network.prepared(name()) as made:
        yield made


def test_a_token_becomes_an_identity_that_the_network_knows(ziti_network, apis):
    who = name()
    made = enrol(new(ziti_network, who))
    assert made.controllers == (ziti_network.url,)
    assert apis(made).token
    (known,) = [each for each in ziti_network.all("/identities") if each["name"] == who]
    assert known["hasApiSession"]


def test_a_token_is_used_once(ziti_network):
    token = new(ziti_network)
    enrol(token)
    with pytest.raises(OverlayError, match="refused the enrolment token"):
        enrol(token)


def test_a_token_of_another_network_is_not_redeemed(ziti_network, ziti_networks):
    other = ziti_networks(routers=0)
    head, claims, _ = new(ziti_network).split(".")
    signature = new(other).split(".")[2]
    with pytest.raises(OverlayError, match="did not sign"):
        enrol(f"{head}.{claims}.{signature}")


def test_an_identity_of_openzitis_own_program_is_read(ziti_network, apis):
    document = ziti_network.identity(name())
    assert json.loads(document)["id"]["key"].startswith("pem:")
    assert apis(IdentityFile.parse(document)).token


def test_one_whose_parts_stand_in_files_is_read(identity, apis, tmp_path):
    document = json.loads(identity.to_json())
    for part, text in document["id"].items():
        (tmp_path / part).write_text(text.removeprefix("pem:"))
        document["id"][part] = f"file:{tmp_path / part}"
    assert apis(IdentityFile.parse(json.dumps(document))).token


def test_services_and_sessions_are_those_of_the_network(ziti_network, identity, apis, service):
    api = apis(identity)
    found, session = api.service(service), api.session(service, "Dial")
    assert found.encrypted
    assert {"Dial", "Bind"} <= found.permissions
    assert [each.url for each in session.routers] == [f"tls://127.0.0.1:{port}" for port in ziti_network.router_ports]
    assert api.session(service, "Dial") is session
    assert api.routers(service, "Dial") == session.routers


def test_names_of_all_kinds_are_found_together(ziti_network, identity, apis):
    names = [f"{name()}{end}" for end in ("", ' "quoted"', " back\\slash", " ünï, [x]")]
    with contextlib.ExitStack() as ends:
        for each in names:
            ends.enter_context(ziti_network.prepared(each))
        api = apis(identity)
        asking = [gevent.spawn(api.service, each) for each in names]
        gevent.joinall(asking, timeout=10, raise_error=True)
        assert [each.value.name for each in asking] == names


def test_what_is_not_ours_is_unknown(ziti_network, identity, apis):
    hidden = name()
    with ziti_network.prepared(hidden, binds="#nobody", dials="#nobody"):
        api = apis(identity)
        with pytest.raises(UnknownService):
            api.service(hidden)
        with pytest.raises(UnknownService):
            api.session(hidden, "Dial")


def test_what_we_may_only_dial_we_may_not_bind(ziti_network, identity, apis):
    theirs = name()
    with ziti_network.prepared(theirs, binds="#nobody"):
        api = apis(identity)
        assert api.session(theirs, "Dial").token
        with pytest.raises(UnknownService, match="not ours to bind"):
            api.session(theirs, "Bind")


def test_a_service_that_was_made_again_is_found_once_the_old_one_was_refused(ziti_network, identity, apis):
    again = name()
    api = apis(identity)
    with ziti_network.prepared(again):
        old = api.session(again, "Dial")
    with ziti_network.prepared(again):
        api.forget(again)
        assert api.session(again, "Dial").token != old.token


def test_a_revoked_api_session_is_made_again(ziti_network, identity, apis, service):
    api = apis(identity)
    old, token = api.session(service, "Dial"), api.token
    for each in ziti_network.all("/api-sessions"):
        if each["token"] == token:
            ziti_network.api("DELETE", f"/api-sessions/{each['id']}")
    api.refresh()
    assert (api.generation, api.token != token) == (2, True)
    assert api.session(service, "Dial").token != old.token


def test_an_api_session_is_kept_alive_by_itself(ziti_networks, apis):
    network = ziti_networks(routers=0)
    api = apis(enrol(new(network)), check_every="200ms")
    token = api.token
    (session,) = [each for each in network.all("/api-sessions") if each["token"] == token]
    first = session["cachedLastActivityAt"]
    with gevent.Timeout(15):
        while network.api("GET", f"/api-sessions/{session['id']}")["cachedLastActivityAt"] == first:
            gevent.sleep(0.1)
    assert api.token == token


def test_a_deleted_identity_says_what_to_do(ziti_network, apis):
    who = name()
    api = apis(enrol(new(ziti_network, who)))
    assert api.token
    (known,) = [each for each in ziti_network.all("/identities") if each["name"] == who]
    ziti_network.api("DELETE", f"/identities/{known['id']}")
    with pytest.raises(OverlayError, match="enable this host again"):
        api.refresh()
    assert not api.health().ok


def test_a_controller_that_is_away_is_left_for_the_next(ziti_network, identity, apis):
    nobody = IdentityFile(
        controllers=("https://127.0.0.1:1", *identity.controllers), cert=identity.cert, key=identity.key, ca=identity.ca
    )
    api = apis(nobody)
    assert api.token
    assert api.health().ok


def test_a_restarted_controller_is_asked_again_by_itself(ziti_networks, apis):
    network = ziti_networks(routers=0)
    with network.prepared(name()) as service:
        api = apis(enrol(new(network)), check_every="200ms", request_timeout="2s")
        api.service(service)
        network.controller.kill()
        with gevent.Timeout(10):
            while api.health().ok:
                gevent.sleep(0.02)
        assert api.service(service).name == service
        network.controller.start()
        with gevent.Timeout(10):
            while not api.health().ok:
                gevent.sleep(0.02)
        assert api.token


def test_the_end_takes_the_api_session_along(ziti_network, identity, apis):
    api = apis(identity)
    token = api.token
    assert token in [each["token"] for each in ziti_network.all("/api-sessions")]
    api.close()
    assert token not in [each["token"] for each in ziti_network.all("/api-sessions")]
