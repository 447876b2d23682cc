import pytest

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
    assert "_index" not in repr(asked)


def test_a_name_of_characters_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="bytes"):
        RequestHead(b"GET", b"/", 1, FIELDS).get("Host")  # type: ignore[arg-type]
