import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead
from zrokd.proxy.headers import inbound, with_identity


def head(*fields: tuple[bytes, bytes], minor: int = 1) -> RequestHead:
    return RequestHead(b"GET", b"/", minor, ((b"Host", b"a.example"), *fields))


@pytest.mark.parametrize(
    "name",
    [b"zrok-auth-user", b"Zrok-Auth-Email", b"ZROK_AUTH_PROVIDER", b"zrok_auth-expires", b"zrok-auth-anything"],
)
def test_nobody_can_claim_to_have_signed_in(name):
    passed = inbound(head((name, b"root"), (b"Accept", b"*/*")))
    assert all(b"root" not in value for _, value in passed.fields)
    assert passed.get(b"accept") == b"*/*"


@pytest.mark.parametrize("name", [b"X-Proxy", b"x-proxy", b"X_Proxy", b"x_PROXY"])
def test_the_proxy_mark_is_ours_alone(name):
    passed = inbound(head((name, b"evil")))
    assert [value for field, value in passed.fields if field.lower().replace(b"_", b"-") == b"x-proxy"] == [b"zrok"]


def test_everything_else_passes_in_order_as_sent():
    fields = ((b"Accept", b"*/*"), (b"Cookie", b"a=1"), (b"cookie", b"b=2"), (b"X-Zrok-Auth", b"mine"))
    passed = inbound(head(*fields))
    assert passed.fields[:5] == ((b"Host", b"a.example"), *fields)


@pytest.mark.parametrize(
    ("sent", "minor", "passed"),
    [
        ((), 1, b"1.1 zrokd"),
        ((), 0, b"1.0 zrokd"),
        ((b"1.1 nginx",), 1, b"1.1 nginx, 1.1 zrokd"),
        ((b"1.1 a, 1.0 b", b"2 c"), 1, b"1.1 a, 1.0 b, 2 c, 1.1 zrokd"),
        ((b" , ",), 1, b"1.1 zrokd"),
    ],
)
def test_the_way_taken_is_continued_in_one_field(sent, minor, passed):
    out = inbound(head(*((b"Via", value) for value in sent), minor=minor))
    assert [value for name, value in out.fields if name.lower() == b"via"] == [passed]


def test_a_request_that_goes_in_circles_ends_at_the_tenth_hop():
    turned = head()
    for _ in range(10):
        turned = inbound(turned)
    with pytest.raises(MessageError) as refused:
        inbound(turned)
    assert refused.value.status == 508


def test_the_hops_of_others_are_not_counted():
    assert inbound(head((b"Via", b", ".join([b"1.1 other"] * 30))))


def test_what_a_gate_found_out_replaces_what_was_there():
    out = with_identity(
        head((b"Authorization", b"Basic x"), (b"zrok-auth-user", b"forged")),
        ((b"zrok-auth-user", b"ann"),),
        drop=(b"authorization",),
    )
    assert out.get(b"authorization") is None
    assert [value for name, value in out.fields if name == b"zrok-auth-user"] == [b"ann"]


def test_a_gate_may_say_several_values_of_one_field():
    out = with_identity(head(), ((b"X-Group", b"a"), (b"X-Group", b"b")))
    assert [value for name, value in out.fields if name == b"X-Group"] == [b"a", b"b"]


NAMES = st.sampled_from([b"Via", b"via", b"X-Proxy", b"zrok_auth_user", b"Zrok-Auth-User", b"Accept", b"X-A"])
VALUES = st.binary(max_size=12).filter(lambda value: b"zrokd" not in value)


@given(st.lists(st.tuples(NAMES, VALUES)))
def test_whatever_is_sent_the_share_sees_one_mark_one_way_and_no_identity(fields):
    passed = inbound(head(*fields))
    folded = [name.lower().replace(b"_", b"-") for name, _ in passed.fields]
    assert folded.count(b"x-proxy") == 1
    assert folded.count(b"via") == 1
    assert not any(name.startswith(b"zrok-auth-") for name in folded)
