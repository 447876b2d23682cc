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
