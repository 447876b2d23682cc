"""How people get an account, and in again."""

from __future__ import annotations

from zrokd.api.call import CREATED, OK, Call, Created, Done, Found, Made, reads
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
)


@reads(Login)
def login(call: Call, asked: Login) -> Found:
    """POST /login: a token of its own for each login. zrok hands out one and the same, which it keeps in clear."""
    if not asked.email or not asked.password:
        raise Denied("e-mail address or password are wrong")
    return Found(call.services.logins.login(asked.email, asked.password, call.peer))


@reads(Login)
def login_admin(call: Call, asked: Login) -> Created:
    """POST /zrokd/admin/login: a token that ends, for who administers by the word of an authenticator."""
    if not asked.email or not asked.password:
        raise Denied("e-mail address or password are wrong")
    return Created(
        answers.created_token_to_wire(*call.services.logins.login_admin(asked.email, asked.password, call.peer))
    )


@reads(ChangePassword)
def change_password(call: Call, asked: ChangePassword) -> Done:
    """POST /changePassword. The address must be the caller's own."""
    if not asked.email or not asked.old_password or not asked.new_password:
        raise Denied("e-mail address or password are wrong")  # [zrok]
    call.services.logins.change(asked.email, asked.old_password, asked.new_password, call.principal, call.peer)
    return OK


@reads(Invite)
def invite(call: Call, asked: Invite) -> Made:
    """POST /invite: the same answer whether the address has an account or not."""
    call.services.registrations.invite(asked.email, asked.invite_token, call.peer)
    return CREATED


@reads(GenerateInvites)
def generate(call: Call, asked: GenerateInvites) -> Made:
    """POST /invite/token/generate."""
    if not asked.invite_tokens:
        raise Invalid("inviteTokens is missing")
    call.services.registrations.generate(asked.invite_tokens)
    return CREATED


@reads(Verify)
def verify(call: Call, asked: Verify) -> Found:
    """POST /verify."""
    email = call.services.registrations.verify(asked.register_token)
    return Found(answers.verified_to_wire(email))


@reads(Register)
def register(call: Call, asked: Register) -> Found:
    """POST /register."""
    if not asked.register_token or not asked.password:
        raise NotFound("registerToken and password are needed")  # [zrok]
    token = call.services.registrations.register(asked.register_token, asked.password)
    return Found(answers.account_token_to_wire(token))


@reads(AskReset)
def ask_reset(call: Call, asked: AskReset) -> Made:
    """POST /resetPasswordRequest: the same answer whether the address has an account or not."""
    call.services.registrations.ask_reset(asked.email_address, call.peer)
    return CREATED


@reads(ResetPassword)
def reset(call: Call, asked: ResetPassword) -> Done:
    """POST /resetPassword."""
    if not asked.reset_token or not asked.password:
        raise NotFound("resetToken and password are needed")  # [zrok]
    email = call.services.registrations.reset(asked.reset_token, asked.password)
    call.services.logins.welcome(email, call.peer)
    return OK
