"""Accounts: the operator's operations on them, and their tokens."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call
from zrokd.errors import NotFound
from zrokd.model.account import Principal
from zrokd.wire import answers
from zrokd.wire.requests import MakeAccount, OneAccount, RegenerateAccountToken, SetPassword, from_wire


def create(call: Call) -> Answer:
    """POST /account."""
    asked = from_wire(MakeAccount, call.body)
    return Answer(201, answers.account_token_to_wire(call.services.accounts.create(asked.email, asked.password)))


def delete(call: Call) -> Answer:
    """DELETE /account."""
    call.services.accounts.delete(from_wire(OneAccount, call.body).email)
    return OK


def set_password(call: Call) -> Answer:
    """PATCH /account."""
    asked = from_wire(SetPassword, call.body)
    if not asked.email or not asked.password:
        raise NotFound("email and password are needed")  # [zrok]
    call.services.logins.set(asked.email, asked.password)
    return OK


def listing(call: Call) -> Answer:
    """GET /zrokd/accounts."""
    return Answer(200, [answers.account_to_wire(account) for account in call.services.accounts.list()])


def regenerate_own(call: Call) -> Answer:
    """POST /regenerateAccountToken. The address must be the caller's own [zrok]."""
    asked = from_wire(RegenerateAccountToken, call.body)
    if asked.email_address.strip().lower() != call.principal.email:
        raise NotFound("no such account, or it is not yours")
    return _regenerate(call, call.principal)


def regenerate_any(call: Call) -> Answer:
    """POST /zrokd/accounts/token."""
    account = call.services.directory.account_by_email(from_wire(OneAccount, call.body).email)
    if account is None:
        raise NotFound("no such account")
    return _regenerate(call, Principal(account_id=account.id, email=account.email))


def _regenerate(call: Call, owner: Principal) -> Answer:
    return Answer(200, answers.account_token_to_wire(call.services.accounts.regenerate_token(owner)))
