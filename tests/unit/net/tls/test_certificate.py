"""Which certificates and keys are taken."""

import re
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from tests.certificates import issue
from zrokd.errors import Invalid
from zrokd.model.units import Secret
from zrokd.net.tls.certificate import caution, read

GOOD = issue("share.example.com", "*.Share.example.com", "127.0.0.1")
OTHER = issue("other.example.com", number=1)


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_a_certificate_knows_its_names_and_its_end(kind):
    issued = issue("share.example.com", "*.Share.example.com", "127.0.0.1", kind=kind, days=3)
    found = read(issued.chain, Secret(issued.key))
    assert found.names == ("share.example.com", "*.share.example.com", "127.0.0.1")
    assert timedelta(days=2) < found.ends - datetime.now(UTC) < timedelta(days=4)
    assert caution(found) == ""
    assert "PRIVATE" not in repr(found)


@pytest.mark.parametrize(
    ("chain", "key", "why"),
    [
        ("/etc/tls/share.crt", GOOD.key, "no certificate; write !file"),
        (GOOD.chain, "/etc/tls/share.key", "no private key; write !file"),
        (GOOD.key, GOOD.chain, "no certificate"),
        (GOOD.chain, OTHER.key, "does not belong to the first certificate"),
        (OTHER.chain + GOOD.chain, GOOD.key, "does not belong to the first certificate"),
        (GOOD.chain, issue("a", kind="rsa2048").key, "does not belong to the first certificate"),
        (GOOD.chain.replace("M", "N"), GOOD.key, "damaged"),
        (GOOD.chain[: len(GOOD.chain) // 2], GOOD.key, "damaged"),
        (GOOD.chain, GOOD.key[:80] + GOOD.key[-30:], "cannot be used"),
        (GOOD.chain, issue("a", passphrase=b"open sesame").key, "encrypted with a passphrase"),
        (issue("a", kind="rsa1024").chain, issue("a", kind="rsa1024").key, "too short"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(chain, key, why):
    with pytest.raises(Invalid, match=re.escape(why)) as caught:
        read(chain, Secret(key))
    assert "-----" not in str(caught.value)


def test_intermediate_certificates_may_follow():
    assert read(GOOD.chain + OTHER.chain, Secret(GOOD.key)).names[0] == "share.example.com"


def test_one_that_ended_or_names_nobody_can_be_used_and_is_warned_of():
    ended = issue("old.example.com", days=-1)
    assert "old.example.com ended on 20" in caution(read(ended.chain, Secret(ended.key)))
    nobody = issue()
    assert "names no host" in caution(read(nobody.chain, Secret(nobody.key)))


def test_what_it_offers_is_what_is_safe_today():
    context = read(GOOD.chain, Secret(GOOD.key)).context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert all(name.startswith("TLS_") or re.match(r"ECDHE-.*(GCM|CHACHA20)", name) for name in names)
