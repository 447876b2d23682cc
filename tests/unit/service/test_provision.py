"""A share as the overlay is told it."""

from zrokd.model.share import Gating
from zrokd.service.core import Core
from zrokd.service.provision import provision_share


def test_a_draft_and_its_share_are_told_alike(house, ann, bob):
    house.public()
    home, away = house.env(ann), house.env(bob)
    draft = house.draft(home, mode="web", gating=Gating(gate="basic", config={"a": 1}), grants=(bob.email,))
    share = house.shares.share(draft, ann)
    told = house.overlay.held("shares")[share.token]
    access = house.accesses.access(away, share.token, bob)
    for kind, token in (("shares", share.token), ("accesses", access.token)):
        house.overlay.change(kind, token, None)
    core = Core(store=house.store, overlay=house.overlay, hooks=house.hooks, clock=house.clock, bell=house.bell)
    provision_share(core, share.token, share)
    assert house.overlay.held("shares") == {share.token: told}
    assert house.overlay.held("accesses") == {access.token: [share.token, away]}
    provision_share(core, share.token, draft)
    assert house.differences() == []
