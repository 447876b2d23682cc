import pytest

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.websocket import accepts, check_handshake

KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the example of RFC 6455 §1.3


def asking(*fields: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"GET", b"/", 1, fields)


def test_the_handshake_of_the_standard_passes():
    check_handshake(asking((b"sec-websocket-version", b"13"), (b"Sec-WebSocket-KEY", KEY)))


@pytest.mark.parametrize("versions", [[], [b"12"], [b"13", b"13"], [b"13, 8"], [b"013"], [b""], [b"8", b"13"]])
def test_another_version_is_426(versions):
    fields = [(b"Sec-WebSocket-Version", version) for version in versions]
    with pytest.raises(MessageError) as raised:
        check_handshake(asking((b"Sec-WebSocket-Key", KEY), *fields))
    assert raised.value.status == 426


@pytest.mark.parametrize(
    "keys",
    [[], [KEY, KEY], [b""], [b"k"], [KEY[:-1]], [KEY + b"A"], [KEY.replace(b"Q==", b"R==")], [b"A" * 24], [b" " + KEY]],
)
def test_a_key_that_is_none_is_400(keys):
    fields = [(b"Sec-WebSocket-Key", key) for key in keys]
    with pytest.raises(MessageError) as raised:
        check_handshake(asking((b"Sec-WebSocket-Version", b"13"), *fields))
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("values", "right"), [([ACCEPT], True), ([], False), ([ACCEPT, ACCEPT], False), ([KEY], False), ([b""], False)]
)
def test_only_who_read_the_key_can_accept(values, right):
    answer = ResponseHead(101, b"", tuple((b"Sec-WebSocket-Accept", value) for value in values))
    assert accepts(asking((b"Sec-WebSocket-Key", KEY)), answer) is right
