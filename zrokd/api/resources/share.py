"""Shares."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Created, Done, Found, reads, shaped, tells
from zrokd.wire import answers
from zrokd.wire.binds import standing_to_wire
from zrokd.wire.requests import DRAFT_SCHEMA, ModifyShare, Unshare, draft_from_wire


@tells(answers.created_share_to_wire)
@shaped(DRAFT_SCHEMA)
def create(call: Call) -> Created:
    """POST /share."""
    draft = draft_from_wire(call.body, call.settings.hash_password)
    return Created(answers.created_share_to_wire(call.services.shares.share(draft, call.principal)))


@reads(ModifyShare)
def modify(call: Call, asked: ModifyShare) -> Done:
    """PATCH /share."""
    call.services.shares.modify(
        asked.share_token,
        call.principal,
        add_grants=asked.add_access_grants,
        remove_grants=asked.remove_access_grants,
    )
    return OK


@reads(Unshare)
def delete(call: Call, asked: Unshare) -> Done:
    """DELETE /unshare."""
    call.services.shares.unshare(asked.env_z_id, asked.share_token, call.principal)
    return OK


def detail(call: Call) -> Found:
    """GET /detail/share/{share_token}."""
    return Found(answers.share_to_wire(call.services.shares.detail(call.path["share_token"], call.principal)))


def urls(call: Call) -> Found:
    """GET /zrokd/shares/{share_token}."""
    token = call.path["share_token"]
    share = call.services.shares.detail(token, call.principal)
    urls, bind = call.services.shares.urls(token, call.principal), call.services.binds.of_share(token, call.principal)
    return Found(answers.share_urls_to_wire(share, urls) | {"bind": standing_to_wire(bind)})
