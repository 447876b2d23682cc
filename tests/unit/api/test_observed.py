"""What was seen to go wrong with zrok 2.0.4's controller does not here, each by its name.

Ends that visitors feel are in tests/flow/test_observed.py.
"""

import logging
import re

import pytest

from zrokd.api.app import OPERATIONS
from zrokd.api.call import Needs
from zrokd.model.naming import check_name, check_share_token, new_share_token

GOOD = "Correct-h0rse"
WRITES = [one for one in OPERATIONS if one.method in ("POST", "PATCH", "DELETE") and one.takes_body]
VOWELS_AND_THEIR_DIGITS = set("aeiou0134")  # what a filter reads as letters


def token_for(operation, ann):
    from tests.unit.api.conftest import ADMIN, EDGE

    return {Needs.ADMIN: ADMIN, Needs.FRONTEND: EDGE, Needs.NOBODY: None}.get(operation.needs, ann)


def name_of(operation):
    return f"{operation.method} {operation.path}"


# -- names and life cycles ---


def test_a_crashed_shares_name_is_given_back_to_the_same_account_and_environment_at_once(api, ann, bob):
    env, name = api.env(ann), {"namespaceToken": "public", "name": "blog"}
    api.ok("POST", "/share/name", token=ann, body=name)
    first = api.share(ann, env, nameSelections=[name])
    assert api.share(ann, env, nameSelections=[name]) == first
    other = {"envZId": api.env(ann), "shareMode": "public", "backendMode": "proxy", "nameSelections": [name]}
    assert "blog" in api.refused(409, "POST", "/share", token=ann, body=other)
    api.refused(409, "POST", "/share", token=bob, body=other | {"envZId": api.env(bob)})


def test_disable_leaves_neither_names_nor_mappings_behind(api, ann):
    env = api.env(ann)
    for _ in range(3):
        api.share(ann, env, nameSelections=[{"namespaceToken": "public"}])
    api.ok("POST", "/disable", token=ann, body={"identity": env})
    assert api.ok("GET", "/share/names", token=ann) == []
    assert api.ok("GET", "/overview", token=ann)["names"] == []


def test_generated_names_never_trip_the_filter_of_names(api, ann):
    for _ in range(500):
        token = new_share_token()
        assert not VOWELS_AND_THEIR_DIGITS & set(token), token
        check_share_token(token)
        check_name(token)
    env = api.env(ann)
    for _ in range(3):
        api.share(ann, env, nameSelections=[{"namespaceToken": "public"}])


def test_while_the_overlay_is_away_writes_say_so_and_when_to_come_back(api, ann):
    env = api.env(ann)
    share = {"envZId": env, "shareMode": "public", "backendMode": "proxy"}
    api.overlay.away = True
    for path, body in [("/enable", {"host": "h"}), ("/share", share), ("/disable", {"identity": env})]:
        answer = api.raw("POST", path, token=ann, body=body)
        assert (answer.status_code, bool(answer.json), "retry-after" in answer.headers) == (503, True, True), path
    api.ok("GET", "/overview", token=ann)


# -- no operation is carried out and then not answered ---


def test_an_accept_that_cannot_be_met_is_told_before_anything_is_done(api, ann):
    before = api.everything()
    for one in WRITES:
        token = token_for(one, ann)
        answer = api.raw(one.method, one.path, token=token, body={}, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.json["code"]) == (406, 406), name_of(one)
    assert api.everything() == before


def test_without_a_body_nothing_is_made(api, ann):
    before = api.everything()
    for one in WRITES:
        answer = api.raw(one.method, one.path, token=token_for(one, ann))
        assert (answer.status_code, answer.json) == (400, "a JSON body is missing"), name_of(one)
    assert api.everything() == before


def test_plain_json_is_read_and_another_type_is_told_with_415(api, ann):
    before = api.everything()
    plain = {"Accept": "application/json", "Content-Type": "application/json"}
    for one in WRITES:
        token = token_for(one, ann)
        read = api.raw(one.method, one.path, token=token, body=b"{", headers=plain)
        said = read.json if isinstance(read.json, str) else read.json["message"]
        assert (read.status_code, "not JSON" in said) == (400, True), name_of(one)
        answer = api.raw(one.method, one.path, token=token, body={}, headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.json["code"]) == (415, 415), name_of(one)
    assert api.everything() == before


def test_a_read_that_cannot_be_met_is_told_and_plain_json_can(api, ann):
    for one in [one for one in OPERATIONS if one.method == "GET"]:
        token, path = token_for(one, ann), re.sub(r"\{\w+\}", "1", one.path)
        answer = api.raw("GET", path, token=token, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.json["code"]) == (406, 406), path
        answer = api.raw("GET", path, token=token, headers={"Accept": "application/json"}, query={"wait_s": "0"})
        assert answer.status_code in (200, 401, 404, 422), path
        assert answer.content, path


def test_an_interstitial_grant_leaves_the_controller_answering(api, ann, admin):
    api.share(ann, api.env(ann))
    body = {"email": "ann@example.com"}
    api.ok("POST", "/skip-interstitial-grant", token=admin, body=body)
    assert api.ok("GET", "/skip-interstitial-grant", token=admin, query=body)["granted"]
    api.ok("DELETE", "/skip-interstitial-grant", token=admin, body=body)
    assert len(api.ok("GET", "/overview", token=ann)["environments"]) == 1


# -- 500 where the client erred ---

TWICE = [
    ("/account", {"email": "zoe@example.com", "password": GOOD}, 409),
    ("/invite/token/generate", {"inviteTokens": ["come-on-in"]}, 409),
    ("/namespace", {"token": "more", "name": "more.example.com"}, 409),
    ("/identity", {"name": "edge-two"}, 409),
]


@pytest.mark.parametrize(("path", "body", "status"), TWICE)
def test_what_is_there_already_is_a_conflict(api, admin, path, body, status):
    assert api.raw("POST", path, token=admin, body=body).status_code == 201
    assert api.refused(status, "POST", path, token=admin, body=body)


ERRORS = [
    ("GET", "/environments", {"query": {"shareCount": "many"}}, 400),
    ("GET", "/environments", {"query": {"hasShares": "maybe"}}, 422),
    ("POST", "/verify", {"body": {"registerToken": ""}}, 404),
]


@pytest.mark.parametrize(("method", "path", "sent", "status"), ERRORS)
def test_what_makes_no_sense_is_the_clients_error(api, ann, method, path, sent, status):
    assert api.refused(status, method, path, token=ann, **sent)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"authScheme": "whatever!"}, 422),
        ({"shareMode": None}, 400),
        ({"shareMode": "neither"}, 422),
        ({"permissionMode": "closed", "accessGrants": ["nobody"]}, 400),
        ({"oauthRefreshInterval": "soon"}, 400),
    ],
)
def test_a_share_that_makes_no_sense_is_refused_and_leaves_nothing_on_the_overlay(api, ann, changes, status):
    body = {"envZId": api.env(ann), "shareMode": "private", "backendMode": "proxy"} | changes
    before = api.everything()["share"]
    assert api.refused(status, "POST", "/share", token=ann, body=body)
    assert (api.overlay.shares, api.everything()["share"]) == (set(), before)


def test_an_empty_auth_scheme_is_none(api, ann):
    api.share(ann, api.env(ann), authScheme="")


def test_an_identity_that_is_gone_is_not_there(api, admin):
    z_id = api.ok("POST", "/identity", token=admin, body={"name": "extra"})["identity"]
    api.ok("DELETE", "/identity", token=admin, body={"zId": z_id})
    api.refused(404, "DELETE", "/identity", token=admin, body={"zId": z_id})


# -- accounts ---


def test_the_address_of_a_deleted_account_is_free_again(api, ann, admin):
    api.ok("DELETE", "/account", token=admin, body={"email": "ann@example.com"})
    api.ok("POST", "/account", token=admin, body={"email": "ann@example.com", "password": GOOD})


def test_nobody_changes_anothers_password_by_knowing_it(api, ann, admin):
    api.ok("POST", "/account", token=admin, body={"email": "zoe@example.com", "password": GOOD})
    body = {"email": "zoe@example.com", "oldPassword": GOOD, "newPassword": "Better-h0rse"}
    assert api.raw("POST", "/changePassword", token=ann, body=body).status_code == 401
    api.ok("POST", "/login", body={"email": "zoe@example.com", "password": GOOD})


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_administrators_set_good_passwords_only(api, ann, admin, method):
    email = "zoe@example.com" if method == "POST" else "ann@example.com"
    assert api.refused(422, method, "/account", token=admin, body={"email": email, "password": "x"})


@pytest.mark.parametrize("email", ["x", "@", "a b@example.com", "zoe@"])
def test_not_every_text_is_an_address(api, admin, email):
    assert api.refused(400, "POST", "/account", token=admin, body={"email": email, "password": GOOD})


def test_nobody_is_twice_in_an_organization(api, ann, admin):
    club = api.ok("POST", "/organization", token=admin, body={})["organizationToken"]
    for is_admin in (False, True):
        member = {"organizationToken": club, "email": "ann@example.com", "admin": is_admin}
        api.ok("POST", "/organization/add", token=admin, body=member)
    told = api.ok("POST", "/organization/list", token=admin, body={"organizationToken": club})["members"]
    assert told == [{"email": "ann@example.com", "admin": True}]


@pytest.mark.parametrize("name", ["-blog", "blog-", "-"])
def test_no_name_begins_or_ends_with_a_hyphen(api, ann, name):
    api.refused(409, "POST", "/share/name", token=ann, body={"namespaceToken": "public", "name": name})


def test_nobody_learns_from_grants_who_has_an_account(api, ann, bob):
    share = api.share(ann, api.env(ann), shareMode="private", permissionMode="closed", accessGrants=["x@example.com"])
    for body in ({"addAccessGrants": ["y@example.com"]}, {"removeAccessGrants": ["z@example.com"]}):
        told = api.raw("PATCH", "/share", token=ann, body={"shareToken": share, **body})
        same = {key: ["bob@example.com"] for key in body}
        known = api.raw("PATCH", "/share", token=ann, body={"shareToken": share, **same})
        assert (told.status_code, told.content) == (known.status_code, known.content) == (200, b"")


# -- lists ---


def test_a_list_of_accesses_tells_their_modes(api, ann):
    env = api.env(ann)
    api.access(ann, env, api.share(ann, env, shareMode="private", backendMode="tcpTunnel"))
    (told,) = api.ok("GET", "/accesses", token=ann)["accesses"]
    assert told["backendMode"] == "tcpTunnel"


def test_a_filter_that_nothing_fits_lists_nothing(api, ann):
    api.share(ann, api.env(ann))
    assert api.ok("GET", "/shares", token=ann, query={"shareMode": "neither"})["shares"] == []


def test_what_was_deleted_or_taken_back_is_not_shown_any_more(api, ann, admin):
    env = api.env(ann)
    access = api.access(ann, env, api.share(ann, env, shareMode="private"))
    (told,) = api.ok("GET", "/accesses", token=ann)["accesses"]
    api.ok("DELETE", "/unaccess", token=ann, body={"envZId": env, "frontendToken": access})
    api.refused(404, "GET", f"/detail/frontend/{told['id']}", token=ann)
    grant = {"namespaceToken": "closed", "email": "ann@example.com"}
    api.ok("POST", "/namespace", token=admin, body={"token": "closed", "name": "closed.example.com"})
    api.ok("POST", "/namespace/grant", token=admin, body=grant)
    assert len(api.ok("GET", "/share/namespaces", token=ann)) == 2
    api.ok("DELETE", "/namespace/grant", token=admin, body=grant)
    assert [one["namespaceToken"] for one in api.ok("GET", "/share/namespaces", token=ann)] == ["public"]


# -- secrets ---


def test_no_token_is_in_the_log(api, ann, caplog):
    caplog.set_level(logging.DEBUG)
    api.open_up(invites="open")
    void, mistyped = ann, "canary-mistyped-token"
    fresh = api.ok("POST", "/regenerateAccountToken", token=ann, body={"emailAddress": "ann@example.com"})
    for token in (void, mistyped):
        api.refused(401, "GET", "/overview", token=token)
    api.ok("POST", "/invite", body={"email": "new@example.com"})
    for path in ("/verify", "/register"):
        api.refused(404, "POST", path, body={"registerToken": "canary-register", "password": GOOD})
    for secret in (void, mistyped, fresh["accountToken"], "canary-register", GOOD):
        assert secret not in caplog.text
