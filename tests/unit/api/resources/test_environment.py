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


# -- usage ---


def report(api, token, env, *samples, **more):
    counted = [{"shareToken": share, "rx": rx, "tx": tx} for share, rx, tx in samples]
    return api.ok("POST", "/zrokd/environment/usage", token=token, body={"envZId": env, "samples": counted, **more})


def counted(api, token):
    (told,) = api.ok("GET", "/metrics/account", token=token, query={"duration": "1h"})["samples"]
    return told["rx"], told["tx"]


@pytest.mark.parametrize("share_mode", ["private", "public"])
def test_an_environment_reports_what_its_backends_counted(api, ann, share_mode):
    env = api.env(ann)
    private = api.share(ann, env, shareMode=share_mode)
    assert report(api, ann, env, (private, 3, 4)) == {"limited": []}
    assert counted(api, ann) == (3, 4)
    assert api.ok("GET", "/shares", token=ann, query={"hasActivity": "true"})["shares"][0]["shareToken"] == private
    assert api.ok("GET", "/environments", token=ann, query={"idle": "true"})["environments"] == []
    (line,) = api.ok("POST", "/sparklines", token=ann, body={"shares": [private]})["sparklines"]
    assert sum(one["rx"] for one in line["samples"]) == 3


def test_nobody_charges_another(api, ann, bob):
    mine, other, theirs = api.env(ann), api.env(ann), api.env(bob)
    far = api.share(ann, other, shareMode="private")
    bobs = api.share(bob, theirs)
    api.ok("POST", "/access", token=ann, body={"envZId": mine, "shareToken": bobs})
    report(api, ann, mine, (far, 1, 1), (bobs, 1, 1), ("unknown", 1, 1))
    assert counted(api, ann) == counted(api, bob) == (0, 0)
    body = {"envZId": theirs, "samples": [{"shareToken": bobs, "rx": 1}]}
    api.refused(404, "POST", "/zrokd/environment/usage", token=ann, body=body)
    assert counted(api, bob) == (0, 0)


def test_a_report_of_an_environment_made_again_counts_once_for_each_reporter(api, ann):
    env = api.env(ann)
    private = api.share(ann, env, shareMode="private")
    for reporter, batch in (("a", "1"), ("b", "1"), ("a", "1"), ("b", "2"), ("b", "2"), ("a", "2"), ("b", "2")):
        report(api, ann, env, (private, 1, 0), reporter=reporter, batch=batch)
    assert counted(api, ann) == (4, 0)


@pytest.mark.parametrize(
    "body",
    [{}, {"envZId": 5}, {"samples": 5}, {"samples": [{"shareToken": "t", "rx": -1}]}, {"batch": 5},
     {"reporter": "x" * 65}, {"samples": [{"shareToken": "t"}] * 1001}],
)  # fmt: skip
def test_garbled_usage_is_refused(api, ann, body):
    env = api.env(ann)
    before = api.everything()
    whole = {"envZId": env, "samples": []} | body if body else {}
    api.refused(400, "POST", "/zrokd/environment/usage", token=ann, body=whole)
    assert api.everything() == before


def test_a_backend_learns_which_of_its_shares_let_nobody_in(api, ann, admin):
    env = api.env(ann)
    private, public = api.share(ann, env, shareMode="private"), api.share(ann, env)
    made = api.ok("POST", "/zrokd/limit-class", token=admin, body={"label": "l", "totalBytes": 10})
    api.ok(
        "POST", "/applied-limit-class", token=admin, body={"email": "ann@example.com", "limitClassIds": [made["id"]]}
    )
    report(api, ann, env, (private, 10, 0))
    api.services.bandwidth.enforce()
    assert set(report(api, ann, env)["limited"]) == {private, public}
