import json

import pytest


def test_enable_gives_an_identity_whose_document_is_a_text(api, ann):
    answer = api.raw("POST", "/enable", token=ann, body={"description": "ann@web1", "host": "linux"})
    assert answer.status_code == 201
    assert set(answer.json) == {"identity", "cfg"}
    assert json.loads(answer.json["cfg"]) == {"id": {"key": "canary-identity-key"}}


def test_what_was_enabled_stands_in_the_overview(api, ann):
    api.ok("POST", "/enable", token=ann, body={"description": "ann@web1", "host": "linux"})
    (resources,) = api.ok("GET", "/overview", token=ann)["environments"]
    assert resources["environment"]["description"] == "ann@web1"
    assert resources["environment"]["host"] == "linux"
    assert resources["shares"] == resources["frontends"] == []


def test_disable_takes_all_of_it_away(api, ann):
    env = api.env(ann)
    share = api.share(ann, env)
    api.access(ann, env, share)
    answer = api.raw("POST", "/disable", token=ann, body={"identity": env})
    assert (answer.status_code, answer.content) == (200, b"")
    assert api.ok("GET", "/overview", token=ann)["environments"] == []
    assert api.overlay.shares == set()


@pytest.mark.parametrize("identity", ["nobody", "z1", "../z1", "%", "z1.-x' or 1=1"])
def test_an_environment_that_is_not_there_is_not_found(api, ann, identity):
    assert api.refused(404, "POST", "/disable", token=ann, body={"identity": identity}) == "no such environment"


def test_disabling_twice_says_not_found(api, ann):
    env = api.env(ann)
    api.ok("POST", "/disable", token=ann, body={"identity": env})
    api.refused(404, "POST", "/disable", token=ann, body={"identity": env})


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/enable", {"host": 5}, "host must be a text"),
        ("/enable", {"description": "x" * 5000}, "description is too long"),
        ("/enable", {"description": "a\nb"}, "cannot be printed"),
        ("/disable", {}, "identity is missing"),
        ("/disable", {"identity": []}, "identity must be a text"),
    ],
)
def test_garbled_requests_name_the_field(api, ann, path, body, sentence):
    assert sentence in api.refused(400, "POST", path, token=ann, body=body)


def test_an_overlay_that_is_away_is_503_and_nothing_stays(api, ann):
    api.overlay.away = True
    answer = api.raw("POST", "/enable", token=ann, body={})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert api.ok("GET", "/overview", token=ann)["environments"] == []
