"""What sounds like a secret is one to messages about a configuration, to the log, and to what is remembered."""

from __future__ import annotations

import pytest

from zrokd.config.masking import mask_text
from zrokd.host.logs import Redactor
from zrokd.model.block import Block
from zrokd.model.secrecy import mask_parameters
from zrokd.net.http1.memory import BlockMemory

HIDDEN = "s3cret-of-a-test"
_SECRET = """
token access_token X-Auth-Token refreshToken secret client_secret client-secret password Passwd passphrase passcode
credential credentials basic_auth basicAuth bearer jwt x-jwt-assertion client_assertion SAMLResponse signature
api_key apikey api-key X-Api-Key apiKey access_key AccessKey private_key private-key account_key license_key
otp totp hotp x-otp otp_code pin x-pin pin_code
"""
_ONLY_IN_HEADS = """
Authorization Proxy-Authorization X-Auth Cookie Set-Cookie X-Csrf X-XSRF key Sec-WebSocket-Key x-pass session-id sign
X-SSO ticket cred
"""
_PLAIN = """
host accept user-agent content-type content-length accept-encoding upgrade-insecure-requests x-forwarded-for connection
option footprint pinned spinner shipping x-real-ip dnt te
"""

SECRET, ONLY_IN_HEADS, PLAIN = _SECRET.split(), _ONLY_IN_HEADS.split(), _PLAIN.split()


def remembered(name: str) -> bool:
    memory = BlockMemory()
    block = Block(((b"Host", b"a"), (name.encode(), HIDDEN.encode())))
    for _ in range(3):
        memory.keep(block)
    return any(HIDDEN.encode() in lines for lines in (*memory._young, *memory._old))


@pytest.mark.parametrize("name", SECRET)
def test_what_sounds_secret_is_hidden_everywhere(name: str) -> None:
    for form in (name, name.upper(), name.lower()):
        assert HIDDEN not in mask_text(f"{form}: {HIDDEN}")
        line = f"GET /a?x=1&{form}={HIDDEN}&y=2 failed"
        assert mask_parameters(line) == Redactor().clean(line) == f"GET /a?x=1&{form}=***&y=2 failed"
        assert not remembered(form)


@pytest.mark.parametrize("name", ONLY_IN_HEADS)
def test_what_may_be_secret_in_a_head_is_not_remembered(name: str) -> None:
    assert not remembered(name)


@pytest.mark.parametrize("name", PLAIN)
def test_other_names_are_shown_and_remembered(name: str) -> None:
    line = f"/a?{name}=1&b=2"
    assert mask_parameters(line) == line
    assert remembered(name)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f'"GET /?token={HIDDEN} HTTP/1.1" 200', '"GET /?token=*** HTTP/1.1" 200'),
        (f"http://a/?b&api_key={HIDDEN}#c", "http://a/?b&api_key=***#c"),
        ("token=abc", "token=abc"),
        ("is this a token?", "is this a token?"),
        ("a?token=", "a?token="),
        ("?" + "a" * 100_000 + "=1", "?" + "a" * 100_000 + "=1"),
    ],
)
def test_parameters_of_a_line(line: str, told: str) -> None:
    assert mask_parameters(line) == told
