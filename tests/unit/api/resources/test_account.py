import pytest

ZOE = {"email": "zoe@example.com", "password": "Correct-h0rse"}


def test_an_account_is_made_and_its_token_works(api, admin):
    answer = api.raw("POST", "/account", token=admin, body=ZOE)
    assert answer.status_code == 201
    assert set(answer.json) == {"accountToken"}
    assert api.ok("GET", "/overview", token=answer.json["accountToken"])["environments"] == []


def test_accounts_are_listed(api, admin, ann):
    api.ok("POST", "/account", token=admin, body={"email": "Zoe@Example.com"})
    assert api.ok("GET", "/zrokd/accounts", token=admin) == [
        {"email": "ann@example.com", "limitless": False},
        {"email": "zoe@example.com", "limitless": False},
    ]


def test_an_address_has_one_account(api, admin):
    api.ok("POST", "/account", token=admin, body=ZOE)
    assert api.refused(409, "POST", "/account", token=admin, body=ZOE | {"email": "ZOE@example.com "})


def test_a_deleted_accounts_token_and_things_are_gone(api, admin, ann):
    share = api.share(ann, api.env(ann))
    answer = api.raw("DELETE", "/account", token=admin, body={"email": "ann@example.com"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert api.refused(401, "GET", "/overview", token=ann) == "invalid api key"
    assert share not in api.overlay.shares
    api.refused(404, "DELETE", "/account", token=admin, body={"email": "ann@example.com"})


def test_an_account_gives_itself_a_new_token(api, ann):
    fresh = api.ok("POST", "/regenerateAccountToken", token=ann, body={"emailAddress": "Ann@example.com"})
    api.ok("GET", "/overview", token=fresh["accountToken"])
    api.refused(401, "GET", "/overview", token=ann)


def test_an_account_gives_nobody_else_a_new_token(api, ann, bob):
    before = api.everything()
    api.refused(404, "POST", "/regenerateAccountToken", token=bob, body={"emailAddress": "ann@example.com"})
    assert api.everything() == before


def test_the_operator_gives_any_account_a_new_token(api, admin, ann):
    fresh = api.ok("POST", "/zrokd/accounts/token", token=admin, body={"email": "ANN@example.com"})
    api.ok("GET", "/overview", token=fresh["accountToken"])
    api.refused(401, "GET", "/overview", token=ann)
    api.refused(404, "POST", "/zrokd/accounts/token", token=admin, body={"email": "nobody@example.com"})


@pytest.mark.parametrize("password", ["x", "Sh0rt!", "no-capital-1", "No-digit-here", "N0specialone", "Aa1!" * 300])
def test_a_password_that_is_easy_to_guess_is_refused_for_new_accounts_and_old_ones(api, admin, password):
    before = api.everything()
    assert "a password has" in api.refused(422, "POST", "/account", token=admin, body=ZOE | {"password": password})
    assert api.everything() == before
    api.ok("POST", "/account", token=admin, body=ZOE)
    before = api.everything()
    answer = api.raw("PATCH", "/account", token=admin, body=ZOE | {"password": password})
    assert (answer.status_code, type(answer.json)) == (422, str)
    assert api.everything() == before


def test_the_operator_changes_a_password(api, admin):
    api.ok("POST", "/account", token=admin, body=ZOE)
    changed = {"email": "ZOE@example.com", "password": "Another-h0rse"}
    assert api.ok("PATCH", "/account", token=admin, body=changed) is None
    api.ok("POST", "/login", body=ZOE | changed)
    api.refused(401, "POST", "/login", body=ZOE)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "zoe@example.com"},
        {"password": "Correct-h0rse"},
        {"email": "nobody@example.com", "password": "Correct-h0rse"},
    ],
)
def test_without_account_or_password_nothing_is_changed(api, admin, body):
    api.refused(404, "PATCH", "/account", token=admin, body=body)


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("POST", "/account", {}, "email is missing"),
        ("POST", "/account", {"email": "not an address"}, "not an e-mail address"),
        ("POST", "/account", {"email": "a@b\r\nc"}, "e-mail address"),
        ("POST", "/account", {"email": "a@b.example", "password": 1}, "password must be a text"),
        ("PATCH", "/account", {"email": 1, "password": "Correct-h0rse"}, "email must be a text"),
        ("DELETE", "/account", {"email": 1}, "email must be a text"),
        ("DELETE", "/account", {"email": "x"}, "not an e-mail address"),
        ("POST", "/zrokd/accounts/token", {}, "email is missing"),
    ],
)
def test_garbled_requests_are_refused(api, admin, method, path, body, sentence):
    before = api.everything()
    assert sentence in api.refused(400, method, path, token=admin, body=body)
    assert api.everything() == before


def test_an_account_cannot_be_made_an_administrator_by_what_it_says(api, admin):
    token = api.ok("POST", "/account", token=admin, body=ZOE | {"admin": True, "limitless": True})["accountToken"]
    api.refused(401, "GET", "/zrokd/accounts", token=token)
    assert api.ok("GET", "/zrokd/accounts", token=admin)[0]["limitless"] is False
