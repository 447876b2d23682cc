import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zrokd_plugins.overlay_ziti.crypto import HEADER_BYTES, OVERHEAD_BYTES, CryptoError, KeyPair, Opener, Sealer


@pytest.fixture
def ends():
    dialler, host = KeyPair(), KeyPair()
    return dialler.dialler_keys(host.public), host.host_keys(dialler.public)


def test_what_one_end_seals_the_other_opens_in_both_directions(ends):
    dialler, host = ends
    assert (dialler.tx, dialler.rx) == (host.rx, host.tx)
    assert dialler.tx != dialler.rx


@given(st.lists(st.binary(max_size=2000), max_size=10))
def test_messages_open_to_what_was_sealed(messages):
    key = os.urandom(32)
    sealer, opener = Sealer(key), Opener(key)
    assert len(sealer.header) == HEADER_BYTES == 24
    assert opener.open(sealer.header) == b""
    for message in messages:
        sealed = sealer.seal(message)
        assert len(sealed) == len(message) + OVERHEAD_BYTES
        assert opener.open(sealed) == message


@pytest.mark.parametrize("tamper", ["flip", "cut", "twice", "swap", "empty"])
def test_what_was_not_sealed_by_the_peer_breaks_the_stream(tamper):
    key = os.urandom(32)
    sealer, opener = Sealer(key), Opener(key)
    opener.open(sealer.header)
    first, second = sealer.seal(b"first"), sealer.seal(b"second")
    if tamper == "twice":
        opener.open(first)
    wrong = {
        "flip": bytes([first[0] ^ 1]) + first[1:],
        "cut": first[:-1],
        "twice": first,
        "swap": second,
        "empty": b"",
    }[tamper]
    with pytest.raises(CryptoError):
        opener.open(wrong)


@pytest.mark.parametrize("header", [b"", b"x" * 23, b"x" * 25])
def test_a_stream_begins_with_its_header(header):
    with pytest.raises(CryptoError):
        Opener(os.urandom(32)).open(header)


def test_another_key_opens_nothing():
    sealer, opener = Sealer(os.urandom(32)), Opener(os.urandom(32))
    opener.open(sealer.header)
    with pytest.raises(CryptoError):
        opener.open(sealer.seal(b"secret"))


@pytest.mark.parametrize("peer", [b"", b"x" * 31, b"x" * 33, b"\0" * 32])
def test_a_public_key_that_is_none_is_refused(peer):
    with pytest.raises(CryptoError):
        KeyPair().dialler_keys(peer)
    with pytest.raises(CryptoError):
        KeyPair().host_keys(peer)
