from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import MessageError, NotFound, Unavailable, UsedUp
from zrokd.model.http import RequestHead, Route
from zrokd.model.naming import Mapping, MappingChanges
from zrokd.model.share import Gating
from zrokd.proxy.mapping import MappingTable
from zrokd.proxy.route import route


def table(*mappings: Mapping) -> MappingTable:
    made = MappingTable()
    made.replace(MappingChanges(epoch="e", version=9, full=True, mappings=mappings))
    return made


def head(*hosts: bytes, target: bytes = b"/") -> RequestHead:
    return RequestHead(b"GET", target, 1, tuple((b"Host", host) for host in hosts))


PLAIN = Mapping(version=1, host="a.share.localhost", token="tok-a", mode="proxy")
GATED = Mapping(
    version=2,
    host="b.share.localhost",
    token="tok-b",
    mode="web",
    gating=Gating(gate="basic", config={"users": [], "a": 1}),
)


@pytest.mark.parametrize(
    "host",
    [
        b"a.share.localhost",
        b"A.Share.LOCALHOST",
        b"a.share.localhost:8080",
        b"a.share.localhost.",
        b"a.share.localhost.:80",
    ],
)
def test_case_port_and_final_dot_of_the_host_do_not_matter(host):
    found = route(head(host), table(PLAIN))
    assert found == Route(host="a.share.localhost", token="tok-a", mode="proxy", interstitial=True)


def test_the_route_carries_the_gate_and_what_it_is_told():
    found = route(head(b"b.share.localhost"), table(PLAIN, GATED))
    assert (found.token, found.mode, found.gate) == ("tok-b", "web", "basic")
    assert dict(found.gate_config) == {"users": [], "a": 1}


@pytest.mark.parametrize("hosts", [(), (b"",), (b":80",), (b"a.share.localhost:x",), (b".",)])
def test_a_missing_or_impossible_host_is_the_visitors_fault(hosts):
    with pytest.raises(MessageError) as refused:
        route(head(*hosts), table(PLAIN))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "host", [b"c.share.localhost", b"share.localhost", b"x.a.share.localhost", b"a.share.localhost\xff"]
)
def test_a_name_that_nobody_shares_is_not_found(host):
    with pytest.raises(NotFound):
        route(head(host), table(PLAIN))


def test_before_any_names_are_known_nobody_is_told_that_there_is_nothing():
    with pytest.raises(Unavailable):
        route(head(b"a.share.localhost"), MappingTable())


def test_path_and_query_never_choose_the_share():
    both = table(PLAIN, GATED)
    for target in (b"/b.share.localhost", b"/?host=b.share.localhost", b"//b.share.localhost/"):
        assert route(head(b"a.share.localhost", target=target), both).token == "tok-a"


@given(st.binary(max_size=80))
def test_no_host_value_breaks_the_router(value):
    try:
        found = route(head(value), table(PLAIN))
    except (MessageError, NotFound):
        return
    assert found.token == "tok-a"


def test_nobody_is_led_to_a_limited_share():
    with pytest.raises(UsedUp):
        route(head(b"a.share.localhost"), table(replace(PLAIN, limited=True)))
