import pytest

WRONG = {"code": 401, "message": "invalid api key"}
OWN, ALL = "/zrokd/tokens", "/zrokd/admin/tokens"


def test_a_token_is_made_listed_used_and_revoked_at_once(api, ann):
    made = api.ok("POST", OWN, token=ann, body={"name": "phone", "scope": "read", "expiresInS": 3600})
    secret = made.pop("token")
    assert made["expiresAt"] - made["createdAt"] == 3_600_000
    assert (made["name"], made["scope"], made["lastUsedAt"]) == ("phone", "read", 0)
    first, second = api.ok("GET", OWN, token=ann)
    assert (first["name"], first["scope"], first["expiresAt"]) == ("account", "account", 0)
    assert second == made
    assert api.ok("GET", "/share/names", token=secret) == []
    api.ok("DELETE", OWN, token=ann, body={"name": "phone"})
    assert api.raw("GET", "/share/names", token=secret).json == WRONG


def test_without_a_scope_it_is_for_sharing_and_does_not_end(api, ann):
    made = api.ok("POST", OWN, token=ann, body={"name": "phone"})
    assert (made["scope"], made["expiresAt"]) == ("share", 0)


def test_a_token_ends_by_itself(api, ann):
    secret = api.ok("POST", OWN, token=ann, body={"name": "phone", "expiresInS": 60})["token"]
    api.ok("GET", "/overview", token=secret)
    api.clock.ahead_s = 61
    assert api.raw("GET", "/overview", token=secret).json == WRONG


def test_a_secret_is_in_one_answer_only(api, ann, admin):
    secret = api.ok("POST", OWN, token=ann, body={"name": "phone"})["token"]
    for path, token in ((OWN, ann), (f"{ALL}?email=ann@example.com", admin), ("/overview", ann)):
        assert secret not in api.raw("GET", path, token=token).text


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {}, "name is missing"),
        (400, {"name": "a b"}, "not a name for a token"),
        (400, {"name": "login"}, "not to be had"),
        (400, {"name": "phone", "expiresInS": -1}, "ten years"),
        (400, {"name": "phone", "expiresInS": "1h"}, "expiresInS must be a whole number"),
        (400, {"name": "phone", "scope": "admin"}, "read, share or account"),
        (422, {"name": "phone", "scope": "root"}, "scope must be one of read, share, account, admin"),
        (409, {"name": "taken"}, "a token 'taken' already"),
    ],
)
def test_what_cannot_be_a_token_is_refused(api, ann, status, body, words):
    api.ok("POST", OWN, token=ann, body={"name": "taken"})
    before = api.everything()
    assert words in api.refused(status, "POST", OWN, token=ann, body=body)
    assert api.everything() == before


def test_a_token_that_is_not_there_cannot_be_revoked(api, ann, bob):
    api.ok("POST", OWN, token=bob, body={"name": "phone"})
    assert api.refused(404, "DELETE", OWN, token=ann, body={"name": "phone"}) == "no such token"


def test_the_operator_has_a_hand_on_every_accounts_tokens(api, ann, admin):
    asked = {"name": "phone", "email": "Ann@example.com", "scope": "read"}
    secret = api.ok("POST", ALL, token=admin, body=asked)["token"]
    assert api.ok("GET", "/share/names", token=secret) == []
    listed = api.ok("GET", ALL, token=admin, query={"email": "ann@example.com"})
    assert [(one["name"], one["scope"]) for one in listed] == [("account", "account"), ("phone", "read")]
    api.ok("DELETE", ALL, token=admin, body={"name": "phone", "email": "ann@example.com"})
    assert api.raw("GET", "/share/names", token=secret).status_code == 401


def test_the_operator_has_tokens_of_his_own(api, admin):
    secret = api.ok("POST", ALL, token=admin, body={"name": "deploy", "expiresInS": 60})["token"]
    assert api.ok("GET", "/zrokd/accounts", token=secret) == []
    (listed,) = api.ok("GET", ALL, token=secret)
    assert (listed["name"], listed["scope"]) == ("deploy", "admin")
    api.ok("DELETE", ALL, token=admin, body={"name": "deploy"})
    assert api.raw("GET", "/zrokd/accounts", token=secret).json == WRONG


def test_a_token_of_no_account_is_an_administrators_or_none(api, admin):
    assert "give an email" in api.refused(400, "POST", ALL, token=admin, body={"name": "x", "scope": "read"})
    asked = {"name": "x", "scope": "admin", "email": "ann@example.com"}
    assert api.refused(404, "POST", ALL, token=admin, body=asked) == "no such account"


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
def test_an_account_that_is_not_there_has_no_tokens(api, admin, method):
    email = {"email": "nobody@example.com"}
    body, query = (None, email) if method == "GET" else ({"name": "phone", **email}, None)
    assert api.refused(404, method, ALL, token=admin, body=body, query=query) == "no such account"


def test_no_account_makes_itself_an_administrator(api, ann):
    body = {"name": "root", "scope": "admin"}
    assert api.raw("POST", ALL, token=ann, body=body).json == WRONG
    api.refused(400, "POST", OWN, token=ann, body=body)
