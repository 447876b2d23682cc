import pytest


@pytest.mark.parametrize("query", ["?dry_run=1", "?dry_run=true"])
def test_a_dry_run_tells_and_does_nothing(api, admin, query):
    api.overlay.shares.add("orphan")
    told = api.ok("POST", f"/zrokd/reconcile{query}", token=admin)
    assert told == {"dryRun": True, "actions": ["delete share orphan"]}
    assert api.overlay.shares == {"orphan"}


@pytest.mark.parametrize("query", ["", "?dry_run=0", "?dry_run=false"])
def test_a_reconciliation_does_what_it_tells(api, admin, query):
    api.overlay.shares.add("orphan")
    told = api.ok("POST", f"/zrokd/reconcile{query}", token=admin)
    assert told == {"dryRun": False, "actions": ["delete share orphan"]}
    assert api.overlay.shares == set()


def test_when_all_is_well_there_is_nothing_to_do(api, admin, ann):
    api.share(ann, api.env(ann))
    assert api.ok("POST", "/zrokd/reconcile", token=admin)["actions"] == []


def test_without_the_overlay_it_is_503(api, admin):
    api.overlay.away = True
    assert api.refused(503, "POST", "/zrokd/reconcile", token=admin) == "the overlay is away"
