import pytest

from zrokd.model.block import Block
from zrokd.model.http import RequestHead, ResponseHead

FIELDS = ((b"A", b"1"), (b"B", b"2"), (b"a", b"3"))


@pytest.mark.parametrize("head", [RequestHead(b"GET", b"/", 1, FIELDS), ResponseHead(200, b"OK", FIELDS)])
def test_fields_are_found_in_any_case(head) -> None:
    assert head.get(b"a") == b"1"
    assert head.all(b"A") == [b"1", b"3"]
    assert head.all(b"c") == []
    assert head.with_field(b"a", b"4").fields == ((b"B", b"2"), (b"a", b"4"))
    assert head.without(b"b", b"A").fields == ()


@pytest.mark.parametrize("head", [RequestHead(b"GET", b"/", 1, FIELDS), ResponseHead(200, b"OK", FIELDS)])
def test_names_are_known_in_lower_case_and_follow_an_edit(head) -> None:
    assert head.names == {b"a", b"b"}
    edited = head.edited(frozenset([b"a"]), ((b"C", b"4"), (b"B", b"5")))
    assert edited.fields == ((b"B", b"2"), (b"C", b"4"), (b"B", b"5"))
    assert edited.names == {b"b", b"c"}
    assert head.edited(frozenset([b"c"])) is head


def test_heads_are_equal_when_what_they_say_is() -> None:
    asked, same = (RequestHead(b"GET", b"/", 1, FIELDS) for _ in range(2))
    assert asked.names
    assert asked == same
    assert hash(asked) == hash(same)
    assert "index" not in repr(asked)


def test_a_name_of_characters_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="bytes"):
        RequestHead(b"GET", b"/", 1, FIELDS).get("Host")  # type: ignore[arg-type]


def read(*lines: bytes) -> RequestHead:
    """A head as it came over the wire in these lines."""
    pairs = [line.partition(b":") for line in lines]
    fields = tuple((name, value.strip()) for name, _, value in pairs)
    return RequestHead.of(b"GET", b"/", 1, Block(fields, b"\r\n".join([b"", *lines, b""])))


@pytest.mark.parametrize(
    ("lines", "drop", "left"),
    [
        ((b"A: 1", b"B: 2"), b"a", (b"B: 2",)),
        ((b"A: 1", b"B: 2"), b"b", (b"A: 1",)),
        ((b"A: 1",), b"a", ()),
        ((), b"a", ()),
        ((b"X-A: 1", b"A: 1", b"A-X: 1"), b"a", (b"X-A: 1", b"A-X: 1")),
        ((b"A:1", b"B: 2"), b"a", (b"B: 2",)),
        ((b"A: \t 1", b"B:2"), b"a", (b"B:2",)),
        ((b"A: 1", b"B: 2", b"a: 1"), b"a", (b"B: 2",)),
        ((b"A: 1", b"B: 2", b"A: 1"), b"b", (b"A: 1", b"A: 1")),
        ((b"A: ", b"B: 2"), b"a", (b"B: 2",)),
        ((b"A: B: 2", b"B: 2"), b"b", (b"A: B: 2",)),
    ],
)
def test_lines_are_cut_out_of_a_head_as_it_came(lines, drop, left) -> None:
    edited = read(*lines).edited(frozenset([drop]), ((b"New", b"n"),))
    assert edited.block.lines == b"\r\n".join([b"", *left, b"New: n", b""])
    assert edited.fields == (*read(*left).fields, (b"New", b"n"))
    assert edited == RequestHead(b"GET", b"/", 1, edited.fields)
    assert edited.names == {name.lower() for name, _ in edited.fields}
    assert [edited.all(name) for name in (drop, b"new")] == [[], [b"n"]]


def test_a_name_that_an_edit_repeats_has_both_values() -> None:
    edited = read(b"A: 1").edited(frozenset(), ((b"a", b"2"),))
    assert edited.all(b"A") == [b"1", b"2"]
    assert edited.get(b"a") == b"1"
    assert edited.without(b"a").fields == ()


@pytest.mark.parametrize("value", [b"a\r\nX: y", b"a\nX: y", b"a\rX", b"a\0"])
def test_no_edit_forges_lines(value) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        read(b"A: 1").edited(frozenset(), ((b"B", value),))
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        assert RequestHead(b"GET", b"/", 1, ((b"B", value),)).block.lines
