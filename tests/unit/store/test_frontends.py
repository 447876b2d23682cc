"""Frontends."""

import pytest

from zrokd.errors import Conflict
from zrokd.store import frontends, meta


def test_a_frontend_is_found_by_its_token(store, rows):
    rows.frontend("edge")
    assert store.read(frontends.by_digest, "digest of edge") == "edge"
    assert store.read(frontends.by_digest, "digest of another") is None
    assert store.read(frontends.find, "edge") is not None
    assert store.read(frontends.find, "other") is None


def test_ensuring_again_changes_the_token_and_keeps_the_row(store, rows):
    row = rows.frontend("edge")
    store.write(frontends.ensure, "edge", "new", 5)
    assert store.read(frontends.find, "edge") == row
    assert store.read(frontends.by_digest, "digest of edge") is None
    assert store.read(frontends.by_digest, "new") == "edge"


def test_two_frontends_do_not_share_a_token(store, rows):
    rows.frontend("edge")
    with pytest.raises(Conflict, match="another frontend has this token"):
        store.write(frontends.ensure, "other", "digest of edge", 5)
    rows.frontend("other")
    with pytest.raises(Conflict, match="another frontend has this token"):
        store.write(frontends.ensure, "other", "digest of edge", 5)


def test_names_are_listed_sorted(store, rows):
    for name in ("west", "east"):
        rows.frontend(name)
    assert store.read(frontends.every) == ("east", "west")


def test_with_the_first_frontend_the_epoch_begins(store, rows):
    rows.frontend("edge")
    first = store.read(meta.epoch)
    rows.frontend("other")
    assert first and store.read(meta.epoch) == first
