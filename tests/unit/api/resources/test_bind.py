"""Backends tell how their shares stand, and their account is told."""

import pytest


@pytest.fixture
def env(api, ann):
    return api.env(ann)


def tell(api, ann, env, *binds, **more):
    body = {"envZId": env, "backend": "b1", "binds": list(binds), **more}
    return api.ok("POST", "/zrokd/binds", token=ann, body=body)


def test_what_a_backend_tells_is_what_its_account_is_told(api, ann, env):
    share = api.share(ann, env)
    assert api.ok("GET", "/zrokd/binds", token=ann)[0]["state"] == "unknown"
    assert tell(api, ann, env) == {"again": True}
    bind = {"shareToken": share, "ends": 2, "sinceS": 60, "provenS": 3}
    assert tell(api, ann, env, bind, whole=True, provenS=3) == {"again": False}
    (told,) = api.ok("GET", "/zrokd/binds", token=ann)
    assert (told["shareToken"], told["envZId"], told["state"], told["ends"]) == (share, env, "bound", 2)
    assert told["provenAt"] - told["since"] == pytest.approx(57_000, abs=50)
    assert api.ok("GET", f"/zrokd/shares/{share}", token=ann)["bind"] == told


def test_a_broken_bind_says_why(api, ann, env):
    share = api.share(ann, env)
    tell(api, ann, env, {"shareToken": share, "why": "the router is away", "sinceS": 5}, whole=True)
    (told,) = api.ok("GET", "/zrokd/binds", token=ann)
    assert (told["state"], told["why"], told["ends"]) == ("broken", "the router is away", 0)


def test_zroks_own_answers_stay_as_they_are(api, ann, env):
    share = api.share(ann, env)
    tell(api, ann, env, {"shareToken": share}, whole=True)
    assert "bind" not in api.ok("GET", f"/detail/share/{share}", token=ann)


def test_garbled_reports_are_refused(api, ann, env):
    api.refused(400, "POST", "/zrokd/binds", token=ann, body={"envZId": env, "backend": "b", "binds": 3})
    api.refused(404, "POST", "/zrokd/binds", token=ann, body={"envZId": "z99", "backend": "b", "whole": True})
