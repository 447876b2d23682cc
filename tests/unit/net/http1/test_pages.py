import html.parser

import pytest

from zrokd.net.http1.pages import page, standard_page

STATUSES = [400, 404, 405, 408, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505, 508]


class Outline(html.parser.HTMLParser):
    VOID = ("meta", "!doctype")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("status", STATUSES)
def test_every_page_is_small_valid_and_of_the_same_shape(status):
    answer = standard_page(status)
    outline = Outline(answer.body.decode())
    assert outline.open == []
    assert outline.seen == Outline(standard_page(404).body.decode()).seen
    assert answer.status == status
    assert len(answer.body) < 1024
    assert str(status) in outline.text


@pytest.mark.parametrize("status", STATUSES)
def test_no_page_is_stored_and_none_is_framed_by_itself(status):
    fields = dict(standard_page(status).fields)
    assert fields[b"Cache-Control"] == b"no-store"
    assert fields[b"Content-Type"] == b"text/html; charset=utf-8"
    assert b"Content-Length" not in fields


def test_pages_follow_the_dark_mode_of_the_visitor():
    assert b'<meta name="color-scheme" content="light dark">' in standard_page(404).body


def test_title_and_message_are_escaped():
    body = page(404, "<script>", 'a "b" & <i>c</i>').body.decode()
    assert "<script>" not in body
    assert "<i>" not in body
    assert "&lt;script&gt;" in body
    assert "&amp;" in body


def test_a_status_without_our_own_words_takes_the_standards():
    assert "Locked" in standard_page(423).body.decode()
    assert "Not served" in standard_page(599).body.decode()
