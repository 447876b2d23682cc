"""What a share draft asks for. (How shares come of it: test_shares.)"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid, ZrokdError
from zrokd.model.share import Gating, NameSelection, Permission, ShareDraft, ShareMode
from zrokd.service import drafts

TEXT = st.text(alphabet=st.characters(blacklist_categories=()), max_size=40)


@st.composite
def any_draft(draw):
    selection = st.builds(NameSelection, namespace=TEXT, name=TEXT)
    return ShareDraft(
        env_z_id=draw(TEXT),
        share_mode=draw(st.sampled_from(ShareMode)),
        mode=draw(st.one_of(st.just("proxy"), TEXT)),
        target=draw(TEXT),
        selections=tuple(draw(st.lists(selection, max_size=3))),
        token=draw(st.one_of(st.just(""), TEXT)),
        gating=Gating(gate=draw(st.one_of(st.just(""), TEXT)), config={"x": draw(TEXT)}),
        permission=draw(st.sampled_from(Permission)),
    )


@given(any_draft())
def test_whatever_comes_is_taken_or_refused_in_our_words(draft):
    try:
        drafts.check(draft)
    except ZrokdError as error:
        assert isinstance(error, Invalid)
        assert str(error).isprintable()
    else:
        assert draft.mode and draft.target.isprintable()
        assert not (draft.token and draft.share_mode == ShareMode.PUBLIC)


def test_the_longest_that_fits_fits():
    selections = tuple(NameSelection(namespace="public", name="x" * 63) for _ in range(32))
    public = ShareDraft(
        env_z_id="z", share_mode=ShareMode.PUBLIC, mode="m" * 32, target="x" * 2048, selections=selections
    )
    drafts.check(public)
    drafts.check(ShareDraft(env_z_id="z", share_mode=ShareMode.PRIVATE, mode="proxy", token="x" * 32))


def test_a_free_token_or_name_is_held_by_nobody(house, ann):
    house.public()
    house.names.create("public", "blog", ann)
    for draft in (
        house.draft("z", private=True),
        house.draft("z", private=True, token="my-share"),
        house.draft("z"),
        house.draft("z", "blog"),
    ):
        assert house.store.read(drafts.held_by, draft, ann.account_id) is None


@pytest.mark.parametrize("usable", [True, False])
def test_a_namespace_is_usable_or_as_good_as_missing(house, ann, usable):
    house.public(is_open=usable)
    if usable:
        assert house.store.read(drafts.usable_namespace, "public", ann.account_id) > 0
    else:
        with pytest.raises(ZrokdError, match="no namespace 'public' that you may use"):
            house.store.read(drafts.usable_namespace, "public", ann.account_id)
