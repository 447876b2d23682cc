import pytest


@pytest.fixture
def world(api, ann, bob):
    """Ann's private share and an environment of Bob's."""
    env = api.env(ann)
    token = api.share(ann, env, shareMode="private", backendMode="udpTunnel")
    return {"envZId": api.env(bob), "shareToken": token}


def test_an_access_tells_its_token_and_the_mode(api, bob, world):
    answer = api.raw("POST", "/access", token=bob, body=world | {"bindAddress": "127.0.0.1:9191"})
    assert answer.status_code == 201
    assert answer.json["backendMode"] == "udpTunnel"
    assert len(answer.json["frontendToken"]) == 12


def test_both_texts_are_replaced(api, bob, world):
    token = api.ok("POST", "/access", token=bob, body=world | {"description": "old"})["frontendToken"]
    answer = api.raw("PATCH", "/access", token=bob, body={"frontendToken": token, "bindAddress": "127.0.0.1:8081"})
    assert (answer.status_code, answer.content) == (200, b"")
    (resources,) = api.ok("GET", "/overview", token=bob)["environments"]
    assert resources["frontends"][0]["bindAddress"] == "127.0.0.1:8081"
    assert resources["frontends"][0]["description"] == ""


def test_unaccess_ends_it(api, bob, world):
    token = api.access(bob, world["envZId"], world["shareToken"])
    gone = world | {"frontendToken": token}
    answer = api.raw("DELETE", "/unaccess", token=bob, body=gone)
    assert (answer.status_code, answer.content) == (200, b"")
    assert api.refused(404, "DELETE", "/unaccess", token=bob, body=gone) == "no such access"


def test_an_access_is_ended_in_its_own_environment_only(api, bob, world):
    token = api.access(bob, world["envZId"], world["shareToken"])
    other = api.env(bob)
    api.refused(404, "DELETE", "/unaccess", token=bob, body={"envZId": other, "frontendToken": token})


@pytest.mark.parametrize(
    ("status", "method", "path", "changes", "sentence"),
    [
        (404, "POST", "/access", {"envZId": "nobody"}, "no such environment"),
        (404, "POST", "/access", {"shareToken": "nothing"}, "no such share"),
        (400, "POST", "/access", {"shareToken": ""}, "shareToken is missing"),
        (400, "POST", "/access", {"bindAddress": 1}, "bindAddress must be a text"),
        (400, "POST", "/access", {"bindAddress": "a\x1bb"}, "cannot be printed"),
        (404, "PATCH", "/access", {"frontendToken": "nothing"}, "no such access"),
        (400, "PATCH", "/access", {}, "frontendToken is missing"),
        (404, "DELETE", "/unaccess", {"frontendToken": "nothing"}, "no such access"),
        (404, "DELETE", "/unaccess", {"frontendToken": "x", "envZId": "nobody"}, "no such environment"),
        (400, "DELETE", "/unaccess", {}, "frontendToken is missing"),
    ],
)
def test_garbled_requests_and_strangers_are_refused(api, bob, world, status, method, path, changes, sentence):
    before = api.everything()
    assert sentence in api.refused(status, method, path, token=bob, body=world | changes)
    assert api.everything() == before


def test_an_overlay_that_is_away_is_503(api, bob, world):
    api.overlay.away = True
    api.refused(503, "POST", "/access", token=bob, body=world)
