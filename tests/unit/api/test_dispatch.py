import logging
from dataclasses import replace

import pytest

from zrokd.errors import Denied, StoreError
from zrokd.model.account import Principal

MEDIA_TYPE = "application/zrok.v1+json"
NO_CREDENTIALS = {"code": 401, "message": "unauthenticated for invalid credentials"}
WRONG_CREDENTIALS = {"code": 401, "message": "invalid api key"}


@pytest.mark.parametrize("header", ["X-Token", "x-token", "X-TOKEN"])
def test_the_token_is_taken_from_its_header(api, ann, header):
    assert api.ok("GET", "/share/names", headers={header: ann}) == []


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_or_as_a_bearer(api, ann, scheme):
    assert api.ok("GET", "/share/names", headers={"Authorization": scheme + ann}) == []


def test_the_header_of_zrok_counts_where_both_are_sent(api, ann):
    api.ok("GET", "/overview", token=ann, headers={"Authorization": "Bearer wrong"})
    api.refused(401, "GET", "/overview", token="wrong", headers={"Authorization": f"Bearer {ann}"})


@pytest.mark.parametrize(
    "how",
    [
        {"query": {"x-token": "TOKEN", "token": "TOKEN"}},
        {"headers": {"Authorization": "TOKEN"}},
        {"headers": {"Authorization": "Basic TOKEN"}},
        {"headers": {"Authorization": "BearerTOKEN"}},
        {"headers": {"Referer": "http://a/?x-token=TOKEN"}},
        {"headers": {"Cookie": "x-token=TOKEN"}},
    ],
)
def test_a_token_is_taken_from_nowhere_else(api, ann, how):
    how = {key: {k: v.replace("TOKEN", ann) for k, v in values.items()} for key, values in how.items()}
    assert api.raw("GET", "/overview", **how).json == NO_CREDENTIALS


def test_without_a_token_the_answer_is_zroks(api):
    answer = api.raw("GET", "/overview")
    assert (answer.status_code, answer.json) == (401, NO_CREDENTIALS)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("token", ["wrong", "ünknown", "' or 1=1 --", "x" * 5000])
def test_with_a_wrong_token_the_answer_is_zroks(api, token):
    answer = api.raw("GET", "/overview", token=token)
    assert (answer.status_code, answer.json) == (401, WRONG_CREDENTIALS)


def test_a_token_of_the_wrong_kind_is_as_good_as_a_wrong_one(api, ann, edge, admin):
    for path, wrong in [
        ("/overview", [edge, admin]),
        ("/zrokd/accounts", [ann, edge]),
        ("/zrokd/mappings", [ann, admin]),
    ]:
        for token in wrong:
            assert api.raw("GET", path, token=token).json == WRONG_CREDENTIALS, (path, token)


def test_a_store_that_is_away_is_no_wrong_token(api, ann):
    def away(credentials):
        raise StoreError("the database is locked")

    api.authenticate = away
    assert api.refused(503, "GET", "/overview", token=ann) == "the database is locked"


def test_a_token_that_is_void_is_refused_from_the_next_request_on(api, ann):
    fresh = api.ok("POST", "/regenerateAccountToken", token=ann, body={"emailAddress": "ann@example.com"})
    assert api.raw("GET", "/overview", token=ann).json == WRONG_CREDENTIALS
    api.ok("GET", "/overview", token=fresh["accountToken"])


def test_answers_have_zroks_media_type_and_empty_ones_have_none(api, ann):
    full = api.raw("GET", "/overview", token=ann)
    empty = api.raw("POST", "/clientVersionCheck", body={"clientVersion": "v2.0.4"})
    assert full.headers["content-type"] == MEDIA_TYPE
    assert empty.content == b""
    assert empty.headers["content-type"] == "none/none"  # see _typed


@pytest.mark.parametrize("accept", [None, "*/*", "application/json, application/zrok.v1+json"])
def test_every_usual_accept_is_served(api, ann, accept):
    assert api.raw("GET", "/overview", token=ann, headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "text/html"}, 406),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": None}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_media_types_are_settled_before_anything_is_carried_out(api, ann, headers, status, known):
    before = api.everything()
    answer = api.raw("POST", "/enable", token=ann if known else "wrong", body={"host": "h"}, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (status, status)
    assert answer.headers["content-type"] == "application/json"
    assert api.everything() == before


def test_plain_json_is_read_too(api, ann):
    headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
    assert api.ok("POST", "/enable", token=ann, body={}, headers=headers)["identity"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (None, "a JSON body is missing"),
        (b"{", "not JSON"),
        (b'{"host": "a", "host": "b"}', "stands twice"),
        (b"[]", "must be a JSON object"),
        (b'{"host": NaN}', "NaN"),
        (b'{"host": "\\ud800"}', "host is not Unicode"),
    ],
)
def test_garbled_bodies_are_400_and_change_nothing(api, ann, body, sentence):
    before = api.everything()
    assert sentence in api.refused(400, "POST", "/enable", token=ann, body=body)
    assert api.everything() == before


def test_credentials_come_before_the_body(api):
    assert api.raw("POST", "/enable", token="wrong", body=b"{").json == WRONG_CREDENTIALS


def test_a_slash_at_the_end_changes_nothing(api, ann):
    assert api.ok("GET", "/share/names/", token=ann) == []


def test_of_a_doubled_query_the_first_counts(api, edge):
    assert api.ok("GET", "/zrokd/mappings?wait_s=0&wait_s=9&since=0", token=edge)["full"]


def test_the_principals_address_is_the_connections(api, ann):
    api.ok("POST", "/enable", token=ann, body={}, headers={"X-Forwarded-For": "6.6.6.6"})
    (resources,) = api.ok("GET", "/overview", token=ann)["environments"]
    assert resources["environment"]["address"] == "127.0.0.1"


def test_behind_a_proxy_the_controller_may_say_who_asks(api, ann):
    api.settings = replace(api.settings, client_address=lambda peer, forwarded_for: f"{forwarded_for} by {peer}")
    api.ok("POST", "/enable", token=ann, body={}, headers={"X-Forwarded-For": "6.6.6.6"})
    (resources,) = api.ok("GET", "/overview", token=ann)["environments"]
    assert resources["environment"]["address"] == "6.6.6.6 by 127.0.0.1"


def test_no_secret_of_a_request_is_logged(api, ann, caplog):
    def broken(credentials):
        raise RuntimeError("the authenticator fell over")

    with caplog.at_level(logging.DEBUG):
        env = api.env(ann)
        users = [{"username": "u", "password": "canary-password"}]
        body = {
            "envZId": env,
            "shareMode": "public",
            "backendMode": "proxy",
            "authScheme": "basic",
            "basicAuthUsers": users,
        }
        api.ok("POST", "/share", token=ann, body=body)
        api.raw("GET", "/overview", token="canary-wrong-token")
        api.ok("GET", "/zrokd/accounts", token="canary-admin-secret")
        api.ok(
            "POST", "/account", token="canary-admin-secret", body={"email": "c@d.example", "password": "Canary-w0rd"}
        )
        api.overlay.away = True
        api.raw("POST", "/enable", token=ann, body={})
        api.authenticate = broken
        api.raw("GET", "/overview", token="canary-other-token")
    assert ann not in caplog.text
    assert "anary" not in caplog.text
    assert "the overlay is away" in caplog.text


def test_no_secret_is_stored_in_clear(api, ann):
    env = api.env(ann)
    users = [{"username": "u", "password": "canary-password"}]
    api.share(ann, env, authScheme="basic", basicAuthUsers=users)
    api.ok("POST", "/account", token="canary-admin-secret", body={"email": "c@d.example", "password": "Canary-w0rd"})
    stored = repr(api.everything())
    assert ann not in stored
    assert "anary" not in stored


def test_a_plugins_refusal_is_told_in_its_words(api, ann):
    from zrokd.model.limits import Refusal

    api.hooks.refusal = Refusal(reason="not on Sundays", plugin="calendar")
    assert api.refused(401, "POST", "/enable", token=ann, body={}) == "not on Sundays"


def test_an_authenticator_that_denies_is_a_wrong_token(api):
    from zrokd_plugins.role_controller.identify import Identifier

    class Denying:
        name = "denying"

        def authenticate(self, credentials, directory):
            raise Denied("I know this one, and no")

    class Generous:
        name = "generous"

        def authenticate(self, credentials, directory):
            return Principal(admin=True)

    api.authenticate = Identifier(lambda: [Denying(), Generous()], None, logging.getLogger("test"))
    assert api.raw("GET", "/zrokd/accounts", token="x").json == WRONG_CREDENTIALS
