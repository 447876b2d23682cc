import json
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.api.bodies import MEDIA_TYPE, acceptable, decode, encode, encode_large, is_json
from zrokd.errors import Invalid


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/*",
        MEDIA_TYPE,
        "Application/ZROK.v1+json",
        "application/json, application/zrok.v1+json",
        "text/html, */*;q=0.1",
        "application/zrok.v1+json; q=0.5",
    ],
)
def test_clients_that_take_json_are_served(accept):
    assert acceptable(accept)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", "application/json ; q = 0.000", "json"])
def test_clients_that_do_not_take_json_are_told(accept):
    assert not acceptable(accept)


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        (MEDIA_TYPE, True),
        ("application/json; charset=utf-8", True),
        ("APPLICATION/JSON", True),
        (None, False),
        ("", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("application/jsonp", False),
    ],
)
def test_bodies_of_our_two_types_are_read(content_type, taken):
    assert is_json(content_type) is taken


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"b": {"a": 1, "a": 1}}', "stands twice"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": -Infinity}', "-Infinity is no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 10_000 + b"]" * 10_000, "not JSON"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "nested too deeply"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
    ],
)
def test_bodies_that_are_no_plain_objects_are_refused_quickly(data, sentence):
    began = time.monotonic()
    with pytest.raises(Invalid, match=sentence):
        decode(data)
    assert time.monotonic() - began < 0.2


def test_bodies_may_end_with_a_newline():
    assert decode(b'{"a": [1, {"b": null}]}\n') == {"a": [1, {"b": None}]}


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_invalid(data):
    try:
        assert isinstance(decode(data), dict)
    except Invalid as error:
        assert len(str(error)) <= 200


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=5))
def test_what_json_writes_is_read(document):
    assert decode(json.dumps(document).encode()) == document


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@pytest.mark.slow
def test_a_large_document_is_the_same_in_pieces(document):
    whole = encode(document)
    assert b"".join(encode_large(document)) == whole


def test_no_piece_of_a_list_is_large(monkeypatch):
    longest = 0

    def measured(document):
        nonlocal longest
        text = json.dumps(document)
        longest = max(longest, len(text))
        return text

    monkeypatch.setattr("zrokd.api.bodies._encode", measured)
    share = {"token": "x" * 12, "endpoints": ["x"] * 3}
    told = encode_large(
        {"environments": [{"environment": {"id": 1}, "shares": [share] * 1000}], "names": [share] * 1000}
    )
    assert sum(map(len, told)) > 100_000 and longest < 200


def test_a_large_document_comes_in_chunks_and_is_forgotten_on_the_way():
    alive = weakref.WeakSet()

    class Item(dict):
        def __init__(self, number):
            super().__init__(number=number, text="x" * 100)
            alive.add(self)

        __hash__ = object.__hash__

    most_alive = 0

    class Watched(list):
        def pop(self):
            nonlocal most_alive
            most_alive = max(most_alive, len(alive) - len(self))
            return super().pop()

    chunks = encode_large(Watched(Item(number) for number in range(5000)))
    assert [one["number"] for one in json.loads(b"".join(chunks))] == [*range(5000)]
    assert len(chunks) > 5 and max(map(len, chunks)) < 70_000
    assert not alive and most_alive <= 2
