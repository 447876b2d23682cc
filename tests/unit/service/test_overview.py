"""Everything of an account at a glance."""

import pytest

from zrokd.errors import Denied, NotFound
from zrokd.model.account import Principal
from zrokd.service.overview import Overview


def test_an_account_without_anything_sees_that(house, ann):
    assert house.overviews.of(ann) == Overview()


def test_everything_stands_where_it_belongs(house, ann, bob):
    house.public(frontends=["edge"])
    first, second = house.env(ann), house.env(ann)
    share = house.share(ann, first)
    access = house.accesses.access(second, share.token, ann)
    house.names.create("public", "blog", ann)
    house.share(bob, house.env(bob))
    seen = house.overviews.of(ann)
    assert [view.environment.z_id for view in seen.environments] == [first, second]
    assert [view.shares for view in seen.environments] == [(share,), ()]
    assert [view.accesses for view in seen.environments] == [(), (access,)]
    assert [name.name for name in seen.names] == [share.token, "blog"]
    assert [namespace.token for namespace in seen.namespaces] == ["public"]
    assert house.overviews.environment(second, ann) == seen.environments[1]


def test_what_is_on_its_way_out_is_not_seen(house, ann):
    house.public()
    home = house.env(ann)
    share = house.share(ann, home)
    house.overlay.away = True
    with pytest.raises(Exception, match="away"):
        house.shares.unshare(home, share.token, ann)
    assert house.overviews.of(ann).environments[0].shares == ()


def test_foreign_environments_answer_like_missing_ones(house, ann, bob):
    home = house.env(ann)
    for z_id in (home, "z.missing"):
        with pytest.raises(NotFound, match="^no such environment$"):
            house.overviews.environment(z_id, bob)


def test_only_accounts_have_one(house):
    with pytest.raises(Denied):
        house.overviews.of(Principal(admin=True))
