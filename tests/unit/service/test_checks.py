"""Rules for what callers write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid
from zrokd.service.checks import check_email, check_text, check_token, check_word

ANY = st.text(alphabet=st.characters(blacklist_categories=()))


@pytest.mark.parametrize("text", ["", "a host", "höst ☃ 雪", "x" * 10])
def test_printable_text_passes_as_it_is(text):
    assert check_text(text, "description", 10) == text


@pytest.mark.parametrize("text", ["x" * 11, "a\nb", "a\0b", "\x1b[31m", "\ud800", "\u202e", "\u2028"])
def test_text_that_is_too_long_or_not_printable_does_not(text):
    with pytest.raises(Invalid, match="^the description "):
        check_text(text, "description", 10)


@pytest.mark.parametrize("word", ["proxy", "tcpTunnel", "a", "my-gate_2", "x" * 32])
def test_words_pass(word):
    assert check_word(word, "mode") == word


@pytest.mark.parametrize("word", ["", "2fast", "-a", "a b", "a/b", "a.b", "ä", "x" * 33, "a\n"])
def test_other_words_do_not(word):
    with pytest.raises(Invalid, match="is not a valid mode"):
        check_word(word, "mode")


@pytest.mark.parametrize(
    ("email", "known"),
    [
        ("ann@example.com", "ann@example.com"),
        (" Ann@Example.COM ", "ann@example.com"),
        ("o'neil+tag@x", "o'neil+tag@x"),
        ("änn@exämple.com", "änn@exämple.com"),
    ],
)
def test_an_address_has_one_form(email, known):
    assert check_email(email) == known


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "@x", "a@b@c", "a b@c", "../../x@y", "a@b\0", "x" * 250 + "@y.de"]
)
def test_what_is_no_address_is_refused(email):
    with pytest.raises(Invalid, match="e-mail address"):
        check_email(email)


@pytest.mark.parametrize("token", ["", "short77", "x" * 257, "with space", "with\ttab", "täglich-x", "\ud800" * 9])
def test_a_weak_token_is_refused_without_being_told(token):
    with pytest.raises(Invalid) as caught:
        check_token(token, "frontend edge")
    assert not token or token not in str(caught.value)
    assert "frontend edge" in str(caught.value)


def test_a_token_passes_as_it_is():
    assert check_token("S3cret!-", "x") == "S3cret!-"


@given(ANY)
def test_whatever_comes_is_taken_or_refused_in_our_words(text):
    for check in (
        lambda: check_text(text, "target", 64),
        lambda: check_word(text, "mode"),
        lambda: check_email(text),
        lambda: check_token(text, "x"),
    ):
        try:
            taken = check()
        except Invalid as error:
            assert "\n" not in str(error) and str(error).isprintable()
        else:
            assert taken.isprintable()
