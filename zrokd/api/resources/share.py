"""Shares."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call
from zrokd.wire import answers
from zrokd.wire.requests import ModifyShare, Unshare, draft_from_wire, from_wire


def create(call: Call) -> Answer:
    """POST /share."""
    draft = draft_from_wire(call.body, call.settings.hash_password)
    return Answer(201, answers.created_share_to_wire(call.services.shares.share(draft, call.principal)))


def modify(call: Call) -> Answer:
    """PATCH /share."""
    asked = from_wire(ModifyShare, call.body)
    call.services.shares.modify(
        asked.share_token,
        call.principal,
        add_grants=asked.add_access_grants,
        remove_grants=asked.remove_access_grants,
    )
    return OK


def delete(call: Call) -> Answer:
    """DELETE /unshare."""
    asked = from_wire(Unshare, call.body)
    call.services.shares.unshare(asked.env_z_id, asked.share_token, call.principal)
    return OK


def detail(call: Call) -> Answer:
    """GET /detail/share/{share_token}."""
    return Answer(200, answers.share_to_wire(call.services.shares.detail(call.path["share_token"], call.principal)))


def urls(call: Call) -> Answer:
    """GET /zrokd/shares/{share_token}."""
    token = call.path["share_token"]
    share = call.services.shares.detail(token, call.principal)
    return Answer(200, answers.share_urls_to_wire(share, call.services.shares.urls(token, call.principal)))
