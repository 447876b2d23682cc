import pytest

VIP = {"token": "vip", "name": "vip.example.com", "description": "for few"}


def listed(api, admin):
    return {found["namespaceToken"]: found for found in api.ok("GET", "/namespaces", token=admin)}


def test_a_namespace_is_made(api, admin):
    answer = api.raw("POST", "/namespace", token=admin, body=VIP)
    assert (answer.status_code, answer.json) == (201, {"namespaceToken": "vip"})
    found = listed(api, admin)["vip"]
    assert 1_700_000_000 < found["createdAt"] < 10_000_000_000
    assert (found["name"], found["description"], found["open"]) == ("vip.example.com", "for few", False)


def test_without_a_token_one_is_made(api, admin):
    made = api.ok("POST", "/namespace", token=admin, body={"name": "other.example.com", "open": True})
    assert len(made["namespaceToken"]) == 12
    assert listed(api, admin)[made["namespaceToken"]]["open"]


@pytest.mark.parametrize("again", [VIP, VIP | {"name": "new.example.com"}, VIP | {"token": "new"}])
def test_token_and_zone_are_taken_once(api, admin, again):
    api.ok("POST", "/namespace", token=admin, body=VIP)
    api.refused(409, "POST", "/namespace", token=admin, body=again)


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"description": "for all"}, "description", "for all"),
        ({"description": ""}, "description", "for few"),
        ({"name": "new.example.com"}, "name", "new.example.com"),
        ({"open": True}, "open", False),
        ({"open": True, "openSet": True}, "open", True),
    ],
)
def test_what_is_given_is_changed(api, admin, changes, field, expected):
    api.ok("POST", "/namespace", token=admin, body=VIP)
    answer = api.raw("PATCH", "/namespace", token=admin, body={"namespaceToken": "vip", **changes})
    assert (answer.status_code, answer.content) == (200, b"")
    assert listed(api, admin)["vip"][field] == expected


def test_a_namespace_is_deleted_unless_shares_use_it(api, admin, ann):
    env = api.env(ann)
    share = api.share(ann, env)
    assert "end them first" in api.refused(409, "DELETE", "/namespace", token=admin, body={"namespaceToken": "public"})
    api.ok("DELETE", "/unshare", token=ann, body={"envZId": env, "shareToken": share})
    api.ok("DELETE", "/namespace", token=admin, body={"namespaceToken": "public"})
    assert listed(api, admin) == {}


def test_grants_open_a_closed_namespace_to_one_account(api, admin, ann, bob):
    api.ok("POST", "/namespace", token=admin, body=VIP)
    wish = {"namespaceToken": "vip", "name": "blog"}
    grant = {"namespaceToken": "vip", "email": "ann@example.com"}
    api.refused(404, "POST", "/share/name", token=ann, body=wish)
    for _ in range(2):
        api.ok("POST", "/namespace/grant", token=admin, body=grant)
    api.ok("POST", "/share/name", token=ann, body=wish)
    api.refused(404, "POST", "/share/name", token=bob, body=wish | {"name": "other"})
    for _ in range(2):
        api.ok("DELETE", "/namespace/grant", token=admin, body=grant)
    api.refused(404, "POST", "/share/name", token=ann, body=wish | {"name": "third"})


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "sentence"),
    [
        (400, "POST", "/namespace", {}, "name is missing"),
        (400, "POST", "/namespace", {"name": "Not A Zone"}, "not a DNS zone"),
        (400, "POST", "/namespace", {"name": "a.example", "token": "a b"}, "not a valid namespace"),
        (400, "POST", "/namespace", {"name": "a.example", "open": "yes"}, "open must be true or false"),
        (404, "PATCH", "/namespace", {"namespaceToken": "nowhere"}, "no namespace"),
        (400, "PATCH", "/namespace", {"namespaceToken": "public", "openSet": 1}, "openSet must be"),
        (404, "DELETE", "/namespace", {"namespaceToken": "nowhere"}, "no namespace"),
        (404, "POST", "/namespace/grant", {"namespaceToken": "public", "email": "no@one.example"}, "no account"),
        (404, "DELETE", "/namespace/grant", {"namespaceToken": "nowhere", "email": "no@one.example"}, "no account"),
        (400, "POST", "/namespace/grant", {"namespaceToken": "public"}, "email is missing"),
    ],
)
def test_garbled_requests_are_refused(api, admin, status, method, path, body, sentence):
    before = api.everything()
    assert sentence in api.refused(status, method, path, token=admin, body=body)
    assert api.everything() == before
