"""Lists with each of their filters, details, figures: all of one account with two environments."""

from dataclasses import replace

import pytest

from zrokd.api.app import OPERATIONS
from zrokd.api.call import Listed, answer_of
from zrokd.model.filters import AccessFilter, EnvironmentFilter, ShareFilter
from zrokd.model.limits import UsageSample
from zrokd.store.database import Store


@pytest.fixture
def home(api, ann):
    """Ann's: a busy environment and an empty one, shares of both kinds, an access; tokens by name."""
    busy = api.ok("POST", "/enable", token=ann, body={"description": "Ann's Laptop", "host": "linux; Debian"})[
        "identity"
    ]
    empty = api.ok("POST", "/enable", token=ann, body={"description": "spare", "host": "darwin"})["identity"]
    web = api.share(ann, busy, target="http://127.0.0.1:3000", permissionMode="closed")
    db = api.share(ann, busy, shareMode="private", backendMode="tcpTunnel", target="127.0.0.1:5432")
    body = {"envZId": busy, "shareToken": db, "bindAddress": "127.0.0.1:9191", "description": "Reports"}
    access = api.ok("POST", "/access", token=ann, body=body)["frontendToken"]
    now_ms = api.clock.now_ms()
    api.services.usage.ingest([UsageSample(share_token=web, rx_bytes=10, tx_bytes=500, at_ms=now_ms - 65_000)])
    return {"busy": busy, "empty": empty, "web": web, "db": db, "access": access}


LISTS = {
    "/environments": ("environments", "envZId"),
    "/shares": ("shares", "shareToken"),
    "/accesses": ("accesses", "frontendToken"),
}


def names(api, token, path, home, query):
    field, key = LISTS[path]
    by_value = {value: name for name, value in home.items()}
    return [by_value[one[key]] for one in api.ok("GET", path, token=token, query=query)[field]]


FILTERED = [
    ("/environments", {}, ["busy", "empty"]),
    ("/environments", {"description": "lapTOP"}, ["busy"]),
    ("/environments", {"host": "DARWIN"}, ["empty"]),
    ("/environments", {"address": "127.0.0.1"}, ["busy", "empty"]),
    ("/environments", {"address": "127.0.0"}, []),
    ("/environments", {"remoteAgent": "true"}, []),
    ("/environments", {"remoteAgent": "false"}, ["busy", "empty"]),
    ("/environments", {"hasShares": "true"}, ["busy"]),
    ("/environments", {"hasShares": "0"}, ["empty"]),
    ("/environments", {"hasAccesses": "T"}, ["busy"]),
    ("/environments", {"hasAccesses": "false"}, ["empty"]),
    ("/environments", {"shareCount": ">0"}, ["busy"]),
    ("/environments", {"shareCount": ">=2"}, ["busy"]),
    ("/environments", {"shareCount": "=3"}, []),
    ("/environments", {"shareCount": "0"}, ["empty"]),
    ("/environments", {"shareCount": "<2"}, ["empty"]),
    ("/environments", {"accessCount": "<=1"}, ["busy", "empty"]),
    ("/environments", {"accessCount": "1"}, ["busy"]),
    ("/environments", {"hasActivity": "true"}, ["busy"]),
    ("/environments", {"idle": "true"}, ["empty"]),
    ("/environments", {"hasActivity": "true", "idle": "false"}, ["busy"]),
    ("/environments", {"createdAfter": "2020-01-01T00:00:00Z"}, ["busy", "empty"]),
    ("/environments", {"createdBefore": "2020-01-01T00:00:00+02:00"}, []),
    ("/environments", {"updatedAfter": "2999-01-01T00:00:00.5Z"}, []),
    ("/environments", {"updatedBefore": "2999-01-01T00:00:00Z", "host": "linux"}, ["busy"]),
    ("/shares", {}, ["web", "db"]),
    ("/shares", {"envZId": "BUSY"}, ["web", "db"]),
    ("/shares", {"envZId": "EMPTY"}, []),
    ("/shares", {"shareMode": "private"}, ["db"]),
    ("/shares", {"shareMode": "neither"}, []),
    ("/shares", {"backendMode": "tcpTunnel"}, ["db"]),
    ("/shares", {"backendMode": "proxy"}, ["web"]),
    ("/shares", {"permissionMode": "closed"}, ["web"]),
    ("/shares", {"shareToken": "DB"}, ["db"]),
    ("/shares", {"target": "3000"}, ["web"]),
    ("/shares", {"hasActivity": "true"}, ["web"]),
    ("/shares", {"idle": "true", "activityDuration": "7d"}, ["db"]),
    ("/shares", {"hasActivity": "true", "activityDuration": "1h30m"}, ["web"]),
    ("/shares", {"createdAfter": "2999-01-01T00:00:00Z"}, []),
    ("/accesses", {}, ["access"]),
    ("/accesses", {"envZId": "BUSY", "shareToken": "DB"}, ["access"]),
    ("/accesses", {"envZId": "EMPTY"}, []),
    ("/accesses", {"shareToken": "WEB"}, []),
    ("/accesses", {"bindAddress": ":9191"}, ["access"]),
    ("/accesses", {"description": "report"}, ["access"]),
    ("/accesses", {"description": "other"}, []),
    ("/accesses", {"createdBefore": "2020-01-01T00:00:00Z"}, []),
]


def test_each_filter_leaves_what_it_says(api, ann, home):
    known = {"BUSY": home["busy"], "EMPTY": home["empty"], "WEB": home["web"], "DB": home["db"]}
    for path, query, found in FILTERED:
        asked = {key: known.get(value, value) for key, value in query.items()}
        assert names(api, ann, path, home, asked) == found, (path, query)


@pytest.mark.parametrize("path", sorted(LISTS))
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"createdAfter": "yesterday"}, 400),
        ({"createdBefore": "2026-13-01T00:00:00Z"}, 400),
        ({"updatedAfter": "2026-01-01"}, 400),
        ({"updatedBefore": "2026-01-01T00:00:00"}, 400),
    ],
)
def test_a_time_that_is_none_is_told(api, ann, path, query, status):
    assert next(iter(query)) in api.refused(status, "GET", path, token=ann, query=query)


@pytest.mark.parametrize("path", ["/environments", "/shares"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"hasActivity": "true", "idle": "true"}, 400),
        ({"activityDuration": "31d"}, 400),
        ({"activityDuration": "0s"}, 400),
        ({"activityDuration": "soon"}, 400),
        ({"activityDuration": "1h 30m"}, 400),
        ({"hasActivity": "maybe"}, 422),
        ({"idle": "maybe"}, 422),
    ],
)
def test_an_activity_that_cannot_be_is_told(api, ann, path, query, status):
    api.refused(status, "GET", path, token=ann, query=query)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"shareCount": ">>1"}, 400),
        ({"shareCount": "many"}, 400),
        ({"accessCount": "-1"}, 400),
        ({"accessCount": "9" * 30}, 400),
        ({"hasShares": "maybe"}, 422),
        ({"remoteAgent": "maybe"}, 422),
    ],
)
def test_a_count_or_a_switch_that_cannot_be_is_told(api, ann, query, status):
    api.refused(status, "GET", "/environments", token=ann, query=query)


@pytest.mark.parametrize("path", sorted(LISTS))
def test_lists_without_anything_are_empty_and_not_null(api, ann, path):
    assert api.ok("GET", path, token=ann) == {LISTS[path][0]: []}


def test_the_entries_of_lists_have_zroks_fields(api, ann, home):
    one = api.ok("GET", "/environments", token=ann)["environments"][0]
    assert (one["shareCount"], one["accessCount"], one["limited"], one["remoteAgent"]) == (2, 1, False, False)
    assert set(one) == {
        "envZId", "description", "host", "address", "remoteAgent", "shareCount", "accessCount", "limited", "createdAt",
        "updatedAt",
    }  # fmt: skip
    (access,) = api.ok("GET", "/accesses", token=ann)["accesses"]
    assert set(access) == {
        "id", "frontendToken", "envZId", "shareToken", "backendMode", "bindAddress", "description", "limited",
        "createdAt", "updatedAt",
    }  # fmt: skip
    assert access["backendMode"] == "tcpTunnel"
    share = api.ok("GET", "/shares", token=ann)["shares"][1]
    assert set(share) == {
        "shareToken", "zId", "envZId", "shareMode", "backendMode", "frontendEndpoints", "target", "limited",
        "createdAt", "updatedAt",
    }  # fmt: skip


# -- details ---


def test_details_show_the_last_five_minutes(api, ann, home):
    both = api.ok("GET", "/detail/account", token=ann)
    assert [one["zId"] for one in both] == [home["busy"], home["empty"]]
    busy, empty = (one["activity"] for one in both)
    assert len(busy) == len(empty) == 30
    assert [one for one in busy if one["tx"]] == [{"rx": 10, "tx": 500}]
    assert not any(one["tx"] for one in empty)
    view = api.ok("GET", f"/detail/environment/{home['busy']}", token=ann)
    assert view["environment"]["activity"] == busy
    assert [share["shareToken"] for share in view["shares"]] == [home["web"], home["db"]]
    assert sum(one["tx"] for one in view["shares"][0]["activity"]) == 500
    (access,) = view["frontends"]
    assert api.ok("GET", f"/detail/frontend/{access['id']}", token=ann) == access


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/detail/environment/nobodys", 404),
        ("/detail/frontend/99", 404),
        ("/detail/frontend/9999999999999999999", 404),
        ("/detail/frontend/x", 422),
        ("/detail/frontend/-1", 422),
        ("/detail/frontend/1.5", 422),
    ],
)
def test_details_of_what_does_not_exist(api, ann, path, status):
    api.refused(status, "GET", path, token=ann)


def test_a_deleted_access_has_no_details(api, ann, home):
    (access,) = api.ok("GET", "/accesses", token=ann)["accesses"]
    api.ok("DELETE", "/unaccess", token=ann, body={"envZId": home["busy"], "frontendToken": home["access"]})
    api.refused(404, "GET", f"/detail/frontend/{access['id']}", token=ann)


# -- figures ---


@pytest.mark.parametrize(
    ("duration", "steps", "period"),
    [("", 30, 86400), ("720h", 30, 86400), ("168h", 42, 14400), ("24h", 48, 1800), ("1h", 1, 3600), ("90s", 1, 90)],
)
@pytest.mark.parametrize("scope", ["account", "environment/BUSY", "share/WEB"])
def test_figures_add_up_in_every_span(api, ann, home, scope, duration, steps, period):
    path = f"/metrics/{scope.replace('BUSY', home['busy']).replace('WEB', home['web'])}"
    found = api.ok("GET", path, token=ann, query={"duration": duration} if duration else None)
    assert (found["scope"], found["period"], len(found["samples"])) == (scope.partition("/")[0], period, steps)
    assert [sum(one[way] for one in found["samples"]) for way in ("rx", "tx")] == [10, 500]
    times = [one["timestamp"] for one in found["samples"]]
    assert times == sorted(times) and times[-1] >= api.clock.now_ms() - 60_000
    assert found["id"] == (home["web"] if scope.startswith("share") else found["id"])


@pytest.mark.parametrize("path", ["/metrics/account", "/metrics/environment/BUSY", "/metrics/share/WEB"])
@pytest.mark.parametrize("duration", ["soon", "7d", "-1h", "0s", "h", "99999999h", "1e3s"])
def test_a_duration_that_is_none_is_told(api, ann, home, path, duration):
    path = path.replace("BUSY", home["busy"]).replace("WEB", home["web"])
    assert "duration" in api.refused(400, "GET", path, token=ann, query={"duration": duration})


@pytest.mark.parametrize("path", ["/metrics/environment/BUSY", "/metrics/share/WEB"])
def test_figures_of_others_are_refused_like_those_of_nobody(api, ann, bob, home, path):
    foreign = path.replace("BUSY", home["busy"]).replace("WEB", home["web"])
    answers = [api.raw("GET", one, token=bob) for one in (foreign, path)]
    assert answers[0].status_code == 401
    assert answers[0].text == answers[1].text


def test_sparklines_show_what_is_ones_own_and_leave_the_rest_out(api, ann, bob, home):
    body = {"account": True, "environments": [home["busy"], "nobodys"], "shares": [home["web"], home["db"], "x"]}
    found = api.ok("POST", "/sparklines", token=ann, body=body)["sparklines"]
    assert [(one["scope"], one["id"]) for one in found] == [
        ("environment", home["busy"]), ("share", home["web"]), ("share", home["db"])
    ]  # fmt: skip
    assert [sum(sample["tx"] for sample in one["samples"]) for one in found] == [500, 500, 0]
    assert {len(one["samples"]) for one in found} == {30}
    assert api.ok("POST", "/sparklines", token=bob, body=body) == {"sparklines": []}
    assert api.ok("POST", "/sparklines", token=ann, body={}) == {"sparklines": []}


@pytest.mark.parametrize("body", [{"environments": "x"}, {"shares": [5]}, {"shares": [""]}, {"shares": ["x"] * 101}])
def test_garbled_sparklines_are_refused(api, ann, body):
    api.refused(400, "POST", "/sparklines", token=ann, body=body)


def test_what_is_older_than_five_minutes_is_no_spark_and_what_is_a_day_old_no_activity(api, ann, home):
    api.clock.ahead_s += 400
    (one,) = api.ok("POST", "/sparklines", token=ann, body={"shares": [home["web"]]})["sparklines"]
    assert not any(sample["tx"] for sample in one["samples"])
    assert names(api, ann, "/shares", home, {"hasActivity": "true"}) == ["web"]
    api.clock.ahead_s += 86400
    assert names(api, ann, "/shares", home, {"hasActivity": "true"}) == []
    assert names(api, ann, "/shares", home, {"hasActivity": "true", "activityDuration": "2d"}) == ["web"]


# -- away from the hub ---


@pytest.mark.parametrize("path", LISTS)
def test_what_a_filter_takes_is_found_out_where_the_rows_are_read(api, ann, home, monkeypatch, path):
    reading, judged, read = [], [], Store._read

    def noted(store, work):
        reading.append(work)
        try:
            return read(store, work)
        finally:
            reading.pop()

    monkeypatch.setattr(Store, "_read", noted)
    for kind in (AccessFilter, EnvironmentFilter, ShareFilter):
        takes = kind.takes
        monkeypatch.setattr(
            kind, "takes", lambda *given, _takes=takes, **more: judged.append(bool(reading)) or _takes(*given, **more)
        )
    assert names(api, ann, path, home, {})
    assert judged and all(judged)


LONG = [
    "/overview", "/environments", "/shares", "/accesses", "/share/names", "/share/names/public", "/zrokd/binds",
    "/detail/environment/{busy}", "/members/{organization}", "/overview/{organization}/ann@example.com",
    "/zrokd/accounts", "/organizations", "/organization/list", "/zrokd/audit", "/zrokd/mappings",
]  # fmt: skip


def test_all_that_may_be_long_is_known():
    paths = {path.replace("{busy}", "{env_z_id}").replace("{organization}", "{organization_token}") for path in LONG}
    paths = {
        path.replace("/public", "/{namespace_token}").replace("ann@example.com", "{account_email}") for path in paths
    }
    assert paths == {one.path for one in OPERATIONS if issubclass(answer_of(one), Listed)}


@pytest.mark.parametrize("path", LONG)
def test_a_long_answer_is_made_away_from_the_hub_and_sent_in_pieces_with_its_length(api, ann, admin, edge, home, path):
    made = api.ok("POST", "/organization", token=admin, body={"description": "x"})["organizationToken"]
    member = {"organizationToken": made, "email": "ann@example.com", "admin": True}
    api.ok("POST", "/organization/add", token=admin, body=member)
    chunks = []

    def offload(work):
        chunks.append(work())
        return chunks[-1]

    api.settings = replace(api.settings, offload=offload)
    operators = {"/zrokd/accounts", "/organizations", "/organization/list", "/zrokd/audit"}
    token = edge if path == "/zrokd/mappings" else admin if path in operators else ann
    asked = (
        {"method": "POST", "body": {"organizationToken": made}} if path == "/organization/list" else {"method": "GET"}
    )
    answer = api.raw(
        asked["method"], path.format(busy=home["busy"], organization=made), token=token, body=asked.get("body")
    )
    assert answer.status_code == 200
    assert [b"".join(each) for each in chunks] == [answer.content]
    assert int(answer.headers["content-length"]) == len(answer.content) > 0
