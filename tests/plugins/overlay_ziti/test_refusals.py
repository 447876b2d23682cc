import pytest
from zrokd_plugins.overlay_ziti.frames import Frame, Key, Kind, Refusal, u32
from zrokd_plugins.overlay_ziti.refusals import is_absent, is_stale, is_unknown, words_of


def answer(words, code=None):
    headers = {} if code is None else {Key.ERROR: u32(code)}
    return Frame(Kind.CLOSED, 1, headers, words)


@pytest.mark.parametrize(
    ("words", "code", "meaning"),
    [
        (b"service 1 has no terminators", None, is_absent),
        (b"exceeded maximum [2] retries creating circuit [c/1]", None, is_absent),
        (b"Service Not Found", None, is_unknown),
        (b"whatever", Refusal.INVALID_SERVICE, is_unknown),
        (b"Invalid Session", None, is_stale),
        (b"whatever", Refusal.INVALID_API_SESSION, is_stale),
        (b"can't find a path", None, None),
        (b"", None, None),
    ],
)
def test_each_answer_means_one_thing(words, code, meaning):
    found = [each for each in (is_absent, is_unknown, is_stale) if each(answer(words, code))]
    assert found == ([meaning] if meaning else [])


def test_words_that_are_no_text_are_told_all_the_same():
    assert words_of(answer(b"\xff!")) == "\ufffd!"
