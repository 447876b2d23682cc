import pytest

BLOG = {"namespaceToken": "public", "name": "blog"}


def test_a_name_is_reserved_once(api, ann, bob):
    answer = api.raw("POST", "/share/name", token=ann, body=BLOG)
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["content-type"] == "none/none"
    for token in (ann, bob):
        assert api.refused(409, "POST", "/share/name", token=token, body=BLOG)


def test_names_are_listed_with_seconds(api, ann):
    api.ok("POST", "/share/name", token=ann, body=BLOG)
    (name,) = api.ok("GET", "/share/names", token=ann)
    assert 1_700_000_000 < name.pop("createdAt") < 10_000_000_000
    assert name == BLOG | {"namespaceName": "example.com", "shareToken": "", "reserved": True}
    assert api.ok("GET", "/share/names/public", token=ann)[0]["name"] == "blog"


def test_a_name_is_given_back(api, ann, bob):
    api.ok("POST", "/share/name", token=ann, body=BLOG)
    answer = api.raw("DELETE", "/share/name", token=ann, body=BLOG)
    assert (answer.status_code, answer.content) == (200, b"")
    api.ok("POST", "/share/name", token=bob, body=BLOG)


def test_a_name_in_use_stays(api, ann):
    api.ok("POST", "/share/name", token=ann, body=BLOG)
    api.share(ann, api.env(ann), nameSelections=[BLOG])
    assert "in use" in api.refused(409, "DELETE", "/share/name", token=ann, body=BLOG)
    assert api.ok("GET", "/share/names", token=ann)[0]["shareToken"]


def test_a_name_that_is_not_reserved_any_more_ends_with_its_share(api, ann):
    api.ok("POST", "/share/name", token=ann, body=BLOG)
    env = api.env(ann)
    share = api.share(ann, env, nameSelections=[BLOG])
    api.ok("PATCH", "/share/name", token=ann, body=BLOG)  # zrok's client leaves `false` out
    api.ok("DELETE", "/unshare", token=ann, body={"envZId": env, "shareToken": share})
    assert api.ok("GET", "/share/names", token=ann) == []


def test_a_name_stays_reserved_when_asked_again(api, ann):
    api.ok("POST", "/share/name", token=ann, body=BLOG)
    api.ok("PATCH", "/share/name", token=ann, body=BLOG | {"reserved": True})
    assert api.ok("GET", "/share/names", token=ann)[0]["reserved"]


def test_open_and_granted_namespaces_are_listed(api, ann, admin):
    api.ok("POST", "/namespace", token=admin, body={"token": "vip", "name": "vip.example.com"})
    assert api.ok("GET", "/share/namespaces", token=ann) == [
        {"namespaceToken": "public", "name": "example.com", "description": ""}
    ]
    api.ok("POST", "/namespace/grant", token=admin, body={"namespaceToken": "vip", "email": "ann@example.com"})
    assert {found["namespaceToken"] for found in api.ok("GET", "/share/namespaces", token=ann)} == {"public", "vip"}


@pytest.mark.parametrize(
    ("status", "method", "changes", "sentence"),
    [
        (404, "POST", {"namespaceToken": "nowhere"}, "no namespace"),
        (409, "POST", {"name": "ab"}, "not a valid name"),
        (409, "POST", {"name": "Ärger"}, "not a valid name"),
        (409, "POST", {"name": "-abc"}, "not a valid name"),
        (409, "POST", {"name": "a" * 64}, "not a valid name"),
        (400, "POST", {"name": ""}, "name is missing"),
        (400, "POST", {"name": ["blog"]}, "name must be a text"),
        (404, "PATCH", {"name": "other"}, "no such name"),
        (400, "PATCH", {"reserved": "yes"}, "reserved must be true or false"),
        (404, "DELETE", {"name": "other"}, "no such name"),
        (404, "DELETE", {"namespaceToken": "nowhere"}, "no such name"),
        (400, "DELETE", {"namespaceToken": None}, "namespaceToken is missing"),
    ],
)
def test_garbled_requests_and_strange_names_are_refused(api, ann, status, method, changes, sentence):
    before = api.everything()
    assert sentence in api.refused(status, method, "/share/name", token=ann, body=BLOG | changes)
    assert api.everything() == before


def test_names_of_an_unknown_namespace_are_not_found(api, ann):
    assert "no namespace" in api.refused(404, "GET", "/share/names/nowhere", token=ann)
