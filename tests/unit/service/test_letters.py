import pytest

from zrokd.service import letters

EVIL = '<script>alert("x")</script>@example.com'


@pytest.mark.parametrize("make", [letters.to_register, letters.to_reset])
def test_a_letter_has_the_link_once_as_text_and_as_markup(make):
    letter = make("ann@example.com", "AbCdEfGhIjKl", "https://z.example/go/", 7200)
    assert letter.text.count("https://z.example/go/AbCdEfGhIjKl\n") == 1
    assert '<a href="https://z.example/go/AbCdEfGhIjKl">' in letter.html
    assert "It is good for 2 hours." in letter.text


@pytest.mark.parametrize("make", [letters.to_register, letters.to_reset])
def test_without_a_page_the_letter_has_the_token(make):
    letter = make("ann@example.com", "AbCdEfGhIjKl", "", 900)
    assert "token is AbCdEfGhIjKl" in letter.text and "token is AbCdEfGhIjKl" in letter.html
    assert "15 minutes" in letter.text and "http" not in letter.text


def test_what_people_write_is_no_markup():
    letter = letters.to_known(EVIL)
    assert "<script>" in letter.text and "<script>" not in letter.html


def test_a_letter_that_is_printed_keeps_its_secret():
    letter = letters.to_reset("ann@example.com", "AbCdEfGhIjKl", "", 900)
    assert "AbCdEfGhIjKl" not in repr(letter) and "ann@example.com" in repr(letter)
