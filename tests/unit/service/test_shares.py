"""Offer something, take it up again, and take it back."""

import pytest

from zrokd.errors import Conflict, Denied, Invalid, LimitReached, NotFound, OverlayError, Unavailable
from zrokd.model.account import Principal
from zrokd.model.limits import Limits, Refusal
from zrokd.model.share import Gating, NameSelection, Permission, ShareMode


@pytest.fixture
def home(house, ann):
    house.public(frontends=["edge"])
    return house.env(ann)


def test_a_public_share_gets_a_name_of_its_own(house, ann, home):
    share = house.share(ann, home)
    assert share.endpoints == (f"{share.token}.share.example.com",)
    assert (share.env_z_id, share.account_id, share.share_mode) == (home, ann.account_id, ShareMode.PUBLIC)
    assert house.hosts() == {share.endpoints[0]: share.token}
    assert house.overlay.held("shares")[share.token]["env"] == home
    assert house.overlay.held("shares")[share.token]["public"] is True
    (name,) = house.names.list(ann)
    assert (name.name, name.reserved, name.share_token) == (share.token, False, share.token)
    assert house.differences() == []


def test_a_private_share_has_no_name(house, ann, home):
    share = house.share(ann, home, private=True)
    assert share.endpoints == () and house.hosts() == {}
    assert house.overlay.held("shares")[share.token]["public"] is False
    assert house.names.list(ann) == ()


def test_the_overlay_is_told_mode_and_gate(house, ann, home):
    gating = Gating(gate="basic", config={"users": []})
    share = house.share(ann, home, mode="web", gating=gating)
    config = house.overlay.held("shares")[share.token]["config"]
    assert config == {"mode": "web", "gate": "basic", "gate_config": {"users": []}}
    (mapping,) = house.frontends.mappings("edge", "", 0).mappings
    assert (mapping.mode, mapping.gating) == ("web", gating)


def test_a_reserved_name_is_used_and_stays_when_the_share_ends(house, ann, home):
    house.names.create("public", "blog", ann)
    share = house.share(ann, home, "blog")
    assert share.endpoints == ("blog.share.example.com",)
    house.shares.unshare(home, share.token, ann)
    (name,) = house.names.list(ann)
    assert (name.name, name.share_token) == ("blog", "")
    assert house.hosts() == {} and house.differences() == []


def test_a_share_may_have_several_names(house, ann, home):
    house.public("other", "example.org", frontends=["edge"])
    house.names.create("public", "blog", ann)
    selections = tuple(
        NameSelection(namespace=n, name=m) for n, m in (("public", "blog"), ("other", ""), ("other", ""))
    )
    share = house.share(ann, home, selections=selections)
    assert share.endpoints == ("blog.share.example.com", f"{share.token}.example.org")
    house.shares.unshare(home, share.token, ann)
    assert [name.name for name in house.names.list(ann)] == ["blog"]


def test_without_a_selection_the_only_namespace_is_meant(house, ann, home):
    assert house.share(ann, home, selections=()).endpoints[0].endswith(".share.example.com")
    house.public("other", "example.org")
    with pytest.raises(Invalid, match="^a public share needs a namespace: other, public$"):
        house.share(ann, home, selections=())


def test_a_hidden_namespace_does_not_count_as_the_only_one(house, ann, home):
    house.public("staff", "staff.example.com", is_open=False)
    assert house.share(ann, home, selections=()).endpoints[0].endswith(".share.example.com")


# -- taking up again ---


def test_a_name_held_by_the_same_environment_gives_its_share_back(house, ann, home):
    house.names.create("public", "blog", ann)
    first = house.share(ann, home, "blog", target="old")
    house.hooks.told.clear()
    again = house.share(ann, home, "blog", target="new", mode="web", gating=Gating(gate="basic"))
    assert (again.token, again.id, again.target, again.mode) == (first.token, first.id, "new", "web")
    assert house.hooks.told == []
    assert [(m.token, m.gating.gate) for m in house.frontends.mappings("edge", "", 0).mappings] == [
        (first.token, "basic")
    ]
    assert len(house.shares.list(ann)) == 1 and house.differences() == []


def test_a_token_held_by_the_same_environment_gives_its_share_back(house, ann, home, bob):
    first = house.share(ann, home, private=True, token="my-share", permission=Permission.OPEN)
    away = house.env(bob)
    access = house.accesses.access(away, "my-share", bob)
    again = house.share(ann, home, private=True, token="my-share", target="new", grants=(bob.email,))
    assert (again.id, again.target, again.permission) == (first.id, "new", Permission.CLOSED)
    assert [one.token for one in house.accesses.list(bob)] == [access.token]
    assert house.differences() == []


def test_taking_up_heals_what_the_overlay_lost(house, ann, home, bob):
    house.share(ann, home, private=True, token="my-share", permission=Permission.OPEN)
    access = house.accesses.access(house.env(bob), "my-share", bob)
    house.overlay.change("shares", "my-share", None)
    house.overlay.change("accesses", access.token, None)
    house.share(ann, home, private=True, token="my-share", permission=Permission.OPEN)
    assert house.differences() == []


def test_names_become_as_the_new_draft_says(house, ann, home):
    for name in ("blog", "shop", "wiki"):
        house.names.create("public", name, ann)
    first = house.share(ann, home, "blog", "shop", "")
    again = house.share(ann, home, "shop", "wiki")
    assert again.token == first.token
    assert again.endpoints == ("shop.share.example.com", "wiki.share.example.com")
    assert sorted(house.hosts()) == ["shop.share.example.com", "wiki.share.example.com"]
    assert {name.name: bool(name.share_token) for name in house.names.list(ann)} == {
        "blog": False, "shop": True, "wiki": True,
    }  # fmt: skip


def test_a_generated_name_is_kept_when_it_is_asked_for_again(house, ann, home):
    house.names.create("public", "blog", ann)
    first = house.share(ann, home, "blog", "")
    assert house.share(ann, home, "blog", "").endpoints == first.endpoints


def test_taking_up_does_not_count_against_the_limit(house, ann, home):
    house.limits(Limits(shares=1))
    house.names.create("public", "blog", ann)
    first = house.share(ann, home, "blog")
    assert house.share(ann, home, "blog").token == first.token


def test_a_failed_taking_up_leaves_the_share_as_it_was(house, ann, home):
    house.names.create("public", "blog", ann)
    house.share(ann, home, "blog", target="old")
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.share(ann, home, "blog", target="new")
    house.overlay.away = False
    assert [share.target for share in house.shares.list(ann)] == ["old"]
    assert house.differences() == []


# -- what is refused, and in which words ---


def test_a_name_in_another_environment_of_mine_is_in_use(house, ann, home):
    house.names.create("public", "blog", ann)
    house.share(ann, home, "blog")
    with pytest.raises(Conflict, match="'blog' is in use by another environment"):
        house.share(ann, house.env(ann), "blog")


def test_a_name_of_somebody_else_answers_like_one_that_nobody_has(house, ann, bob, home):
    house.names.create("public", "blog", bob)
    answers = []
    for name in ("blog", "shop"):
        with pytest.raises(Conflict) as caught:
            house.share(ann, home, name)
        answers.append(str(caught.value).replace(name, "X"))
    assert answers[0] == answers[1]


def test_two_names_of_two_shares_cannot_be_one(house, ann, home):
    for name in ("blog", "shop"):
        house.names.create("public", name, ann)
        house.share(ann, home, name)
    with pytest.raises(Conflict, match="two different shares"):
        house.share(ann, home, "blog", "shop")


def test_a_token_of_another_environment_is_taken(house, ann, bob, home):
    house.share(ann, home, private=True, token="my-share")
    for principal in (ann, bob):
        with pytest.raises(Conflict, match="^the share token 'my-share' is taken$"):
            house.share(principal, house.env(principal), private=True, token="my-share")


def test_a_public_share_is_not_taken_up_by_its_token(house, ann, home):
    share = house.share(ann, home)
    with pytest.raises(Conflict, match="is taken"):
        house.share(ann, home, private=True, token=share.token)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"mode": ""}, "not a valid mode"),
        ({"mode": "pro xy"}, "not a valid mode"),
        ({"mode": "x" * 33}, "not a valid mode"),
        ({"target": "x" * 2049}, "the target is too long"),
        ({"target": "a\nb"}, "cannot be printed"),
        ({"target": "a\0b"}, "cannot be printed"),
        ({"target": "\ud800"}, "cannot be printed"),
        ({"gating": Gating(gate="../basic")}, "not a valid gate"),
        ({"gating": Gating(gate="basic", config={"x": "y" * 9000})}, "too long"),
        ({"token": "my-share"}, "only a private share"),
        ({"private": True, "token": "No"}, "not a valid share token"),
        ({"private": True, "token": "-ab"}, "not a valid share token"),
        ({"private": True, "selections": (NameSelection(namespace="public"),)}, "a private share has no names"),
        ({"selections": (NameSelection(namespace="public", name="NO"),)}, "not a valid name"),
        ({"selections": (NameSelection(namespace="public", name="x"),) * 33}, "up to 32 names"),
        ({"grants": ("nobody",)}, "is not an e-mail address"),
    ],
)
def test_a_broken_rule_is_named_and_nothing_is_kept(house, ann, home, changes, rule):
    calls = list(house.overlay.calls)
    with pytest.raises(Invalid, match=rule):
        house.share(ann, home, **changes)
    assert house.shares.list(ann) == () and house.names.list(ann) == ()
    assert house.overlay.calls == calls and house.differences() == []


@pytest.mark.parametrize("whose", ["closed", "unknown"])
def test_a_closed_namespace_answers_like_one_that_does_not_exist(house, ann, home, whose):
    house.public("closed", "closed.example.com", is_open=False)
    with pytest.raises(NotFound) as caught:
        house.share(ann, home, namespace=whose)
    assert str(caught.value) == f"no namespace {whose!r} that you may use"
    assert house.differences() == []


def test_a_granted_namespace_is_open(house, ann, home):
    house.public("closed", "closed.example.com", is_open=False)
    house.namespaces.grant("closed", ann.email)
    assert house.share(ann, home, namespace="closed").endpoints[0].endswith(".closed.example.com")


def test_only_accounts_share(house, home):
    for principal in (Principal(admin=True), Principal(frontend="edge"), Principal()):
        with pytest.raises(Denied, match="account token"):
            house.share(principal, home)


def test_a_refusal_denies_with_its_reason_before_anything_is_written(house, ann, home):
    house.hooks.refusals["review_share"] = lambda: (
        Refusal(reason="not on Sundays") if house.shares.list(ann) == () else None
    )
    calls = list(house.overlay.calls)
    with pytest.raises(Denied, match="^not on Sundays$"):
        house.share(ann, home)
    assert house.overlay.calls == calls and house.differences() == []
    assert [name for name, _, _ in house.hooks.reviewed] == ["review_environment", "review_share"]


def test_nobody_reviews_what_is_not_the_callers(house, ann, bob, home):
    with pytest.raises(NotFound):
        house.share(bob, home)
    assert "review_share" not in [name for name, _, _ in house.hooks.reviewed]


def test_after_commit_the_hooks_hear_of_it(house, ann, home):
    share = house.share(ann, home)
    house.shares.unshare(home, share.token, ann)
    told = [(name, subject.token, who) for name, subject, who in house.hooks.told if "share" in name]
    assert told == [("on_share_created", share.token, ann), ("on_share_deleted", share.token, ann)]


def test_the_bell_rings_when_names_change(house, ann, home):
    before = house.bell.version
    share = house.share(ann, home)
    shared = house.bell.version
    house.shares.unshare(home, share.token, ann)
    assert before < shared < house.bell.version


# -- ends ---


def test_accesses_end_with_the_share(house, ann, bob, home):
    share = house.share(ann, home, private=True, permission=Permission.OPEN)
    house.accesses.access(house.env(bob), share.token, bob)
    house.shares.unshare(home, share.token, ann)
    assert house.accesses.list(bob) == ()
    assert house.hooks.names()[-2:] == ["on_access_deleted", "on_share_deleted"]
    assert house.differences() == []


def test_gone_already_from_the_overlay_counts_as_taken_away(new_house, strict_overlay):
    house = new_house(overlay=strict_overlay)
    ann = house.principal()
    house.public(frontends=["edge"])
    home = house.env(ann)
    share = house.share(ann, home)
    house.overlay.change("shares", share.token, None)
    house.shares.unshare(home, share.token, ann)
    house.overlay.change("environments", home, None)
    house.environments.disable(home, ann)
    assert house.differences() == []


def test_an_end_that_the_overlay_refuses_hides_the_share_and_can_be_repeated(house, ann, home):
    house.names.create("public", "blog", ann)
    share = house.share(ann, home, "blog")
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.shares.unshare(home, share.token, ann)
    assert house.hosts() == {} and house.shares.list(ann) == ()
    assert house.hooks.names().count("on_share_deleted") == 1
    house.overlay.away = False
    house.shares.unshare(home, share.token, ann)
    assert house.hooks.names().count("on_share_deleted") == 1
    assert house.differences() == []


def test_a_name_is_free_at_once_even_while_the_overlay_is_away(house, ann, home):
    house.names.create("public", "blog", ann)
    share = house.share(ann, home, "blog")
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.shares.unshare(home, share.token, ann)
    house.overlay.away = False
    other = house.share(ann, house.env(ann), "blog")
    assert other.token != share.token and house.hosts() == {"blog.share.example.com": other.token}


def test_a_chosen_token_is_free_again_as_soon_as_the_overlay_is_back(house, ann, home):
    house.share(ann, home, private=True, token="my-share")
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.shares.unshare(home, "my-share", ann)
    with pytest.raises(OverlayError):
        house.share(ann, home, private=True, token="my-share")
    house.overlay.away = False
    assert house.share(ann, home, private=True, token="my-share").token == "my-share"
    assert house.differences() == []


@pytest.mark.parametrize("how", [{"private": True, "token": "my-share"}, {"name": "blog"}], ids=["token", "name"])
def test_a_share_that_could_not_be_made_can_be_made_as_soon_as_the_overlay_is_back(house, ann, home, how):
    house.names.create("public", "blog", ann)
    names = [how.pop("name")] if "name" in how else []
    house.overlay.away = True
    for _ in range(2):
        with pytest.raises(OverlayError):
            house.share(ann, home, *names, **how)
    house.overlay.away = False
    assert house.share(ann, home, *names, **how)
    house.reconciler.reconcile()
    assert len(house.shares.list(ann)) == 1 and house.differences() == []


def test_the_overlay_throwing_something_foreign_is_still_one_of_our_errors(house, ann, home, monkeypatch):
    def explode(*_args, **_kwargs):
        raise OSError("socket gone")

    monkeypatch.setattr(house.overlay, "create_share", explode)
    with pytest.raises(OverlayError, match="the overlay failed: socket gone"):
        house.share(ann, home)
    assert house.differences() == []


# -- others ---


def test_foreign_shares_answer_exactly_like_missing_ones(house, ann, bob, home):
    share, away = house.share(ann, home), house.env(bob)
    calls = {
        "detail": lambda token, env: house.shares.detail(token, bob),
        "urls": lambda token, env: house.shares.urls(token, bob),
        "modify": lambda token, env: house.shares.modify(token, bob, add_grants=("bob@example.com",)),
        "unshare": lambda token, env: house.shares.unshare(env, token, bob),
    }
    for name, call in calls.items():
        answers = set()
        for token, env in ((share.token, away), ("missing", away)):
            with pytest.raises(NotFound) as caught:
                call(token, env)
            answers.add(str(caught.value))
        assert answers == {"no such share"}, name
    for token, env in ((share.token, home), (share.token, "z.missing")):
        with pytest.raises(NotFound, match="^no such environment$"):
            house.shares.unshare(env, token, bob)
    assert house.shares.list(bob) == () and len(house.shares.list(ann)) == 1


def test_a_share_is_ended_through_its_own_environment(house, ann, home):
    share = house.share(ann, home)
    with pytest.raises(NotFound, match="no such share"):
        house.shares.unshare(house.env(ann), share.token, ann)


def test_urls_follow_the_pattern_of_the_namespace(house, ann, home):
    house.public("tls", "tls.example.com", url="https://{host}:8443", frontends=["edge"])
    share = house.share(ann, home, namespace="tls")
    assert house.shares.urls(share.token, ann) == (f"https://{share.token}.tls.example.com:8443",)
    assert house.shares.urls(house.share(ann, home, private=True).token, ann) == ()


def test_grants_can_be_changed_and_doubles_count_once(house, ann, bob, home):
    share, away = house.share(ann, home, private=True), house.env(bob)
    with pytest.raises(NotFound):
        house.accesses.access(away, share.token, bob)
    house.shares.modify(share.token, ann, add_grants=("bob@example.com", "BOB@example.com "))
    house.accesses.access(away, share.token, bob)
    house.shares.modify(share.token, ann, remove_grants=("bob@example.com",))
    with pytest.raises(NotFound):
        house.accesses.access(away, share.token, bob)
    with pytest.raises(Invalid, match="is not an e-mail address"):
        house.shares.modify(share.token, ann, add_grants=("bob@example.com", "eve"))


def test_a_grant_counts_from_when_its_address_has_an_account(house, ann, home):
    """Nobody learns from it which addresses have one."""
    share = house.share(ann, home, private=True, grants=("eve@example.com",))
    house.shares.modify(share.token, ann, add_grants=("zoe@example.com", "dan@example.com"))
    house.shares.modify(share.token, ann, remove_grants=("dan@example.com",))
    for email, may in [("eve@example.com", True), ("zoe@example.com", True), ("dan@example.com", False)]:
        person = house.principal(email)
        if may:
            house.accesses.access(house.env(person), share.token, person)
        else:
            with pytest.raises(NotFound):
                house.accesses.access(house.env(person), share.token, person)


def test_a_share_awaits_so_many_and_no_more(house, ann, home, monkeypatch):
    monkeypatch.setattr("zrokd.store.shares.MOST_GRANTS", 2)
    share = house.share(ann, home, private=True, grants=("a@example.com", "b@example.com"))
    with pytest.raises(LimitReached, match="up to 2 grants"):
        house.shares.modify(share.token, ann, add_grants=("c@example.com",))
    house.shares.modify(share.token, ann, remove_grants=("a@example.com",))
    house.shares.modify(share.token, ann, add_grants=("c@example.com",))


def test_whoever_has_the_address_of_a_deleted_account_has_not_its_grants(house, ann, bob, home):
    share = house.share(ann, home, private=True, grants=("bob@example.com",))
    house.accounts.delete("bob@example.com")
    person = house.principal("bob@example.com")
    with pytest.raises(NotFound):
        house.accesses.access(house.env(person), share.token, person)


def test_an_open_share_keeps_no_grants(house, ann, bob, home):
    share = house.share(ann, home, private=True, token="my-share", grants=("bob@example.com",))
    away = house.env(bob)
    house.accesses.access(away, share.token, bob)
    house.share(ann, home, private=True, token="my-share", permission=Permission.OPEN, grants=("bob@example.com",))
    house.share(ann, home, private=True, token="my-share", permission=Permission.CLOSED)
    with pytest.raises(NotFound):
        house.accesses.access(away, share.token, bob)


# -- races ---


def test_of_fifty_environments_that_want_one_name_one_gets_it(house, ann, home, at_once):
    house.names.create("public", "blog", ann)
    homes = [house.env(ann) for _ in range(50)]
    answers = at_once(lambda z_id: house.share(ann, z_id, "blog"), homes)
    won = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(won) == 1
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {Conflict}
    assert house.hosts() == {"blog.share.example.com": won[0].token} and house.differences() == []


def test_of_fifty_starts_in_one_environment_all_mean_one_share(house, ann, home, at_once):
    house.names.create("public", "blog", ann)
    answers = at_once(lambda _: house.share(ann, home, "blog"), range(50))
    tokens = {answer.token for answer in answers if not isinstance(answer, Exception)}
    assert len(tokens) == 1
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} <= {Unavailable}
    assert len(house.shares.list(ann)) == 1 and house.differences() == []


@pytest.mark.parametrize("left", [0, 1, 7])
def test_of_a_hundred_at_once_no_more_than_the_limit_get_one(house, ann, home, at_once, left):
    house.limits(Limits(shares=2 + left))
    for _ in range(2):
        house.share(ann, home)
    answers = at_once(lambda _: house.share(ann, home), range(100))
    assert sum(not isinstance(answer, Exception) for answer in answers) == left
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {LimitReached}
    assert len(house.shares.list(ann)) == 2 + left and house.differences() == []


def test_sharing_while_the_environment_is_disabled_leaves_nothing(house, ann, home, at_once):
    def act(number):
        return house.environments.disable(home, ann) if number == 5 else house.share(ann, home)

    answers = at_once(act, range(10))
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} <= {NotFound, Unavailable}
    house.reconciler.reconcile(grace_s=0)
    assert house.shares.list(ann) == () and house.hosts() == {} and house.differences() == []
    assert house.overlay.held("shares") == {}


def test_a_killed_request_leaves_nothing(house, ann, home, monkeypatch):
    import gevent

    entered, create = gevent.event.Event(), house.overlay.create_share

    def slow(*args, **kwargs):
        create(*args, **kwargs)
        entered.set()
        gevent.sleep(60)

    monkeypatch.setattr(house.overlay, "create_share", slow)
    request = gevent.spawn(house.share, ann, home)
    assert entered.wait(10)
    request.kill()
    assert house.shares.list(ann) == () and house.differences() == []
