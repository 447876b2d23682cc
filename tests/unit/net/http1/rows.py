"""Requests as raw bytes, row by row of the rules for hostile input; whoever reads requests is held to them."""

from __future__ import annotations

import pytest

H = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + H
TE = b"Transfer-Encoding: chunked\r\n"
CL = b"Content-Length: 3\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
BODY = b"\r\n3\r\nabc\r\n0\r\n\r\n"


def get(line: bytes = b"GET / HTTP/1.1", fields: bytes = H) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def field(line: bytes) -> bytes:
    return get(fields=H + line)


def host(value: bytes) -> bytes:
    return get(fields=b"Host: " + value + b"\r\n")


def post(fields: bytes, body: bytes = b"abc") -> bytes:
    return POST + fields + b"\r\n" + body


def chunks(data: bytes) -> bytes:
    return POST + TE + b"\r\n" + data


def last(trailers: bytes) -> bytes:
    return chunks(b"3\r\nabc\r\n0\r\n" + trailers)


# id, what is sent, statuses that refuse it
HEADS = [
    ("Q01", POST + CL + TE + BODY, {400}),
    ("Q01", POST + TE + CL + BODY, {400}),
    ("Q01", POST + b"content-length: 0\r\nX: y\r\ntransfer-encoding: Chunked\r\n" + BODY, {400}),
    ("Q01", POST + b"Content-Length: 5\r\nTransfer-Encoding:\tchunked\r\n" + BODY, {400}),
    ("Q02", post(CL + b"Content-Length: 4\r\n", b"abcd"), {400}),
    ("Q02", post(CL + b"content-length: 0\r\n"), {400}),
    ("Q02", post(b"Content-Length: 3, 4\r\n", b"abcd"), {400}),
    ("Q03", post(CL + CL), {400}),
    ("Q03", post(b"Content-Length: 3, 3\r\n"), {400}),
    ("Q03", post(b"Content-Length: 3,\r\n"), {400}),
    *(
        ("Q04", post(b"Content-Length: " + value + b"\r\n"), {400})
        for value in (
            b"+3",
            b"-3",
            b"0x3",
            b"1_0",
            b"3 3",
            b"",
            b"1" * 23,
            b"\xa03",
            b"3\xa0",
            b"3.0",
            b"3e0",
            b"\xb3",
            b"3;",
            b'"3"',
            b"\x0b3",
            b"3\x0c",
            b"9" * 19,
            b"\xd9\xa3",
        )
    ),
    *(
        ("Q05", post(b"Transfer-Encoding: " + value + b"\r\n", BODY[2:]), {400, 501})
        for value in (
            b"identity",
            b"xchunked",
            b"chunked, gzip",
            b"gzip, chunked",
            b"chunked;q=1",
            b"chunked, chunked",
            b"\x0bchunked",
            b"\xa0chunked",
            b"chunked\x0b",
            b"",
            b'"chunked"',
            b"chunked chunked",
            b"chunke",
            b"chunked\xff",
            b"chun\tked",
            b"identity, chunked",
            b"\xc2\xa0chunked",
        )
    ),
    ("Q05", POST + TE + TE + BODY, {400, 501}),
    ("Q05", POST + TE + b"Transfer-Encoding: identity\r\n" + BODY, {400, 501}),
    ("Q06", post(b"Transfer-Encoding: ,chunked\r\n", BODY[2:]), {400, 501}),
    ("Q06", post(b"Transfer-Encoding: chunked,\r\n", BODY[2:]), {400, 501}),
    ("Q06", post(b"Transfer-Encoding: , chunked\r\n", BODY[2:]), {400, 501}),
    ("Q07", b"POST / HTTP/1.0\r\n" + H + TE + BODY + NEXT, {400}),
    ("Q07", b"POST / HTTP/1.0\r\n" + H + b"Connection: keep-alive\r\n" + TE + CL + BODY + NEXT, {400}),
    ("Q08", POST + b"Transfer-Encoding : chunked\r\n" + BODY, {400}),
    ("Q08", POST + b"Transfer-Encoding\t: chunked\r\n" + BODY, {400}),
    ("Q08", post(b"Content-Length : 3\r\n"), {400}),
    ("Q08", get(fields=b"Host : a\r\n"), {400}),
    ("Q08", field(b"X-A : b\r\n"), {400}),
    ("Q08", field(b"X-A\t: b\r\n"), {400}),
    ("Q09", field(b"X-A: b\r\n c\r\n"), {400}),
    ("Q09", field(b"X-A: b\r\n\tc\r\n"), {400}),
    ("Q09", field(b"X-A:\r\n \r\n"), {400}),
    ("Q09", get(fields=H + b" b\r\n"), {400}),
    ("Q09", POST + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n" + BODY, {400}),
    ("Q09", POST + b"Transfer-Encoding: chunked\r\n , gzip\r\n" + BODY, {400}),
    ("Q10", get(fields=b" " + H), {400}),
    ("Q10", get(fields=b"\tX: y\r\n" + H), {400}),
    ("Q10", get(fields=b" \r\n" + H), {400}),
    ("Q11", field(b"nocolon\r\n"), {400}),
    ("Q11", field(b": empty\r\n"), {400}),
    ("Q11", field(b":\r\n"), {400}),
    ("Q12", field(b"X: a\x00b\r\n"), {400}),
    ("Q12", field(b"X: \x00\r\n"), {400}),
    ("Q12", field(b"X: a\rb\r\n"), {400}),
    ("Q12", field(b"X: a\r\r\n"), {400}),
    ("Q12", field(b"X\x00Y: a\r\n"), {400}),
    ("Q12", field(b"X\rY: a\r\n"), {400}),
    *(("Q13", field(b"X: a" + bytes([code]) + b"b\r\n"), {400}) for code in (1, 8, 11, 12, 14, 27, 31, 127)),
    *(("Q13", field(b"X" + name + b"Y: a\r\n"), {400}) for name in (b"\xef", b"(", b"/", b"[", b"\x7f", b"@", b'"')),
    ("Q14", b"GET / HTTP/1.1\nHost: a\n\n", {400}),
    ("Q14", b"GET / HTTP/1.1\nHost: a\r\n\r\n", {400}),
    ("Q14", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", {400}),
    ("Q14", b"GET / HTTP/1.1\r\nHost: a\r\n\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    ("Q14", b"GET / HTTP/1.1\rHost: a\r\r", {400}),
    ("Q14", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", {400}),
    ("Q14", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    ("Q16", b"\r\n" * 5000 + get(), {400}),
    ("Q16", b"\r\n" * 3 + get(), {400}),
    ("Q17", get(fields=b"X: y\r\n"), {400}),
    ("Q17", get(fields=b""), {400}),
    ("Q17", get(b"GET http://a/ HTTP/1.1", b"X: y\r\n"), {400}),
    ("Q18", get(fields=H + H), {400}),
    ("Q18", get(fields=H + b"host: b\r\n"), {400}),
    ("Q18", get(fields=b"HOST: b\r\nX: y\r\n" + H), {400}),
    ("Q18", get(b"GET http://a/ HTTP/1.1", H + H), {400}),
    *(("Q18", host(value), {400}) for value in (b"a, b", b"a,a", b"a;b")),
    *(
        ("Q19", host(value), {400})
        for value in (
            b"a b",
            b"u@h",
            b"h/x",
            b"h:99999x",
            b"a:80:80",
            b"a?b",
            b"a#b",
            b"a\\b",
            b"http://a",
            b"[::1",
            b"::1",
            b"[a]",
            b"a:-1",
            b"a:+80",
            b"a:8\t0",
            b"a:65536",
            b"a:99999",
            b'a"',
            b"<a>",
            b"a%00",
            b"a\xa0",
            b":80",
            b"a:80 ,b",
            b"[::1]x",
        )
    ),
    *(("Q20", host(value), {400}) for value in (b"", b" ", b"\t")),
    *(
        ("Q22", get(b"GET " + target + b" HTTP/1.1"), {400})
        for target in (
            b"http://u:p@a/",
            b"http://u@a/",
            b"ftp://a/",
            b"file:///etc/passwd",
            b"http:///",
            b"http://",
            b"http:a/",
            b"http:/a/",
            b"http://a b/",
            b"http://a:1x/",
            b"http://a,b/",
            b"gopher://a/",
            b"http://a@b:80/",
            b"http://a\\@b/",
            b"http://?x",
            b"javascript://a/",
            b"ws://a/",
            b"http://a:65536/",
        )
    ),
    *(
        ("Q23", get(line), {400})
        for line in (
            b"GET a:80 HTTP/1.1",
            b"GET * HTTP/1.1",
            b"GET path HTTP/1.1",
            b"GET ?x HTTP/1.1",
            b"GET a HTTP/1.1",
            b"POST * HTTP/1.1",
            b"OPTIONS ** HTTP/1.1",
            b"OPTIONS *x HTTP/1.1",
            b"GET \\x HTTP/1.1",
            b"GET ./x HTTP/1.1",
        )
    ),
    *(
        ("Q24", get(method + b" " + target + b" HTTP/1.1"), {405, 501})
        for method in (b"CONNECT", b"connect", b"Connect")
        for target in (b"a:443", b"/", b"http://a/", b"*")
    ),
    ("Q25", get(b"TRACE / HTTP/1.1"), {405}),
    ("Q25", get(b"trace / HTTP/1.1"), {405}),
    ("Q25", get(b"TRACE http://a/ HTTP/1.1", H + b"Max-Forwards: 0\r\n"), {405}),
    *(
        ("Q26", get(line), {400})
        for line in (
            b"GET /# HTTP/1.1",
            b"GET /\x00 HTTP/1.1",
            b"GET /\xff HTTP/1.1",
            b"GET /a b HTTP/1.1",
            b"GET\t/ HTTP/1.1",
            b"GET  / HTTP/1.1",
            b"GET /  HTTP/1.1",
            b"GET / HTTP/1.1 ",
            b"GET /\tHTTP/1.1",
            b"GET /a\x0bb HTTP/1.1",
            b"GET /\x7f HTTP/1.1",
            b"GET /a\rb HTTP/1.1",
            b" GET / HTTP/1.1",
            b"GET / HTTP/1.1\t",
            b"GET / HTTP/1.1\r",
            b"GET /x\xc3\xa9 HTTP/1.1",
            b"GET http://a/# HTTP/1.1",
            b"GET / x HTTP/1.1",
        )
    ),
    *(
        ("Q27", get(method + b" / HTTP/1.1"), {400, 501})
        for method in (b"GE(", b"", b"G\x00T", b"G:", b"G\xc9T", b'"G"')
    ),
    ("Q27", get(b"G" * 9000 + b" / HTTP/1.1"), {400, 501}),
    ("Q29", b"GET /\r\n\r\n", {400, 505}),
    ("Q29", b"GET\r\n\r\n", {400, 505}),
    *(
        ("Q29", get(b"GET / " + version), {400, 505})
        for version in (
            b"HTTP/0.9",
            b"HTTP/1.1x",
            b"http/1.1",
            b"HTTP/1",
            b"HTTP/1.",
            b"HTTP/.1",
            b"HTTP/11",
            b"HTTP/1.10",
            b"HTTP/01.1",
            b"HTTP 1.1",
            b"HTTP/1,1",
            b"HTTPS/1.1",
            b"ICY/1.1",
            b"HTTP/-1.1",
            b"",
            b"HTTP/1. 1",
        )
    ),
    ("Q30", get(b"GET / HTTP/2.0"), {400, 505}),
    ("Q30", get(b"GET / HTTP/2"), {400, 505}),
    ("Q30", get(b"GET / HTTP/3.0"), {400, 505}),
    ("Q30", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    ("Q30", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", {400, 505}),
    ("Q39", field(b"X: " + b"a" * 65536 + b"\r\n"), {431}),
    ("Q39", field(b"X: " + b"a" * (1 << 20) + b"\r\n"), {431}),
    ("Q39", field(b"X" * 40_000 + b": a\r\n"), {431}),
    ("Q39", field(b"X: y\r\n" * 100), {431}),
    ("Q39", field(b"X: y\r\n" * 200), {431}),
    ("Q39", field(b"X: y\r\n" * 5000), {431}),
    ("Q40", get(b"GET /" + b"a" * 8192 + b" HTTP/1.1"), {414}),
    ("Q40", get(b"GET /" + b"a" * 16384 + b" HTTP/1.1"), {414}),
    ("Q40", get(b"GET /" + b"a" * 100_000 + b" HTTP/1.1"), {414}),
    ("Q40", get(b"GET http://a/" + b"a" * 100_000 + b" HTTP/1.1"), {414}),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32, {400}),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n" + b"\x00" * 32, {400}),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", {400}),
    ("PROXY", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(), {400}),
    ("PROXY", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"\x7f\x00\x00\x01" * 3 + get(), {400}),
]

# A head that is fine, and a body that turns out not to be.
BODIES = [
    *(
        ("Q32", chunks(size + b"\r\nabc\r\n0\r\n\r\n"))
        for size in (
            b"0x3",
            b"+3",
            b"-3",
            b"0_3",
            b"",
            b" 3",
            b"\t3",
            b"00000000000000003",
            b"3h",
            b"x",
            b"\xb3",
            b"3,3",
            b"3\x00",
            b"\x0b3",
            b"3:",
            b"3=",
            b"f" * 17,
            b"\r",
        )
    ),
    *(
        ("Q33", chunks(data))
        for data in (
            b"3 \r\nabc\r\n0\r\n\r\n",
            b"3\t\r\nabc\r\n0\r\n\r\n",
            b"3\nabc\r\n0\r\n\r\n",
            b"3\r\nabc\n0\r\n\r\n",
            b"3\r\nabc\r\n0\n\r\n",
            b"3\r\nabc\r\n0\r\n\n",
            b"3\r\r\nabc\r\n0\r\n\r\n",
            b"3\rabc\r0\r\r",
            b"3\r\nabc\r\n0 \r\n\r\n",
            b"3\r\nabc\r\n0\r\nA: b\n\r\n",
            b"3\n\nabc\n\n0\n\n\n\n",
        )
    ),
    *(
        ("Q34", chunks(data))
        for data in (
            b"3\r\nabcXX0\r\n\r\n",
            b"3\r\nabc\rX0\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3\r\nabc0\r\n\r\n",
            b"3\r\nabc\r\r\n0\r\n\r\n",
            b"3\r\nabc\r\n\r\n0\r\n\r\n",
            b"3\r\nabc\r\n0\r\n\rX",
        )
    ),
    *(
        ("Q35", chunks(b"3" + extension + b"\r\nabc\r\n0\r\n\r\n"))
        for extension in (
            b";a\rb",
            b";a\nb",
            b";a\x00b",
            b";" + b"a" * 1100,
            b";a=\x01",
            b';a="\x00"',
            b';a="',
            b";=b",
            b";a=",
            b";;",
            b";",
            b";a b",
            b';a="\r\n0\r\n\r\n"',
            b";a=b\x7f",
            b";a=\xff",
        )
    ),
    ("Q35", chunks(b"".join(b"1;" + b"a" * 1000 + b"\r\nx\r\n" for _ in range(17)) + b"0\r\n\r\n")),
    ("Q35", chunks(b"3\r\nabc\r\n0;" + b"a" * 2000 + b"\r\n\r\n")),
    ("Q37", last(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n")),
    ("Q37", last(b"GET /x\r\n\r\n")),
    ("Q37", last(b"A: " + b"b" * 200_000 + b"\r\n\r\n")),
    ("Q37", last(b"A: b\r\n" * 40_000 + b"\r\n")),
    ("Q37", last(b"A: b\r\n" * 101 + b"\r\n")),
    ("Q37", last(b"A : b\r\n\r\n")),
    ("Q37", last(b"A: b\r\n c\r\n\r\n")),
    ("Q37", last(b"A: b\x00\r\n\r\n")),
    ("Q37", last(b"A: b\rc\r\n\r\n")),
    ("Q37", last(b" A: b\r\n\r\n")),
    ("Q37", last(b": b\r\n\r\n")),
]

# id, what is sent, (method, target, host, body) as it must be understood
GOOD = [
    ("Q15", b"\r\n" + get(), (b"GET", b"/", b"a", b"")),
    ("Q15", b"\r\n" + post(CL), (b"POST", b"/", b"a", b"abc")),
    *(
        ("Q21", get(b"GET " + target + b" HTTP/1.1"), (b"GET", path, name, b""))
        for target, path, name in (
            (b"http://b.example/x", b"/x", b"b.example"),
            (b"HTTP://B.Example", b"/", b"B.Example"),
            (b"https://b.example:443?q", b"/?q", b"b.example:443"),
            (b"http://b.example//x", b"//x", b"b.example"),
        )
    ),
    ("Q21", get(b"OPTIONS http://b.example HTTP/1.1"), (b"OPTIONS", b"*", b"b.example", b"")),
    ("Q23", get(b"OPTIONS * HTTP/1.1"), (b"OPTIONS", b"*", b"a", b"")),
    *(
        ("Q28", get(method + b" / HTTP/1.1"), (method, b"/", b"a", b""))
        for method in (b"PROPFIND", b"X-OWN", b"REPORT", b"M-SEARCH", b"get", b"QUERY", b"A!#$%&'*+-.^_`|~1")
    ),
    ("Q31", get(b"GET / HTTP/1.2"), (b"GET", b"/", b"a", b"")),
    ("Q31", get(b"GET / HTTP/1.9"), (b"GET", b"/", b"a", b"")),
    *(
        ("Q36", chunks(data), (b"POST", b"/", b"a", b"abc"))
        for data in (
            b'3;a=b;c="d"\r\nabc\r\n0\r\nT: v\r\n\r\n',
            b"3;a\r\nabc\r\n0;b\r\n\r\n",
            b"003\r\nabc\r\n000\r\n\r\n",
            b"1\r\na\r\n2\r\nbc\r\n0\r\nA:\r\nB: \t \r\n\r\n",
            b'3;a="\\"; \xe9"\r\nabc\r\n0\r\n\r\n',
        )
    ),
    *(
        ("Q38", last(trailers + b"\r\n"), (b"POST", b"/", b"a", b"abc"))
        for trailers in (
            b"Host: b\r\nContent-Length: 9\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Authorization: Basic eDp5\r\nX-Forwarded-For: 6.6.6.6\r\n",
            b"Connection: close\r\n",
        )
    ),
    ("Q52", get(b"GET /a/../%2e%2e/%00//;%0d%0a HTTP/1.1"), (b"GET", b"/a/../%2e%2e/%00//;%0d%0a", b"a", b"")),
    ("Q52", get(b"GET //b.example/x HTTP/1.1"), (b"GET", b"//b.example/x", b"a", b"")),
    ("Q52", get(b"GET /http://b.example/ HTTP/1.1"), (b"GET", b"/http://b.example/", b"a", b"")),
    ("Q52", get(b"GET /\\..\\{}|^` HTTP/1.1"), (b"GET", b"/\\..\\{}|^`", b"a", b"")),
    ("te", post(b"Transfer-Encoding:chunked\r\n", BODY[2:]), (b"POST", b"/", b"a", b"abc")),
    ("te", post(b"TRANSFER-ENCODING: \t Chunked \t \r\n", BODY[2:]), (b"POST", b"/", b"a", b"abc")),
    ("cl", post(b"Content-Length: 0003\r\n"), (b"POST", b"/", b"a", b"abc")),
    ("cl", post(b"Content-Length:3 \t\r\n"), (b"POST", b"/", b"a", b"abc")),
    ("cl", get(fields=H + CL) + b"abc", (b"GET", b"/", b"a", b"abc")),
    (
        "cl",
        post(b"Content-Length: 47\r\n", b"GET /inner HTTP/1.1\r\nHost: a\r\nX: 0123456789\r\n\r\n"[:47]),
        (b"POST", b"/", b"a", b"GET /inner HTTP/1.1\r\nHost: a\r\nX: 0123456789\r\n\r\n"[:47]),
    ),
]


def named(rows):
    """The rows as parameters, each with its own name."""
    return [pytest.param(*row[1:], id=f"{row[0]}-{number}") for number, row in enumerate(rows)]


def grouped(rows):
    """The rows as parameters, those of one id together: a list of what stands behind the id."""
    groups: dict[str, list] = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row[1:] if len(row) > 2 else row[1])
    return [pytest.param(group, id=name) for name, group in groups.items()]


def every_cut(group):
    """Each row of a group of (data, rest), in every way of `boundaries`."""
    return ((pieces, rest) for data, rest in group for pieces in boundaries(data))


def boundaries(data: bytes) -> list[tuple[bytes, ...]]:
    """The data whole, in single bytes (long data: in four), and cut in two at every byte (long data: near the ends)."""
    short = len(data) < 400
    step = 1 if short else len(data) // 4 + 1
    places = range(1, len(data)) if short else [*range(1, 20), *range(len(data) - 20, len(data))]
    single = tuple(data[at : at + step] for at in range(0, len(data), step))
    return [(data,), single, *((data[:at], data[at:]) for at in places)]
