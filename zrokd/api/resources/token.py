"""Tokens with a name: an account's own, and the operator's hand on everybody's."""

from __future__ import annotations

from typing import Any

from zrokd.api.call import OK, Call, Created, Done, Found, queried, reads, tells
from zrokd.errors import Invalid, NotFound
from zrokd.model.account import Scope, Token
from zrokd.service.core import account_of
from zrokd.wire import answers
from zrokd.wire.fields import choice, text
from zrokd.wire.operator_requests import AnyToken, MakeAnyToken
from zrokd.wire.requests import MakeToken, OneToken


def _token_to_wire(made: tuple[Token, str]) -> dict[str, Any]:
    return answers.created_token_to_wire(*made)


def listing(call: Call) -> Found:
    """GET /zrokd/tokens."""
    return _listed(call.services.tokens.list(account_of(call.principal)))


@tells(_token_to_wire)
@reads(MakeToken)
def create(call: Call, asked: MakeToken) -> Created:
    """POST /zrokd/tokens: the only answer that has the secret in it."""
    return _made(_create(call, account_of(call.principal), asked.name, asked.expires_in_s))


@reads(OneToken)
def revoke(call: Call, asked: OneToken) -> Done:
    """DELETE /zrokd/tokens: all of this name."""
    call.services.tokens.revoke(account_of(call.principal), asked.name)
    return OK


@queried("email")
def listing_of(call: Call) -> Found:
    """GET /zrokd/admin/tokens?email=E: an account's; without an address those of administrators."""
    email = text(call.query, "email")
    tokens = call.services.tokens
    return _listed(tokens.list(_account(call, email)) if email else tokens.list_admin())


@tells(_token_to_wire)
@reads(MakeAnyToken)
def create_of(call: Call, asked: MakeAnyToken) -> Created:
    """POST /zrokd/admin/tokens: for the account of an address, or for an administrator."""
    if asked.email:
        return _made(_create(call, _account(call, asked.email), asked.name, asked.expires_in_s))
    if choice(call.body, "scope", Scope, Scope.ADMIN) is not Scope.ADMIN:
        raise Invalid("a token without an account has the scope admin; give an email")
    return _made(call.services.tokens.create_admin(asked.name, asked.expires_in_s))


@reads(AnyToken)
def revoke_of(call: Call, asked: AnyToken) -> Done:
    """DELETE /zrokd/admin/tokens: an account's; without an address one of an administrator."""
    if asked.email:
        call.services.tokens.revoke(_account(call, asked.email), asked.name)
    else:
        call.services.tokens.revoke_admin(asked.name)
    return OK


def _create(call: Call, account_id: int, name: str, expires_in_s: int) -> tuple[Token, str]:
    scope = choice(call.body, "scope", Scope, Scope.SHARE)
    return call.services.tokens.create(account_id, name, scope, expires_in_s)


def _account(call: Call, email: str) -> int:
    account = call.services.directory.account_by_email(email)
    if account is None:
        raise NotFound("no such account")
    return account.id


def _listed(tokens: tuple[Token, ...]) -> Found:
    return Found([answers.token_to_wire(token) for token in tokens])


def _made(made: tuple[Token, str]) -> Created:
    return Created(_token_to_wire(made))
