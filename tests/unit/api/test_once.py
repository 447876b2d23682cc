"""Requests with an Idempotency-Key, as clients make them."""

import pytest

from zrokd.api import dispatch
from zrokd.api.app import OPERATIONS
from zrokd.api.call import EMPTY
from zrokd.api.once import heeds_key

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
HEEDING = {
    "/enable", "/share", "/access", "/share/name", "/invite/token/generate", "/account", "/namespace", "/frontend",
    "/identity", "/organization", "/organization/add", "/zrokd/tokens", "/zrokd/admin/tokens", "/zrokd/limit-class",
}  # fmt: skip


def test_keys_count_where_something_is_created():
    assert {one.path for one in OPERATIONS if heeds_key(one)} == HEEDING


def test_a_create_made_again_is_answered_as_before_and_done_once(api, ann):
    body = {"description": "desk", "host": "linux"}
    first, again = (api.raw("POST", "/enable", token=ann, body=body, headers=KEY) for _ in range(2))
    assert first.status_code == again.status_code == 201 and first.json == again.json
    assert first.headers["content-type"] == again.headers["content-type"]
    assert len(api.ok("GET", "/environments", token=ann)["environments"]) == 1


def test_an_answer_without_a_body_is_one_again(api, ann):
    body = {"namespaceToken": "public", "name": "blog"}
    answers = [api.raw("POST", "/share/name", token=ann, body=body, headers=KEY) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(201, b"")] * 2


def test_the_order_of_keys_in_a_body_does_not_matter_what_they_say_does(api, admin):
    first = api.raw(
        "POST", "/account", token=admin, headers=KEY, body={"email": "c@example.com", "password": "Xk7-q!zP"}
    )
    again = api.raw(
        "POST", "/account", token=admin, headers=KEY, body={"password": "Xk7-q!zP", "email": "c@example.com"}
    )
    assert first.status_code == again.status_code == 201 and first.json == again.json
    assert "Xk7-q!zP" not in str(api.everything()) and first.json["accountToken"] not in str(api.everything())
    other = api.raw(
        "POST", "/account", token=admin, headers=KEY, body={"email": "d@example.com", "password": "Xk7-q!zP"}
    )
    assert other.status_code == 422 and "another request before" in other.json
    elsewhere = api.raw("POST", "/organization", token=admin, headers=KEY, body={"description": "x"})
    assert elsewhere.status_code == 422


def test_a_key_is_its_callers_own(api, ann, bob):
    body = {"description": "desk", "host": "linux"}
    mine = api.raw("POST", "/enable", token=ann, body=body, headers=KEY).json
    assert api.raw("POST", "/enable", token=bob, body=body, headers=KEY).json["identity"] != mine["identity"]


def test_a_refused_request_is_carried_out_again(api, ann):
    body = {"namespaceToken": "soon", "name": "blog"}
    assert api.raw("POST", "/share/name", token=ann, body=body, headers=KEY).status_code == 404
    assert api.raw("POST", "/share/name", token=ann, body=body, headers=KEY).status_code == 404


class CutOff(Exception):
    """As a crash would, as far as who asked can tell."""


@pytest.fixture
def asked(api, ann, admin):
    """asked(path): who asks for what there, with all that it takes."""
    env = api.env(ann)
    private = api.share(ann, env, shareMode="private")
    organization = api.ok("POST", "/organization", token=admin, body={"description": "x"})["organizationToken"]
    z_id = api.ok("POST", "/identity", token=admin, body={"name": "west"})["identity"]
    share = {"envZId": env, "shareMode": "public", "backendMode": "proxy", "target": "http://127.0.0.1:1"}
    bodies = {
        "/enable": {"description": "desk", "host": "linux"},
        "/share": share | {"nameSelections": [{"namespaceToken": "public"}]},
        "/access": {"envZId": env, "shareToken": private},
        "/share/name": {"namespaceToken": "public", "name": "blog"},
        "/invite/token/generate": {"inviteTokens": ["an-invite-token-of-its-own"]},
        "/account": {"email": "c@example.com", "password": "Xk7-q!zP"},
        "/namespace": {"name": "other.example.com"},
        "/frontend": {"zId": z_id, "public_name": "west", "url_template": "https://{token}.west.example.com"},
        "/identity": {"name": "east"},
        "/organization": {"description": "y"},
        "/organization/add": {"organizationToken": organization, "email": "ann@example.com", "admin": True},
        "/zrokd/tokens": {"name": "phone", "scope": "read"},
        "/zrokd/admin/tokens": {"name": "desk"},
        "/zrokd/limit-class": {"label": "small", "shares": 3},
    }
    accounts = {"/enable", "/share", "/access", "/share/name", "/zrokd/tokens"}
    return lambda path: {"token": ann if path in accounts else admin, "body": bodies[path], "headers": KEY}


@pytest.mark.parametrize("path", sorted(HEEDING))
def test_what_was_made_before_a_crash_is_told_to_who_asks_again_and_not_made_twice(api, asked, monkeypatch, path):
    real, told = dispatch._carry_out, []

    def cut_off(operation, call):
        told.append(real(operation, call).document)
        raise CutOff

    question = asked(path)
    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "_carry_out", cut_off)
        assert api.raw("POST", path, **question).status_code == 500
    before = api.everything()
    again = api.raw("POST", path, **question)
    assert (again.status_code, api.everything()) == (201, before)
    assert (again.json if again.content else EMPTY) == told[0]


@pytest.mark.parametrize("field", ["", '"', "a b", "x" * 300])
def test_a_garbled_key_is_refused(api, ann, field):
    before = api.everything()
    answer = api.raw("POST", "/enable", token=ann, body={"host": "h"}, headers={"Idempotency-Key": field})
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json and api.everything() == before


def test_where_nothing_is_created_a_key_means_nothing(api, ann):
    assert api.raw("POST", "/sparklines", token=ann, body={}, headers={"Idempotency-Key": ""}).status_code == 200
