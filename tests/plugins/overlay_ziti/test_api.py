"""An API session is made, kept, and made again; what is busy is asked again."""

from __future__ import annotations

import logging

import gevent
import pytest
from zrokd_plugins.overlay_ziti import api as module
from zrokd_plugins.overlay_ziti.api import Api, Refused, Single
from zrokd_plugins.overlay_ziti.identity import make_context
from zrokd_plugins.overlay_ziti.web import Web

from tests.plugins.overlay_ziti.fake import MANAGEMENT, No
from zrokd.errors import OverlayError


@pytest.fixture
def api(controller):
    web = Web([controller.url], make_context(controller.ca), timeout_s=5)
    login = lambda: ("method=password", {"username": "u", "password": "p"})  # noqa: E731
    yield Api(web, MANAGEMENT, login, words="log in differently", log=logging.getLogger("test"), patience_s=2.0)
    web.close()


def test_the_first_call_authenticates_and_later_ones_do_not(api, controller):
    for _ in range(3):
        assert api.call("GET", "/current-api-session") == {}
    assert controller.count("POST", "/authenticate") == 1
    assert api.generation == 1
    assert api.logged_in


def test_many_first_calls_authenticate_once(api, controller):
    asking = [gevent.spawn(api.call, "GET", "/current-api-session") for _ in range(10)]
    gevent.joinall(asking, timeout=10, raise_error=True)
    assert controller.count("POST", "/authenticate") == 1


def test_a_refused_session_is_made_again_once_for_all(api, controller):
    api.call("GET", "/current-api-session")
    controller.tokens.clear()
    asking = [gevent.spawn(api.call, "GET", "/current-api-session") for _ in range(10)]
    gevent.joinall(asking, timeout=10, raise_error=True)
    assert controller.count("POST", "/authenticate") == 2
    assert api.generation == 2


def test_who_was_slower_gets_the_token_of_who_was_faster(api, controller):
    first = api.token
    assert api.authenticate(seen=0) == first
    assert api.authenticate(seen=1) != first


def test_refused_credentials_are_told_in_the_words_for_the_person(api, controller):
    controller.knows_us = False
    with pytest.raises(Refused, match="log in differently") as caught:
        api.call("GET", "/current-api-session")
    assert caught.value.status == 401
    assert api.trouble == "log in differently"
    controller.knows_us = True
    api.call("GET", "/current-api-session")
    assert api.trouble == ""


def test_two_refusals_in_a_row_do_not_turn_round(api, controller):
    def never(asked):
        if asked.path.endswith("/current-api-session"):
            raise No(401, "UNAUTHORIZED")

    controller.faults.append(never)
    with pytest.raises(Refused, match="401"):
        api.call("GET", "/current-api-session")
    assert controller.count("POST", "/authenticate") == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_controller_is_asked_again(api, controller, status):
    left = [No(status), No(status)]

    def busy(asked):
        if asked.path.endswith("/current-api-session") and left:
            raise left.pop()

    controller.faults.append(busy)
    assert api.call("GET", "/current-api-session") == {}
    assert controller.count("GET", "/current-api-session") == 3


def test_one_that_stays_busy_is_told_after_the_patience(api, controller):
    api._patience_s = 0.3

    def busy(asked):
        if asked.path.endswith("/current-api-session"):
            raise No(503, "CLUSTER_NO_LEADER", message="no leader")

    controller.faults.append(busy)
    with pytest.raises(Refused, match="503 CLUSTER_NO_LEADER"):
        api.call("GET", "/current-api-session")


def test_pauses_grow_and_are_never_the_same_for_all():
    pauses = [next(each) for each in [module._pauses() for _ in range(20)]]
    assert len(set(pauses)) > 10
    endless = module._pauses()
    assert max(next(endless) for _ in range(30)) <= module._LONGEST_PAUSE_S


@pytest.mark.parametrize(
    ("status", "body", "absent", "taken"),
    [
        (404, {"error": {"code": "NOT_FOUND", "message": "m"}}, True, False),
        (400, {"error": {"code": "COULD_NOT_VALIDATE", "message": "m", "cause": {"field": "name"}}}, False, True),
        (400, {"error": {"code": "COULD_NOT_VALIDATE", "message": "m", "cause": {"field": "roles"}}}, False, False),
        (400, {"error": {"code": "COULD_NOT_VALIDATE", "message": "m", "cause": None}}, False, False),
        (409, {"error": {"code": "CAN_NOT_DELETE_REFERENCED_ENTITY", "message": "m"}}, False, False),
        (500, {"error": "?"}, False, False),
        (500, b"<html>", False, False),
        (500, b"[]", False, False),
    ],
)
def test_refusals_say_what_kind_they_are(api, controller, status, body, absent, taken):
    controller.faults.append(lambda asked: (status, body) if asked.path.endswith("/services") else None)
    with pytest.raises(Refused) as caught:
        api.call("GET", "/services")
    assert (caught.value.status, caught.value.absent, caught.value.taken) == (status, absent, taken)


@pytest.mark.parametrize("answer", [(200, b"[]"), (200, b"nonsense"), (302, b"{}")])
def test_answers_that_make_no_sense_are_told(api, controller, answer):
    controller.faults.append(lambda asked: answer if asked.path.endswith("/services") else None)
    with pytest.raises(OverlayError):
        api.call("GET", "/services")


@pytest.mark.parametrize("body", [{"data": {}}, {"data": None}, {}])
def test_a_login_without_a_session_is_told(api, controller, body):
    controller.faults.append(lambda asked: (200, body) if asked.path.endswith("/authenticate") else None)
    with pytest.raises(OverlayError, match="without an API session"):
        api.call("GET", "/services")


def test_queries_are_quoted(api, controller):
    api.call("GET", "/services", query={"filter": 'name="a&b=c d"', "limit": 5})
    assert controller.asked[-1].query == {"filter": 'name="a&b=c d"', "limit": "5"}


# -- one call for many ---


def test_many_who_want_the_same_share_one_call():
    single, calls, gate = Single(), [], gevent.event.Event()

    def work():
        calls.append(1)
        gate.wait(5)
        return "found"

    asking = [gevent.spawn(single.run, "key", work) for _ in range(5)]
    gevent.idle()
    gate.set()
    assert [each.get(timeout=5) for each in asking] == ["found"] * 5
    assert len(calls) == 1
    assert single.run("key", lambda: "new") == "new"


def test_all_of_them_get_its_error():
    single, gate = Single(), gevent.event.Event()

    def work():
        gate.wait(5)
        raise OverlayError("no")

    asking = [gevent.spawn(pytest.raises, OverlayError, single.run, "key", work) for _ in range(3)]
    gevent.idle()
    gate.set()
    gevent.joinall(asking, timeout=5, raise_error=True)


def test_when_the_one_who_calls_is_killed_another_calls():
    single, gate, calls = Single(), gevent.event.Event(), []

    def work():
        calls.append(1)
        gate.wait(5)
        return len(calls)

    first, second = gevent.spawn(single.run, "key", work), gevent.spawn(single.run, "key", work)
    gevent.idle()
    first.kill()
    gate.set()
    assert second.get(timeout=5) == 2


def test_a_found_nothing_is_an_answer():
    assert Single().run("key", lambda: None) is None
