"""Rules for what callers write."""

from __future__ import annotations

import re

from zrokd.errors import Invalid

_EMAIL = re.compile(r"[^@\s/]+@[^@\s/]+")
# One that a mail can be addressed to without quoting. Source: RFC 5321 §4.1.2, dot-string and domain
_MAILBOX = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_LEAST_TOKEN = 8


def check_text(text: str, what: str, most: int) -> str:
    """`text`, when it can be kept and shown. :raises Invalid: it is too long or holds control characters."""
    if len(text) > most:
        raise Invalid(f"the {what} is too long: {len(text)} characters, and {most} is the most")
    if not text.isprintable():
        raise Invalid(f"the {what} holds characters that cannot be printed")
    return text


def check_word(word: str, what: str) -> str:
    """`word`, when it can be the name of a mode, gate or frontend. :raises Invalid: says the rule."""
    if not _WORD.fullmatch(word):
        raise Invalid(f"{word!r} is not a valid {what}: a letter, then up to 31 letters, digits, - and _")
    return word


def check_email(email: str) -> str:
    """The one form of an e-mail address by which we know it. :raises Invalid: it is none."""
    known = check_text(email.strip().lower(), "e-mail address", 254)
    if not _EMAIL.fullmatch(known):
        raise Invalid(f"{email!r} is not an e-mail address")
    return known


def check_mailbox(email: str) -> str:
    """As `check_email`, for an address to which we write. :raises Invalid: it is none."""
    known = check_email(email)
    if not _MAILBOX.fullmatch(known):
        raise Invalid(f"{email!r} is not an e-mail address that we can write to")
    return known


def check_token(token: str, what: str) -> str:
    """`token`, when it can be a secret. :raises Invalid: says the rule, never the token."""
    if not _LEAST_TOKEN <= len(token) <= 256 or not token.isprintable() or " " in token or not token.isascii():
        raise Invalid(f"the token of {what} must be {_LEAST_TOKEN} to 256 printable ASCII characters without spaces")
    return token
