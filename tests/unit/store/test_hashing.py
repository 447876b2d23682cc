"""Tokens at rest."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from zrokd.store.hashing import digest


def test_it_is_the_sha_256_of_the_text_in_hex():
    assert digest("Xy12abcdEFGH") == hashlib.sha256(b"Xy12abcdEFGH").hexdigest()


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_any_text_a_caller_can_send_has_a_digest(token):
    assert len(digest(token)) == 64
    assert digest(token) == digest(token)
    assert digest(token) != digest(token + "x")
