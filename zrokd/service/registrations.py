"""How people without the operator's help get an account, or a password again: by proving an e-mail address."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zrokd.errors import Conflict, Invalid, NotFound
from zrokd.model.audit import REFUSED
from zrokd.model.naming import new_token
from zrokd.model.site import Invites
from zrokd.service import letters
from zrokd.service.attempts import Attempts
from zrokd.service.checks import check_mailbox, check_token
from zrokd.service.core import Core
from zrokd.service.passwords import check_password
from zrokd.store import accounts, audit, outbox, proofs, receipts, tokens
from zrokd.store.hashing import digest

_MOST_INVITES = 1000
_HOUR_S = 3600.0


class Registrations:
    """Invites, registrations and resets. Answers tell nobody which addresses have an account."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._peers = Attempts(core.clock, free=20, first_s=60.0, most_s=_HOUR_S)
        self._mailboxes = Attempts(core.clock, free=5, first_s=60.0, most_s=_HOUR_S)

    def generate(self, tokens: Sequence[str]) -> None:
        """Each of these lets one account register.

        :raises Invalid: there are none or too many, or one cannot be a secret. :raises Conflict: one is in use.
        """
        if not 0 < len(tokens) <= _MOST_INVITES:
            raise Invalid(f"between 1 and {_MOST_INVITES} invite tokens can be made at a time")
        digests = [digest(check_token(token, "an invite")) for token in tokens]
        now_ms = self._core.clock.now_ms()
        self._core.change("invite.created", "", lambda: _add_invites(digests, now_ms), count=len(digests))

    def invite(self, email: str, invite_token: str, peer: str) -> None:
        """Write to the address how to go on; to one that has an account, that it has.

        :raises Invalid: invites are closed, the address is none, or the token not good.
        :raises TooMany: somebody asks too often. :raises Unavailable: no mail can be sent.
        """
        known = self._writable(email, peer)
        self._tell(self._invite, known, invite_token, peer)

    def verify(self, token: str) -> str:
        """The e-mail address that a registration token proves. :raises NotFound: it proves none."""
        return self._core.store.read(self._email, digest(token))

    def register(self, token: str, password: str) -> str:
        """The token of a new account for the address that `token` proves, which is used up.

        :raises NotFound: it proves none, or that has an account meanwhile. :raises WeakPassword: says the rule.
        """
        self.verify(token)
        hashed = self._core.passwords.hash(check_password(password))
        account_token = new_token()
        self._core.store.write(self._register, digest(token), hashed, digest(account_token))
        return account_token

    def ask_reset(self, email: str, peer: str) -> None:
        """Write to the account's address how to get a new password; to one without account nothing.

        :raises Invalid: the address is none. :raises TooMany: somebody asks too often.
        """
        self._peers.check(peer)
        self._peers.note(peer)
        self._tell(self._ask_reset, check_mailbox(email))

    def reset(self, token: str, password: str) -> str:
        """A new password for the account to which a reset token was written; its address.

        The token is used up, and what logins gave ends: whoever knew the old password is out. Tokens of machines stay.

        :raises NotFound: it is not good. :raises WeakPassword: says the rule.
        """
        self._core.store.read(self._account, digest(token))
        hashed = self._core.passwords.hash(check_password(password))
        return self._core.store.write(self._reset, digest(token), hashed)

    def prune(self) -> int:
        """Forget what has expired. How many."""
        return self._core.store.write(proofs.prune, self._core.clock.now_ms())

    def _writable(self, email: str, peer: str) -> str:
        if self._core.site.invites == Invites.CLOSED:
            raise Invalid("accounts come from the operator here; nobody is invited")
        self._peers.check(peer)
        self._peers.note(peer)
        return check_mailbox(email)

    def _tell(self, work: Callable[..., None], email: str, *more: str) -> None:
        """Do it, and write to the address; not too often, or who is written to is pestered: silently, as it tells."""
        allowed = self._mailboxes.allows(email)
        self._core.store.write(work, email, *more, writes=allowed)
        if allowed:
            self._mailboxes.note(email)
            self._core.mailbox.ring()

    def _invite(self, email: str, invite_token: str, peer: str, *, writes: bool) -> None:
        site, now_ms = self._core.site, self._core.clock.now_ms()
        if site.invites == Invites.TOKEN and not proofs.take_invite(digest(invite_token), now_ms):
            raise Invalid("this needs an invite token that is good")
        audit.note("account.invited", account=email)
        known = accounts.by_email(email)
        if known is None:
            expires_at_ms = now_ms + int(site.register_within_s * 1000)
            proofs.add_registration(email, digest(new_token()), peer[:64], now_ms, expires_at_ms)
        if writes and known is None:
            outbox.add(outbox.REGISTER, email, now_ms)
        elif writes:
            outbox.add_ready(letters.to_known(email), now_ms)

    def _email(self, token_digest: str) -> str:
        email = proofs.registration(token_digest, self._core.clock.now_ms())
        if email is None:
            raise NotFound("no such registration, or it is too old")
        return email

    def _register(self, token_digest: str, password_hash: str, account_digest: str) -> None:
        now_ms, email = self._core.clock.now_ms(), self._email(token_digest)
        proofs.end_registrations(email)
        try:
            account = accounts.add(email, password_hash, now_ms)
        except Conflict as error:
            raise NotFound("no such registration, or it is too old") from error
        tokens.add(account.id, account_digest, "", now_ms)
        audit.note("account.registered", account=email)

    def _ask_reset(self, email: str, *, writes: bool) -> None:
        """For an address without account all is done that takes time: a record, a letter to nobody, a commit."""
        site, now_ms, account = self._core.site, self._core.clock.now_ms(), accounts.by_email(email)
        if writes:
            outbox.add(outbox.RESET if account else outbox.NOBODY, email, now_ms)
        if account is None:
            audit.note("account.reset_asked", account=email, outcome=REFUSED)
            return
        audit.note("account.reset_asked", account=email)
        proofs.add_reset(account.id, digest(new_token()), now_ms, now_ms + int(site.reset_within_s * 1000))

    def _account(self, token_digest: str) -> int:
        account_id = proofs.reset(token_digest, self._core.clock.now_ms())
        if account_id is None:
            raise NotFound("no such request for a new password, or it is too old")
        return account_id

    def _reset(self, token_digest: str, password_hash: str) -> str:
        account_id = self._account(token_digest)
        proofs.end_resets(account_id)
        accounts.set_password(account_id, password_hash, self._core.clock.now_ms())
        tokens.drop(account_id, tokens.LOGIN)
        email = accounts.email_of(account_id)
        audit.note("account.password_reset", account=email)
        return email


def _add_invites(digests: list[str], now_ms: int) -> None:
    proofs.add_invites(digests, now_ms)
    receipts.made(None)
