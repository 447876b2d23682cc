import time

import gevent
import pytest


def ask(api, edge, **query):
    return api.ok("GET", "/zrokd/mappings", token=edge, query=query)


def test_a_frontend_that_knows_nothing_is_told_all_at_once(api, ann, edge):
    share = api.share(ann, api.env(ann))
    told = ask(api, edge, wait_s=20)
    assert told["full"]
    assert [(m["host"], m["token"], m["mode"]) for m in told["mappings"]] == [(f"{share}.example.com", share, "proxy")]


def test_a_frontend_is_told_what_changed(api, ann, edge):
    env = api.env(ann)
    first = ask(api, edge)
    share = api.share(ann, env)
    told = ask(api, edge, epoch=first["epoch"], since=first["version"])
    assert not told["full"]
    assert [m["token"] for m in told["mappings"]] == [share]
    api.ok("DELETE", "/unshare", token=ann, body={"envZId": env, "shareToken": share})
    gone = ask(api, edge, epoch=told["epoch"], since=told["version"])
    assert [(m["host"], m["token"]) for m in gone["mappings"]] == [(f"{share}.example.com", "")]


def test_without_news_a_frontend_waits_as_long_as_it_asked(api, edge):
    first, began = ask(api, edge), time.monotonic()
    told = ask(api, edge, epoch=first["epoch"], since=first["version"], wait_s="0.3")
    assert 0.25 < time.monotonic() - began < 5
    assert told["mappings"] == []
    assert not told["full"]


def test_news_end_the_wait_and_the_wait_holds_no_connection(api, ann, edge):
    env, first = api.env(ann), ask(api, edge)
    waiting = gevent.spawn(ask, api, edge, epoch=first["epoch"], since=first["version"], wait_s=20)
    gevent.sleep(0)
    while api.database.is_closed() is False:
        gevent.sleep(0.001)
    assert not waiting.ready()
    share = api.share(ann, env)
    waiting.join(10)
    assert [m["token"] for m in waiting.get()["mappings"]] == [share]


def test_nobody_waits_longer_than_the_operator_allows(api, edge):
    from dataclasses import replace

    api.settings = replace(api.settings, max_wait_s=0.05)
    first, began = ask(api, edge), time.monotonic()
    ask(api, edge, epoch=first["epoch"], since=first["version"], wait_s=3600)
    assert time.monotonic() - began < 5


def test_versions_of_another_epoch_mean_nothing(api, edge):
    first = ask(api, edge)
    assert ask(api, edge, epoch="another", since=first["version"], wait_s=20)["full"]


@pytest.mark.parametrize("query", [{"since": "x"}, {"wait_s": "-1"}, {"wait_s": "nan"}])
def test_a_garbled_question_is_422(api, edge, query):
    assert "must be a number" in api.refused(422, "GET", "/zrokd/mappings", token=edge, query=query)


def test_a_frontend_has_one_identity(api, edge):
    assert api.ok("GET", "/zrokd/identity", token=edge) == {"zId": "f-edge", "document": '{"id": {}}'}


def test_without_the_overlay_there_is_no_identity_now(api, edge):
    api.overlay.away = True
    assert api.raw("GET", "/zrokd/identity", token=edge).headers["retry-after"] == "7"


def test_frontends_are_listed_for_the_operator(api, admin):
    assert api.ok("GET", "/zrokd/frontends", token=admin) == [{"name": "edge"}]


def test_a_frontend_reports_what_it_counted_of_shares_it_serves(api, ann, edge, admin):
    env = api.env(ann)
    public, private = api.share(ann, env), api.share(ann, env, shareMode="private")
    api.ok("POST", "/namespace", token=admin, body={"token": "far", "name": "far.example.com", "open": True})
    elsewhere = api.share(ann, env, nameSelections=[{"namespaceToken": "far"}])
    samples = [{"shareToken": token, "rx": 3, "tx": 4} for token in (public, public, private, elsewhere, "nobodys")]
    assert api.ok("POST", "/zrokd/usage", token=edge, body={"samples": samples}) is None
    told = api.ok("GET", "/metrics/account", token=ann, query={"duration": "1h"})["samples"]
    assert [(one["rx"], one["tx"]) for one in told] == [(6, 8)]


@pytest.mark.parametrize(
    "samples",
    [5, "x", [5], [{}], [{"shareToken": 5}], [{"shareToken": "t", "rx": -1}], [{"shareToken": "t", "tx": "1"}],
     [{"shareToken": "t", "rx": 2**60}], [{"shareToken": "t"}] * 1001],
)  # fmt: skip
def test_garbled_usage_is_refused(api, edge, samples):
    before = api.everything()
    api.refused(400, "POST", "/zrokd/usage", token=edge, body={"samples": samples})
    assert api.everything() == before


def test_a_report_made_again_counts_once(api, ann, edge):
    public = api.share(ann, api.env(ann))

    def report(batch):
        api.ok("POST", "/zrokd/usage", token=edge, body={"batch": batch, "samples": [{"shareToken": public, "rx": 1}]})

    for batch in ("b1", "b1", "b2"):
        report(batch)
    told = api.ok("GET", "/metrics/account", token=ann, query={"duration": "1h"})["samples"]
    assert [one["rx"] for one in told] == [2]


@pytest.mark.parametrize("batch", [5, "x" * 65, ["b"]])
def test_the_name_of_a_report_is_a_short_text(api, edge, batch):
    before = api.everything()
    api.refused(400, "POST", "/zrokd/usage", token=edge, body={"batch": batch, "samples": []})
    assert api.everything() == before
