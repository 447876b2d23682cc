"""What a share draft asks for: its rules, the share that holds it already, and the names it gets."""

from __future__ import annotations

import json

from zrokd.errors import Conflict, Invalid, NotFound
from zrokd.model.naming import check_name, check_share_token
from zrokd.model.share import NameSelection, Share, ShareDraft, ShareMode
from zrokd.service.checks import check_text, check_word
from zrokd.store import names, namespaces, shares

_MOST_NAMES = 32
_MOST_GATE_BYTES = 8 * 1024  # 32 users; every frontend holds it, once for each name of the share


def check(draft: ShareDraft) -> None:
    """Return when the draft can be meant. Asks no database. :raises Invalid: says what is wrong."""
    check_word(draft.mode, "mode")
    check_text(draft.target, "target", 2048)
    if draft.gating.gate:
        check_word(draft.gating.gate, "gate")
    if len(json.dumps(dict(draft.gating.config))) > _MOST_GATE_BYTES:
        raise Invalid(f"what the gate is told is too long: {_MOST_GATE_BYTES} bytes of JSON is the most")
    if len(draft.selections) > _MOST_NAMES or len(draft.grants) > 1000:
        raise Invalid(f"a share may have up to {_MOST_NAMES} names and 1000 grants")
    if draft.share_mode == ShareMode.PUBLIC and draft.token:
        raise Invalid("only a private share may choose its token")
    if draft.share_mode == ShareMode.PRIVATE and draft.selections:
        raise Invalid("a private share has no names")
    if draft.token:
        check_share_token(draft.token)
    for selection in draft.selections:
        if selection.name:
            check_name(selection.name)


def held_by(draft: ShareDraft, account_id: int) -> Share | None:
    """The share of the same environment that holds the draft's token or names, or None when they are free.

    :raises Conflict: they are somebody else's, or two shares hold them.
    """
    if draft.share_mode == ShareMode.PRIVATE:
        return _holder_of_token(draft)
    holders = {share.token: share for share in _holders_of_names(draft, account_id)}
    if len(holders) > 1:
        raise Conflict("the names are in use by two different shares")
    return next(iter(holders.values()), None)


def take_names(share_id: int, token: str, draft: ShareDraft, account_id: int, now_ms: int) -> None:
    """Let the share have the names of the draft and no others.

    :raises Conflict: one is taken. :raises NotFound: no such namespace that the account may use.
    """
    wanted = [_name_row(selection, token, account_id, now_ms) for selection in _selections(draft, account_id)]
    names.detach(share_id, now_ms, keep=wanted)
    for name_id in wanted:
        names.attach(share_id, name_id)


def _holder_of_token(draft: ShareDraft) -> Share | None:
    share = shares.by_token(draft.token, leaving=True) if draft.token else None
    if share and (share.env_z_id != draft.env_z_id or share.share_mode != ShareMode.PRIVATE):
        raise Conflict(f"the share token {draft.token!r} is taken")
    return share


def _holders_of_names(draft: ShareDraft, account_id: int) -> list[Share]:
    found = []
    for selection in draft.selections:
        share_id = _own(selection, account_id).share_id if selection.name else None
        share = shares.by_id(share_id) if share_id else None
        if share and share.env_z_id != draft.env_z_id:
            raise Conflict(f"the name {selection.name!r} is in use by another environment")
        found += [share] if share else []
    return found


def _selections(draft: ShareDraft, account_id: int) -> tuple[NameSelection, ...]:
    if draft.selections or draft.share_mode == ShareMode.PRIVATE:
        return tuple(dict.fromkeys(draft.selections))
    usable = namespaces.usable(account_id)
    if len(usable) != 1:
        choice = ", ".join(namespace.token for namespace in usable) or "there is none for this account"
        raise Invalid(f"a public share needs a namespace: {choice}")
    return (NameSelection(namespace=usable[0].token),)


def _name_row(selection: NameSelection, token: str, account_id: int, now_ms: int) -> int:
    if selection.name:
        return _own(selection, account_id).id
    namespace_id = usable_namespace(selection.namespace, account_id)
    held = names.find(namespace_id, token)
    if held and held.account_id == account_id:
        return held.id
    return names.add(namespace_id, account_id, token, now_ms, reserved=False)


def _own(selection: NameSelection, account_id: int) -> names.Held:
    found = namespaces.find(selection.namespace)
    held = names.find(found[0], selection.name) if found else None
    if held is None or held.account_id != account_id:
        raise Conflict(f"the name {selection.name!r} in namespace {selection.namespace!r} is not reserved by you")
    return held


def usable_namespace(token: str, account_id: int) -> int:
    """The row of a namespace in which the account may take names. :raises NotFound: there is none."""
    found = namespaces.find(token)
    if found is None or not namespaces.is_usable(found[0], account_id):
        raise NotFound(f"no namespace {token!r} that you may use")
    return found[0]
