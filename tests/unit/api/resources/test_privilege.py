import pytest

ANN = {"email": "ann@example.com"}


@pytest.fixture
def make(api, admin):
    """make(label, ...): the id of a new limit class."""
    return lambda label, **changes: api.ok("POST", "/zrokd/limit-class", token=admin, body={"label": label} | changes)[
        "id"
    ]


def test_limit_classes_are_made_listed_and_deleted(api, admin, make):
    small = make("small", shares=1, uniqueNames=2, shareFrontends=3, environments=4)
    fast = make("fast", totalBytes=10**12, limitAction="warning", periodMinutes=60, backendMode="tcpTunnel")
    assert [one["label"] for one in api.ok("POST", "/limit-class/list", token=admin, body={})] == ["small", "fast"]
    (one,) = api.ok("POST", "/limit-class/list", token=admin, body={"label": "fast"})
    times = [one.pop(key) for key in ("createdAt", "updatedAt")]
    assert times[0] == times[1] > 1_700_000_000_000
    assert one == {
        "id": fast, "label": "fast", "backendMode": "tcpTunnel", "environments": -1, "shares": -1,
        "reservedShares": -1, "uniqueNames": -1, "shareFrontends": -1, "periodMinutes": 60, "rxBytes": -1,
        "txBytes": -1, "totalBytes": 10**12, "limitAction": "warning",
    }  # fmt: skip
    api.ok("DELETE", "/zrokd/limit-class", token=admin, body={"id": small})
    api.refused(404, "DELETE", "/zrokd/limit-class", token=admin, body={"id": small})
    assert api.ok("POST", "/limit-class/list", token=admin, body={"label": "small"}) == []


def test_an_account_is_held_to_its_classes(api, admin, ann, make):
    body = ANN | {"limitClassIds": [make("small", environments=1)]}
    for _ in range(2):
        assert api.ok("POST", "/applied-limit-class", token=admin, body=body) is None
    assert [one["label"] for one in api.ok("POST", "/applied-limit-class/list", token=admin, body=ANN)] == ["small"]
    api.env(ann)
    api.refused(409, "POST", "/enable", token=ann, body={})
    for _ in range(2):
        assert api.ok("DELETE", "/applied-limit-class", token=admin, body=body) is None
    assert api.ok("POST", "/applied-limit-class/list", token=admin, body=ANN) == []
    api.env(ann)


def test_a_class_of_bytes_does_not_lift_the_limits_of_things(api, admin, ann, make):
    ids = [make("small", environments=1), make("bytes", rxBytes=10), make("web", backendMode="web", shares=9)]
    api.ok("POST", "/applied-limit-class", token=admin, body=ANN | {"limitClassIds": ids})
    api.env(ann)
    api.refused(409, "POST", "/enable", token=ann, body={})


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ({"shares": 1}, {"shares": 2}, False),
        ({"shares": 1}, {"environments": 1}, False),
        ({"shares": 1}, {"rxBytes": 1}, True),
        ({"rxBytes": 1, "limitAction": "warning"}, {"txBytes": 1, "limitAction": "warning"}, False),
        ({"rxBytes": 1, "limitAction": "warning"}, {"rxBytes": 2, "limitAction": "limit"}, True),
        ({"rxBytes": 1, "backendMode": "web"}, {"rxBytes": 2}, True),
        ({"rxBytes": 1, "backendMode": "web"}, {"shares": 2, "backendMode": "web"}, False),
        ({"rxBytes": 1, "backendMode": "web"}, {"rxBytes": 2, "backendMode": "proxy"}, True),
    ],
)
def test_of_each_kind_an_account_has_one_class(api, admin, ann, make, first, second, fits):
    ids = [make("first", **first), make("second", **second)]
    api.ok("POST", "/applied-limit-class", token=admin, body=ANN | {"limitClassIds": ids[:1]})
    for both in (ids[1:], ids):
        answer = api.raw("POST", "/applied-limit-class", token=admin, body=ANN | {"limitClassIds": both})
        assert answer.status_code == (200 if fits else 409)
    assert len(api.ok("POST", "/applied-limit-class/list", token=admin, body=ANN)) == (2 if fits else 1)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/applied-limit-class", {}, 400),
        ("POST", "/applied-limit-class", {"email": "nobody@example.com", "limitClassIds": []}, 404),
        ("POST", "/applied-limit-class", ANN | {"limitClassIds": [99]}, 404),
        ("POST", "/applied-limit-class", ANN | {"limitClassIds": ["1"]}, 400),
        ("POST", "/applied-limit-class", ANN | {"limitClassIds": [None]}, 400),
        ("POST", "/applied-limit-class", ANN | {"limitClassIds": [True]}, 400),
        ("POST", "/applied-limit-class", ANN | {"limitClassIds": 1}, 400),
        ("POST", "/applied-limit-class", ANN | {"limitClassIds": [2**70]}, 400),
        ("DELETE", "/applied-limit-class", {"email": "nobody@example.com"}, 404),
        ("POST", "/applied-limit-class/list", {"email": "nobody@example.com"}, 404),
        ("POST", "/applied-limit-class/list", {}, 400),
        ("POST", "/limit-class/list", {"label": 5}, 400),
        ("POST", "/zrokd/limit-class", {}, 400),
        ("POST", "/zrokd/limit-class", {"label": "x", "shares": -2}, 400),
        ("POST", "/zrokd/limit-class", {"label": "x", "shares": 2**40}, 400),
        ("POST", "/zrokd/limit-class", {"label": "x", "rxBytes": -2}, 400),
        ("POST", "/zrokd/limit-class", {"label": "x", "periodMinutes": 0}, 400),
        ("POST", "/zrokd/limit-class", {"label": "x", "backendMode": "/"}, 400),
        ("POST", "/zrokd/limit-class", {"label": "x", "limitAction": "maybe"}, 422),
        ("POST", "/zrokd/limit-class", {"label": "taken"}, 409),
        ("DELETE", "/zrokd/limit-class", {"id": "1"}, 400),
        ("DELETE", "/zrokd/limit-class", {}, 404),
        ("POST", "/skip-interstitial-grant", {"email": "nobody@example.com"}, 404),
        ("POST", "/skip-interstitial-grant", {"email": 5}, 400),
        ("DELETE", "/skip-interstitial-grant", {"email": "nobody@example.com"}, 404),
    ],
)
def test_what_cannot_be_is_refused(api, admin, ann, make, method, path, body, status):
    make("taken")
    before = api.everything()
    api.refused(status, method, path, token=admin, body=body)
    assert api.everything() == before


def test_a_grant_to_skip_the_warning_is_given_and_taken_back(api, admin, ann):
    def granted():
        return api.ok("GET", "/skip-interstitial-grant", token=admin, query=ANN)

    assert granted() == ANN | {"granted": False}
    for method, told in (("POST", True), ("POST", True), ("DELETE", False), ("DELETE", False)):
        assert api.ok(method, "/skip-interstitial-grant", token=admin, body=ANN) is None
        assert granted()["granted"] is told


def test_whose_grant_is_asked_for_must_be_said(api, admin):
    answer = api.raw("GET", "/skip-interstitial-grant", token=admin)
    assert (answer.status_code, answer.json["code"]) == (422, 602)
    api.refused(404, "GET", "/skip-interstitial-grant", token=admin, query={"email": "nobody@example.com"})


def test_frontends_are_told_whose_visitors_are_not_warned(api, admin, edge, ann):
    env = api.env(ann)
    share = api.share(ann, env)

    def warned():
        told = api.ok("GET", "/zrokd/mappings", token=edge, query={})["mappings"]
        return {one["token"]: one.get("interstitial", True) for one in told}

    assert warned() == {share: True}
    api.ok("POST", "/skip-interstitial-grant", token=admin, body=ANN)
    assert warned() == {share: False}
    later = api.share(ann, env)
    assert warned() == {share: False, later: False}
    api.ok("DELETE", "/skip-interstitial-grant", token=admin, body=ANN)
    assert warned() == {share: True, later: True}
