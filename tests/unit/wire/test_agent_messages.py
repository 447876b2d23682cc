"""The bytes of agents' messages, written out by hand from agent.proto, and through both directions."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

from zrokd.errors import Invalid
from zrokd.model import agent
from zrokd.model.agent import (
    AccessDetail,
    AccessPrivateRequest,
    Failure,
    NameSelection,
    ShareDetail,
    ShareHttpHealthcheckRequest,
    ShareHttpHealthcheckResponse,
    SharePrivateRequest,
    SharePublicRequest,
    StatusResponse,
    Timestamp,
    VersionResponse,
)
from zrokd.wire.agent_messages import _MESSAGES, METHODS, method_of, pack, unpack

# tag byte: field number * 8 + 2 for texts and messages, + 0 for numbers
BYTES = [
    (VersionResponse(v="v2", console_endpoint="x"), b"\x0a\x02v2\x12\x01x"),
    (
        SharePublicRequest(
            target="t",
            basic_auth=("a:b", "c:d"),
            name_selections=(NameSelection(namespace_token="public", name="n"),),
            backend_mode="web",
            insecure=True,
            oauth_provider="g",
            oauth_email_domains=("*",),
            oauth_refresh_interval="3h",
            closed=True,
            access_grants=("m",),
        ),
        (
            b"\x0a\x01t\x12\x03a:b\x12\x03c:d\x1a\x0b\x0a\x06public\x12\x01n\x22\x03web\x28\x01\x32\x01g\x3a\x01*"
            b"\x42\x023h\x48\x01\x52\x01m"
        ),
    ),
    (
        SharePrivateRequest(
            target="t", private_share_token="p", backend_mode="b", insecure=True, closed=True, access_grants=("m",)
        ),
        b"\x0a\x01t\x12\x01p\x1a\x01b\x20\x01\x28\x01\x32\x01m",
    ),
    (
        AccessPrivateRequest(
            token="t",
            bind_address="b",
            auto_mode=True,
            auto_address="a",
            auto_start_port=8080,
            auto_end_port=8888,
            response_headers=("h",),
        ),
        b"\x0a\x01t\x12\x01b\x18\x01\x22\x01a\x28\x90\x3f\x30\xb8\x45\x3a\x01h",
    ),
    (
        ShareHttpHealthcheckRequest(
            token="t", http_verb="GET", endpoint="/", expected_http_response=200, timeout_ms=1000
        ),
        b"\x0a\x01t\x12\x03GET\x1a\x01/\x20\xc8\x01\x28\xe8\x07",
    ),
    (ShareHttpHealthcheckResponse(healthy=True, error="e"), b"\x08\x01\x12\x01e"),
    (
        StatusResponse(
            accesses=(AccessDetail(frontend_token="f", token="t", bind_address="b", status="s"),),
            shares=(
                ShareDetail(
                    token="t",
                    share_mode="public",
                    backend_mode="b",
                    frontend_endpoint=("f",),
                    backend_endpoint="e",
                    closed=True,
                    status="s",
                    failure=Failure(id="i", count=2, last_error="l", next_retry=Timestamp(seconds=1, nanos=2)),
                ),
            ),
        ),
        (
            b"\x0a\x0c\x0a\x01f\x12\x01t\x1a\x01b\x2a\x01s"
            b"\x12\x29\x0a\x01t\x12\x06public\x1a\x01b\x22\x01f\x2a\x01e\x30\x01\x3a\x01s"
            b"\x42\x0e\x0a\x01i\x10\x02\x1a\x01l\x22\x04\x08\x01\x10\x02"
        ),
    ),
]


@pytest.mark.parametrize(("message", "data"), BYTES, ids=lambda one: type(one).__name__)
def test_a_message_is_these_bytes(message, data):
    assert pack(message) == data
    assert unpack(type(message), data) == message


@pytest.mark.parametrize("name", _MESSAGES)
def test_each_message_has_its_dataclass_with_all_fields(name):
    fields = [field.partition(":")[0].lower() for field in _MESSAGES[name].split()]
    found = [field.name.replace("_", "") for field in dataclasses.fields(getattr(agent, name))]
    assert found == fields


def test_each_call_is_known_by_what_it_is_given():
    assert {method_of(asked()) for asked, _ in METHODS.values()} == set(METHODS)


@hypothesis.given(strategies.sampled_from([asked for asked, _ in METHODS.values()]), strategies.binary(max_size=64))
def test_noise_is_refused_or_passed_over(kind, noise):
    try:
        message = unpack(kind, noise)
    except Invalid as error:
        assert kind.__name__ in str(error)
    else:
        assert unpack(kind, pack(message)) == message


def test_what_nobody_knows_is_passed_over():
    assert unpack(VersionResponse, b"\x0a\x02v2\xfa\x01\x03new") == VersionResponse(v="v2")


def test_a_number_that_is_too_large_cannot_be_told():
    with pytest.raises(Invalid, match="cannot be told"):
        pack(AccessPrivateRequest(auto_start_port=-1))
