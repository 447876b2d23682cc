from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.model.http import RequestHead
from zrokd.proxy.visitors import Visitors


def crowd(visitors: Visitors, *peers: str) -> list[bool]:
    with ExitStack() as stack:
        return [stack.enter_context(visitors.enter(peer)) for peer in peers]


def test_an_address_may_hold_so_many_connections_and_no_more():
    visitors = Visitors(2)
    assert crowd(visitors, "192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3") == [True, True, False]


def test_one_address_takes_nothing_from_another():
    assert crowd(Visitors(1), "192.0.2.1:1", "192.0.2.2:1") == [True, True]


def test_a_connection_that_ended_makes_room_even_when_it_failed():
    visitors = Visitors(1)
    with pytest.raises(OSError), visitors.enter("192.0.2.1:1"):
        raise OSError("gone")
    assert crowd(visitors, "192.0.2.1:2") == [True]
    assert visitors._open == {}


def test_those_refused_are_not_counted_for_ever():
    visitors = Visitors(1)
    crowd(visitors, *["192.0.2.1:1"] * 5)
    assert crowd(visitors, "192.0.2.1:1") == [True]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("[2001:db8::1]:1", "[2001:db8::ffff]:2", True),
        ("[2001:db8::1]:1", "[2001:db8:0:1::1]:2", False),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1:1", True),
        ("192.0.2.1:1", "192.0.2.129:1", False),
    ],
)
def test_an_ipv6_network_counts_as_one_visitor(one, other, same):
    assert crowd(Visitors(1), one, other) == [True, not same]


@pytest.mark.parametrize("peer", ["127.0.0.1:5", "[::1]:5", "unix", "", "10.9.9.9:5", "[fd00::7]:5"])
def test_this_machine_and_trusted_proxies_are_not_counted(peer):
    assert crowd(Visitors(1, ["10.0.0.0/8", "fd00::/8"]), peer, peer, peer) == [True] * 3


@given(st.text(max_size=30))
def test_no_peer_breaks_it(peer):
    visitors = Visitors(1, ["10.0.0.0/8"])
    visitors.trusts(peer)
    assert isinstance(visitors.behind(peer, RequestHead(b"GET", b"/", 1, ())), str)
    assert crowd(Visitors(5), peer) == [True]


def test_whether_there_is_room_can_be_asked_without_taking_it():
    visitors = Visitors(1)
    assert visitors.has_room("192.0.2.1:1")
    with visitors.enter("192.0.2.1:1"):
        assert not visitors.has_room("192.0.2.1:2")
        assert visitors.has_room("192.0.2.2:1")
        assert visitors.has_room("127.0.0.1:1")
        assert visitors.has_room("unix:/run/x")
    assert visitors.has_room("192.0.2.1:1")
    assert visitors._open == {}


@pytest.mark.parametrize(
    ("claims", "visitor"),
    [
        ([], "10.0.0.1"),
        ([b"203.0.113.7"], "203.0.113.7"),
        ([b"6.6.6.6, 203.0.113.7", b"10.9.9.9"], "203.0.113.7"),
        ([b"6.6.6.6, unknown, 10.9.9.9"], "10.9.9.9"),
        ([b"[2001:db8::1]:443"], "2001:db8::1"),
    ],
)
def test_who_visits_through_a_trusted_proxy_is_the_last_it_does_not_trust(claims, visitor):
    head = RequestHead(b"GET", b"/", 1, tuple((b"X-Forwarded-For", claim) for claim in claims))
    assert Visitors(1, ["10.0.0.0/8"]).behind("10.0.0.1:99", head) == visitor
