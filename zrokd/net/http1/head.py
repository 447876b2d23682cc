"""Heads: bytes -> RequestHead or ResponseHead, and back.

Strict on purpose: what two readers could read differently is refused. Source: RFC 9112 §2-§6, RFC 9110 §5, §7.2.
"""

from __future__ import annotations

import re

from zrokd.errors import MessageError
from zrokd.model.block import Block, Fields, field_lines, remembered
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.framing import NONE, UNTIL_CLOSE, Framing, declared_framing
from zrokd.net.http1.hops import connection_tokens, persists
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.memory import MEMORY

DEFAULTS = HttpLimits()

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!\"$-~]++) HTTP/([0-9]\.[0-9])\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*+))?\r\n")
# What a request line may look like while its end has not come.
_BEGUN_LINE = re.compile(rb"(?:" + _TOKEN + rb"(?: [!\"$-~]*+(?: [HTP/0-9.]{0,8}\r?)?)?)?")
# One field a line; a head is valid when there are as many of them as lines.
_FIELD = re.compile(rb"^(" + _TOKEN + rb"):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)\r\n", re.MULTILINE)
# Fields of one visitor alone, as nearly everybody spells them, and a value without blanks around it.
_OWN = (b"\r\nCookie: ", b"\r\nAuthorization: ")
_OWN_NAMES = frozenset([b"cookie", b"authorization"])
_VALUE = re.compile(rb"(?![ \t])[^\x00-\x08\x0a-\x1f\x7f]*+(?<![ \t])(?=\r\n)")
_NOT_A_FIELD = "a header line is not NAME: VALUE"
_PORT = rb"(?:[0-5]?[0-9]{0,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]++|\[[0-9A-Fa-f.]*+:[0-9A-Fa-f:.]*+\])(?::" + _PORT + rb")?")
_REFUSED = frozenset({b"CONNECT", b"TRACE"})
_USUAL = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_SLASH, _ONE = b"/1"
_MOST_KEPT = 2048  # bytes of the fields that a connection holds on to
_EMPTY = Block(())
_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*+)://([^/?]*+)(.*)", re.DOTALL)


def parse_request(data: bytes, limits: HttpLimits = DEFAULTS) -> RequestHead:
    """The head in `data`, which ends with its empty line. Absolute-form becomes origin-form with its authority as Host.

    :raises MessageError: with the status its sender is told.
    """
    return judge_request(data, limits)[0]


def judge_request(data: bytes, limits: HttpLimits, *, secure: bool = False) -> tuple[RequestHead, Framing]:
    """As `parse_request`, and how the body that follows is framed. `secure`: it came inside TLS."""
    judge = RequestJudge(secure=secure)
    return judge.judge(data, limits), judge.framing


class RequestJudge:
    """Judges the requests of one connection, of which each mostly says what the one before it said.

    So the fields of the last one stay, with what was found out about them, until others come or `forget` is called.
    """

    __slots__ = ("_again", "_block", "_lines", "_minor", "_secure", "framing", "keeps_alive")

    def __init__(self, *, secure: bool = False) -> None:
        self._secure = secure
        self.framing = NONE  # of the body behind the last request
        self.keeps_alive = True  # whether the client wants to send another after it
        self._minor = 1
        self.forget()

    def forget(self) -> None:
        """Give up what the last request said. With fields of 1 KiB that is some 10 KiB."""
        self._lines, self._block = b"", _EMPTY
        self._again = False  # whether another request said the same

    def judge(self, data: bytes, limits: HttpLimits) -> RequestHead:
        """As `parse_request`. The limits must be those of the request before, if there was one."""
        line = _REQUEST_LINE.match(data)
        if line is None or line.end() > limits.request_line_bytes:
            raise refused_line(data, limits)
        method, target, version = line.groups()
        if method not in _USUAL:
            _check_method(method)
        minor = 1 if version == b"1.1" else _minor_of(version)
        lines = _lines_of(data, line.end(), limits.head_bytes)
        if lines == self._lines and minor == self._minor and target[0] == _SLASH:
            return RequestHead.of(method, target, minor, self._known_block(), secure=self._secure)
        block = _few(_block_of(lines), limits.fields)
        self.framing, self.keeps_alive = _request_rules(block, minor)
        head = RequestHead.of(method, target, minor, block, secure=self._secure)
        if target[0] != _SLASH:
            head = _origin_form(head)
        if block.facts is None:
            MEMORY.keep(block)
        self._lines = lines if head.block is block and len(lines) <= _MOST_KEPT else b""
        self._minor, self._block, self._again = minor, block, False
        return head

    def _known_block(self) -> Block:
        """That of the last request. What is found out about it from now on is not for others who send the same."""
        if not self._again:
            self._again = True
            self._block = self._block if self._block.common else self._block.before(())
            self._block.remember()
        return self._block


def _minor_of(version: bytes) -> int:
    """Whether it is HTTP/1.0 or a later one. :raises MessageError: 505"""
    if version[0] != _ONE:
        raise MessageError(505, "this version of HTTP is not spoken here")
    return 0 if version == b"1.0" else 1


def check_request_line(data: bytes, limits: HttpLimits = DEFAULTS) -> None:
    """Refuse the beginning of a head as soon as its first line cannot be valid any more. :raises MessageError:"""
    end = data.find(b"\r\n")
    if not (_REQUEST_LINE.match(data) if end >= 0 else _BEGUN_LINE.fullmatch(data)):
        raise refused_line(data, limits)
    if (end if end >= 0 else len(data)) > limits.request_line_bytes:
        raise refused_line(data, limits)


def refused_line(data: bytes, limits: HttpLimits) -> MessageError:
    """Why the first line of `data` is not a request line."""
    line = data.partition(b"\r\n")[0]
    if len(line) > limits.request_line_bytes and re.match(_TOKEN + rb" ", line[:64]):
        return MessageError(414, "the request line is too long")
    return MessageError(400, "the first line is not METHOD TARGET HTTP/1.1")


def _check_method(method: bytes) -> None:
    if method.upper() in _REFUSED:  # there are servers to which case does not matter
        raise MessageError(405, "CONNECT and TRACE are not served here")


@remembered
def _request_rules(block: Block, minor: int) -> tuple[Framing, bool]:
    """How the body behind these fields is framed, and whether another request may follow it. :raises MessageError:"""
    hosts = block.all(b"host")
    if len(hosts) != 1 and (hosts or minor):
        raise MessageError(400, "there must be exactly one Host")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise MessageError(400, "Host is not a host name with an optional port")
    return declared_framing(block, minor) or NONE, persists(block, minor)


def _origin_form(head: RequestHead) -> RequestHead:
    target = head.target
    if target == b"*" and head.method == b"OPTIONS":
        return head
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or absolute[1].lower() not in (b"http", b"https"):
        raise MessageError(400, "the target is neither a path nor an http URL")
    if not _HOST.fullmatch(absolute[2]):
        raise MessageError(400, "the target's authority is not a host name with an optional port")
    fields = _with_host(head.fields, absolute[2])
    return RequestHead(head.method, _path(head.method, absolute[3]), head.minor, fields, head.secure)


def _path(method: bytes, rest: bytes) -> bytes:
    if not rest and method == b"OPTIONS":
        return b"*"
    return rest if rest.startswith(b"/") else b"/" + rest


def _with_host(fields: Fields, host: bytes) -> Fields:
    return ((b"Host", host), *(field for field in fields if field[0].lower() != b"host"))


def parse_response(data: bytes, limits: HttpLimits = DEFAULTS) -> ResponseHead:
    """The head in `data`, which ends with its empty line. :raises MessageError: 502."""
    return judge_response(data, limits)[0]


def judge_response(data: bytes, limits: HttpLimits, method: bytes = b"GET") -> tuple[ResponseHead, Framing]:
    """As `parse_response`, and how the body that follows, in answer to `method`, is framed."""
    line = _STATUS_LINE.match(data)
    if line is None:
        raise MessageError(502, "the first line is not HTTP/1.1 STATUS REASON")
    minor, status, reason = line.groups()
    try:
        block = _few(_known(_lines_of(data, line.end(), limits.response_head_bytes)), limits.response_fields)
        head = ResponseHead.of(int(status), (reason or b"").strip(b" \t"), 0 if minor == b"0" else 1, block)
        if head.status < 200 or head.status == 204:  # they carry no body whatever they say
            return head, NONE
        framing = declared_framing(block, head.minor) or UNTIL_CLOSE
    except MessageError as error:
        raise MessageError(502, str(error)) from error
    if block.facts is None:
        MEMORY.keep(block)
    return head, NONE if method == b"HEAD" or head.status == 304 else framing


def _lines_of(data: bytes, at: int, most: int) -> bytes:
    """The lines of the fields in `data`, which begin at `at`, with the CRLF before them."""
    if len(data) > most:
        raise MessageError(431, f"the head is larger than {most} bytes")
    if not data.endswith(b"\r\n\r\n"):
        raise MessageError(400, _NOT_A_FIELD)
    return data[at - 2 : -2]


def _few(block: Block, most: int) -> Block:
    if len(block.fields) > most:
        raise MessageError(431, f"there are more than {most} fields")
    return block


def _known(lines: bytes) -> Block:
    """The block of `lines`, which was met before or is new."""
    return MEMORY.find(lines) or _parse_lines(lines)


def _block_of(lines: bytes) -> Block:
    """As `_known`, where fields of one visitor alone stand apart."""
    rest, apart = _without_own(lines)
    block = _known(rest)
    if not apart:
        return block
    return block.before(apart) if _spares_own(block) else _parse_lines(lines)


def _without_own(lines: bytes) -> tuple[bytes, Fields]:
    """`lines` without the fields of one visitor alone, where they are spelt as usual, and these fields."""
    apart: Fields = ()
    for mark in _OWN:
        at = lines.find(mark)
        if at >= 0 and (value := _VALUE.match(lines, at + len(mark))):
            lines = lines[:at] + lines[value.end() :]
            apart += ((mark[2:-2], value[0]),)
    return lines, apart


@remembered
def _spares_own(block: Block) -> bool:
    """Whether it leaves the fields that were taken out alone: it neither repeats nor nominates one."""
    return _OWN_NAMES.isdisjoint(block.index) and _OWN_NAMES.isdisjoint(connection_tokens(block))


def _parse_lines(lines: bytes) -> Block:
    """The block of `lines`, which begin with CRLF."""
    fields = _FIELD.findall(lines)
    if len(fields) != lines.count(b"\n") - 1 or not lines.endswith(b"\r\n"):
        raise MessageError(400, _NOT_A_FIELD)
    if b" \r\n" in lines or b"\t\r\n" in lines:  # blanks at the end are not part of a value, and do not go on
        return Block(tuple([(name, value.rstrip(b" \t")) for name, value in fields]))
    return Block(tuple(fields), lines)


def parse_trailers(data: bytes, max_fields: int) -> Fields:
    """The trailer fields in `data`, empty line included. :raises MessageError: 400."""
    if not data.endswith(b"\r\n"):
        raise MessageError(400, _NOT_A_FIELD)
    fields = _parse_lines(b"\r\n" + data[:-2]).fields
    if len(fields) > max_fields:
        raise MessageError(431, f"there are more than {max_fields} fields")
    return fields


def encode_request(head: RequestHead) -> bytes:
    """The head as bytes, empty line included. :raises ValueError: as `encode_fields`."""
    return b"%s %s HTTP/1.%d%s\r\n" % (head.method, head.target, head.minor, head.block.lines)


def encode_response(head: ResponseHead) -> bytes:
    """The head as bytes, empty line included. We always answer as HTTP/1.1. Source: RFC 9110 §6.2.

    :raises ValueError: as `encode_fields`.
    """
    return b"HTTP/1.1 %d %s%s\r\n" % (head.status, head.reason, head.block.lines)


def encode_fields(fields: Fields) -> bytes:
    """Field lines and the empty line after them.

    :raises ValueError: a value made here holds CR, LF or NUL, which would let it forge other fields.
    """
    return field_lines(fields) + b"\r\n"
