"""How people get an account, and in again."""

from __future__ import annotations

from zrokd.api.call import CREATED, OK, Answer, Call
from zrokd.errors import Denied, Invalid, NotFound
from zrokd.wire import answers
from zrokd.wire.requests import (
    AskReset,
    ChangePassword,
    GenerateInvites,
    Invite,
    Login,
    Register,
    ResetPassword,
    Verify,
    from_wire,
)


def login(call: Call) -> Answer:
    """POST /login: a token of its own for each login. zrok hands out one and the same, which it keeps in clear."""
    asked = from_wire(Login, call.body)
    if not asked.email or not asked.password:
        raise Denied("e-mail address or password are wrong")
    return Answer(200, call.services.logins.login(asked.email, asked.password, call.peer))


def change_password(call: Call) -> Answer:
    """POST /changePassword. The address must be the caller's own."""
    asked = from_wire(ChangePassword, call.body)
    if not asked.email or not asked.old_password or not asked.new_password:
        raise Denied("e-mail address or password are wrong")  # [zrok]
    call.services.logins.change(asked.email, asked.old_password, asked.new_password, call.principal, call.peer)
    return OK


def invite(call: Call) -> Answer:
    """POST /invite: the same answer whether the address has an account or not."""
    asked = from_wire(Invite, call.body)
    call.services.registrations.invite(asked.email, asked.invite_token, call.peer)
    return CREATED


def generate(call: Call) -> Answer:
    """POST /invite/token/generate."""
    asked = from_wire(GenerateInvites, call.body)
    if not asked.invite_tokens:
        raise Invalid("inviteTokens is missing")
    call.services.registrations.generate(asked.invite_tokens)
    return CREATED


def verify(call: Call) -> Answer:
    """POST /verify."""
    email = call.services.registrations.verify(from_wire(Verify, call.body).register_token)
    return Answer(200, answers.verified_to_wire(email))


def register(call: Call) -> Answer:
    """POST /register."""
    asked = from_wire(Register, call.body)
    if not asked.register_token or not asked.password:
        raise NotFound("registerToken and password are needed")  # [zrok]
    token = call.services.registrations.register(asked.register_token, asked.password)
    return Answer(200, answers.account_token_to_wire(token))


def ask_reset(call: Call) -> Answer:
    """POST /resetPasswordRequest: the same answer whether the address has an account or not."""
    call.services.registrations.ask_reset(from_wire(AskReset, call.body).email_address, call.peer)
    return CREATED


def reset(call: Call) -> Answer:
    """POST /resetPassword."""
    asked = from_wire(ResetPassword, call.body)
    if not asked.reset_token or not asked.password:
        raise NotFound("resetToken and password are needed")  # [zrok]
    call.services.registrations.reset(asked.reset_token, asked.password)
    return OK
