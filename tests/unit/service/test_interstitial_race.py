"""A share, and a skip-interstitial grant of its account, in the same instant by two controllers of one database."""

import gevent
import pytest
from gevent.event import Event

from tests.postgres.fixtures import only_postgres
from zrokd.store import mappings, tables

IN_LINE = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
_ABLE_S = 10.0


def warns(house):
    return {row.host: row.interstitial for row in house.store.read(lambda: list(tables.Mapping.select()))}


@pytest.fixture
def other(new_house, house):
    """Another controller of the database."""
    return new_house()


@pytest.fixture
def home(house, ann):
    house.public(frontends=["edge"])
    return house.env(ann)


@only_postgres
@pytest.mark.parametrize("granted", [True, False], ids=["a grant", "the end of one"])
def test_a_share_made_while_a_grant_changes_has_the_flag_that_the_grant_says(
    house, other, ann, home, monkeypatch, granted
):
    if not granted:
        house.privileges.grant_skip(ann.email)
    change = other.privileges.grant_skip if granted else other.privileges.revoke_skip
    loop, database, sync, changed, synced = gevent.get_hub().loop, house.database, mappings.sync, [], Event()

    def held(token, now_ms):
        """The share's transaction goes on once the grant's waits for it, or was not kept out."""
        monkeypatch.undo()
        found = sync(token, now_ms)
        loop.run_callback_threadsafe(synced.set)
        while not (changed or database.execute_sql(IN_LINE).fetchone()[0]):
            database.execute_sql("select pg_sleep(0.01)")
        return found

    monkeypatch.setattr(mappings, "sync", held)
    sharing = gevent.spawn(house.share, ann, home)
    assert synced.wait(_ABLE_S)
    changing = gevent.spawn(change, ann.email)
    changing.link(changed.append)
    gevent.joinall([sharing, changing], timeout=_ABLE_S, raise_error=True)
    assert list(warns(house).values()) == [not granted]
