import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from zrokd_plugins.filter_forwarded import ForwardedFilter, ForwardedSettings, zrokd_provide_filters

from zrokd.model.http import RequestHead, Route
from zrokd.net.http1.head import RequestJudge
from zrokd.net.http1.limits import HttpLimits

ROUTE = Route(host="a.example", token="t")
TRUSTED = ["10.0.0.0/8", "fd00::/8", "127.0.0.1"]


def passed(peer: str, *fields: tuple[bytes, bytes], trusted: list[str] | None = None) -> dict[bytes, bytes]:
    made = ForwardedFilter(ForwardedSettings(trusted_proxies=TRUSTED if trusted is None else trusted), None)
    head = made.on_request(RequestHead(b"GET", b"/", 1, ((b"Host", b"a.example"), *fields)), ROUTE, peer)
    assert len({name.lower() for name, _ in head.fields}) == len(head.fields), "no field is doubled"
    return {name.lower(): value for name, value in head.fields}


def test_the_module_provides_it():
    assert zrokd_provide_filters() == [ForwardedFilter]
    assert (ForwardedFilter.slot, ForwardedFilter.name) == ("filter", "forwarded")


def test_a_share_learns_who_asks_how_and_for_what():
    assert passed("203.0.113.9:4711") == {
        b"host": b"a.example",
        b"x-forwarded-for": b"203.0.113.9",
        b"x-real-ip": b"203.0.113.9",
        b"x-forwarded-proto": b"http",
        b"x-forwarded-host": b"a.example",
        b"forwarded": b'for=203.0.113.9;host="a.example";proto=http',
    }


@pytest.mark.parametrize(
    ("peer", "said", "proto"),
    [
        ("203.0.113.9:4711", [], b"https"),
        ("203.0.113.9:4711", [(b"X-Forwarded-Proto", b"http")], b"https"),
        ("unix:/run/x", [], b"https"),
        ("10.0.0.1:80", [], b"https"),
        ("10.0.0.1:80", [(b"X-Forwarded-Proto", b"http")], b"http"),
        ("10.0.0.1:80", [(b"X-Forwarded-Proto", b"gopher")], b"https"),
    ],
)
def test_what_came_inside_tls_is_https_unless_a_trusted_proxy_says_otherwise(peer, said, proto):
    made = ForwardedFilter(ForwardedSettings(trusted_proxies=TRUSTED), None)
    head = made.on_request(RequestHead(b"GET", b"/", 1, ((b"Host", b"a.example"), *said), secure=True), ROUTE, peer)
    assert head.get(b"X-Forwarded-Proto") == proto
    assert head.get(b"Forwarded").endswith(b";proto=" + proto)


def test_each_visitor_is_told_of_although_all_send_the_same():
    made = ForwardedFilter(ForwardedSettings(trusted_proxies=TRUSTED), None)
    data = b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    judges = {peer: RequestJudge() for peer in ("203.0.113.9:4711", "203.0.113.8:4711", "10.0.0.1:80")}
    for _ in range(4):
        told = [
            made.on_request(judge.judge(data, HttpLimits()), ROUTE, peer).all(b"X-Forwarded-For")
            for peer, judge in judges.items()
        ]
        assert told == [[b"203.0.113.9"], [b"203.0.113.8"], [b"6.6.6.6, 10.0.0.1"]]


FORGED = [
    (b"X-Forwarded-For", b"6.6.6.6"),
    (b"X_Forwarded_For", b"6.6.6.6"),
    (b"x-forwarded_for", b"6.6.6.6"),
    (b"X-Forwarded-Proto", b"6.6.6.6"),
    (b"X-Forwarded-Host", b"6.6.6.6"),
    (b"X-Forwarded-Port", b"6.6.6.6"),
    (b"X-Forwarded-Anything", b"6.6.6.6"),
    (b"X-Real-IP", b"6.6.6.6"),
    (b"X_REAL_IP", b"6.6.6.6"),
    (b"Forwarded", b"for=6.6.6.6"),
    (b"FORWARDED", b"for=6.6.6.6"),
]


@pytest.mark.parametrize("field", FORGED, ids=lambda field: field[0].decode())
def test_a_stranger_cannot_say_who_he_is(field):
    seen = passed("203.0.113.9:4711", field)
    assert all(b"6.6.6.6" not in value for value in seen.values())
    assert seen[b"x-forwarded-for"] == b"203.0.113.9"


@pytest.mark.parametrize("field", [field for field in FORGED if b"_" in field[0]], ids=lambda field: field[0].decode())
def test_underscore_twins_go_even_when_a_trusted_proxy_lets_them_through(field):
    assert all(b"6.6.6.6" not in value for value in passed("10.0.0.1:80", field).values())


@pytest.mark.parametrize(
    ("peer", "claims", "chain", "visitor"),
    [
        ("10.0.0.1:80", [], b"10.0.0.1", b"10.0.0.1"),
        ("10.0.0.1:80", [b"198.51.100.7"], b"198.51.100.7, 10.0.0.1", b"198.51.100.7"),
        ("10.0.0.1:80", [b"6.6.6.6, 198.51.100.7"], b"6.6.6.6, 198.51.100.7, 10.0.0.1", b"198.51.100.7"),
        ("10.0.0.1:80", [b"6.6.6.6", b"198.51.100.7"], b"6.6.6.6, 198.51.100.7, 10.0.0.1", b"198.51.100.7"),
        ("10.0.0.1:80", [b"198.51.100.7, 10.0.0.2"], b"198.51.100.7, 10.0.0.2, 10.0.0.1", b"198.51.100.7"),
        ("10.0.0.1:80", [b"10.0.0.3, 10.0.0.2"], b"10.0.0.3, 10.0.0.2, 10.0.0.1", b"10.0.0.3"),
        ("10.0.0.1:80", [b"6.6.6.6, unknown, 198.51.100.7"], b"198.51.100.7, 10.0.0.1", b"198.51.100.7"),
        ("10.0.0.1:80", [b"198.51.100.7, <script>"], b"10.0.0.1", b"10.0.0.1"),
        ("10.0.0.1:80", [b"198.51.100.7:5555"], b"198.51.100.7, 10.0.0.1", b"198.51.100.7"),
        ("10.0.0.1:80", [b"[2001:db8::1]:5555"], b"2001:db8::1, 10.0.0.1", b"2001:db8::1"),
        ("[fd00::1]:80", [b"2001:db8::1"], b"2001:db8::1, fd00::1", b"2001:db8::1"),
        ("::ffff:10.0.0.1", [b"198.51.100.7"], b"198.51.100.7, 10.0.0.1", b"198.51.100.7"),
        ("203.0.113.9:80", [b"198.51.100.7"], b"203.0.113.9", b"203.0.113.9"),
    ],
)
def test_of_the_chain_the_rightmost_whom_we_do_not_trust_is_the_visitor(peer, claims, chain, visitor):
    seen = passed(peer, *((b"X-Forwarded-For", claim) for claim in claims[:1]), *_more(claims[1:]))
    assert (seen[b"x-forwarded-for"], seen[b"x-real-ip"]) == (chain, visitor)


def _more(claims):
    return [(b"X-Forwarded-For", claim) for claim in claims]


@pytest.mark.parametrize(
    ("peer", "said", "passed_on"),
    [
        ("10.0.0.1:80", b"https", b"https"),
        ("10.0.0.1:80", b"http", b"http"),
        ("10.0.0.1:80", b"gopher", b"http"),
        ("203.0.113.9:80", b"https", b"http"),
    ],
)
def test_only_a_trusted_proxy_may_say_that_the_visitor_came_by_https(peer, said, passed_on):
    assert passed(peer, (b"X-Forwarded-Proto", said))[b"x-forwarded-proto"] == passed_on


def test_a_trusted_proxy_may_say_which_host_the_visitor_asked_for():
    assert passed("10.0.0.1:80", (b"X-Forwarded-Host", b"www.example"))[b"x-forwarded-host"] == b"www.example"


@pytest.mark.parametrize(("length", "told"), [(512, b"h" * 512), (513, b"a.example")])
def test_what_is_too_long_for_a_host_is_none(length, told):
    seen = passed("10.0.0.1:80", (b"X-Forwarded-Host", b"h" * length))
    assert seen[b"x-forwarded-host"] == told
    assert seen[b"forwarded"] == b'for=10.0.0.1;host="%s";proto=http' % told


def test_hosts_that_a_trusted_proxy_makes_up_fill_no_memory():
    def held(size):
        tracemalloc.start()
        for number in range(600):
            passed("10.0.0.1:80", (b"X-Forwarded-Host", b"%05d" % number + b"h" * size))
        bytes_held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return bytes_held

    assert held(500) < 4 << 20
    assert held(30_000) < 4 << 20


def test_forwarded_says_the_same_as_the_other_fields():
    seen = passed("[fd00::1]:80", (b"X-Forwarded-For", b"198.51.100.7"), (b"X-Forwarded-Proto", b"https"))
    assert seen[b"forwarded"] == b'for=198.51.100.7, for="[fd00::1]";host="a.example";proto=https'


def test_forwarded_stays_one_element_whatever_the_host_holds():
    seen = passed("10.0.0.1:80", (b"X-Forwarded-Host", b'x";for=6.6.6.6;a="\\'))
    assert seen[b"forwarded"] == b'for=10.0.0.1;host="x;for=6.6.6.6;a=";proto=http'


def test_a_unix_socket_has_no_address_to_tell():
    seen = passed("unix", (b"X-Forwarded-For", b"6.6.6.6"))
    assert b"x-forwarded-for" not in seen
    assert b"x-real-ip" not in seen
    assert seen[b"forwarded"] == b'for=unknown;host="a.example";proto=http'


def test_other_fields_pass_as_they_are():
    assert passed("203.0.113.9:1", (b"Cookie", b"a=1"), (b"X-Forward", b"b"))[b"x-forward"] == b"b"


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", ""])
def test_what_is_no_network_is_a_mistake_in_the_yaml(text):
    with pytest.raises(ValidationError):
        ForwardedSettings(trusted_proxies=[text])


@given(st.binary(max_size=60), st.text(max_size=20))
def test_no_claim_and_no_peer_break_it(claim, peer):
    seen = passed(peer, (b"X-Forwarded-For", claim), trusted=["0.0.0.0/0", "::/0"])
    assert b"\r" not in seen.get(b"x-forwarded-for", b"")
    assert b"\n" not in seen.get(b"x-forwarded-for", b"")
