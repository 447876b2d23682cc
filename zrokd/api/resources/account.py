"""Accounts: the operator's operations on them, and their tokens."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call, Created, Done, Found, Listed, reads, tells
from zrokd.errors import NotFound
from zrokd.model.account import Principal
from zrokd.wire import answers
from zrokd.wire.requests import MakeAccount, OneAccount, RegenerateAccountToken, SetPassword


@tells(answers.account_token_to_wire)
@reads(MakeAccount)
def create(call: Call, asked: MakeAccount) -> Created:
    """POST /account."""
    return Created(answers.account_token_to_wire(call.services.accounts.create(asked.email, asked.password)))


@reads(OneAccount)
def delete(call: Call, asked: OneAccount) -> Done:
    """DELETE /account."""
    call.services.accounts.delete(asked.email)
    return OK


@reads(SetPassword)
def set_password(call: Call, asked: SetPassword) -> Done:
    """PATCH /account."""
    if not asked.email or not asked.password:
        raise NotFound("email and password are needed")  # [zrok]
    call.services.logins.set(asked.email, asked.password)
    return OK


def listing(call: Call) -> Listed:
    """GET /zrokd/accounts."""
    found = call.services.accounts.list()
    return Listed(lambda: [answers.account_to_wire(account) for account in found])


@reads(RegenerateAccountToken)
def regenerate_own(call: Call, asked: RegenerateAccountToken) -> Answer:
    """POST /regenerateAccountToken. The address must be the caller's own [zrok]."""
    if asked.email_address.strip().lower() != call.principal.email:
        raise NotFound("no such account, or it is not yours")
    return _regenerate(call, call.principal)


@reads(OneAccount)
def regenerate_any(call: Call, asked: OneAccount) -> Answer:
    """POST /zrokd/accounts/token."""
    account = call.services.directory.account_by_email(asked.email)
    if account is None:
        raise NotFound("no such account")
    return _regenerate(call, Principal(account_id=account.id, email=account.email))


def _regenerate(call: Call, owner: Principal) -> Found:
    return Found(answers.account_token_to_wire(call.services.accounts.regenerate_token(owner)))
