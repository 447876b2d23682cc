import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid
from zrokd.model.share import Gating, NameSelection, Permission, ShareDraft, ShareMode
from zrokd.wire import requests
from zrokd.wire.client import draft_to_wire
from zrokd.wire.fields import NotOneOf
from zrokd.wire.keys import camel
from zrokd.wire.requests import draft_from_wire, from_wire, mappings_query_from_wire

PLAIN = [
    kind
    for kind in vars(requests).values()
    if dataclasses.is_dataclass(kind) and kind.__module__ == requests.__name__ and kind is not requests.AskMappings
]
SAMPLES = {"str": "x", "bool": True, "int": 9, "tuple[str, ...]": ("a", "b")}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted({camel(field.name) for kind in PLAIN for field in dataclasses.fields(kind)})
DRAFT_FIELDS = [
    "envZId", "shareMode", "backendMode", "target", "nameSelections", "privateShareToken", "authScheme",
    "basicAuthUsers", "permissionMode", "accessGrants",
]  # fmt: skip
SMALLEST = {"envZId": "z1", "shareMode": "public", "backendMode": "proxy"}


def hashed(password):
    return f"hash of {password}"


def read(**changes):
    return draft_from_wire({**SMALLEST, **changes}, hashed)


def full(kind):
    return kind(**{field.name: SAMPLES[field.type] for field in dataclasses.fields(kind)})


def document_of(request):
    return json.loads(json.dumps({camel(name): value for name, value in dataclasses.asdict(request).items()}))


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)
class TestEveryPlainRequest:
    def test_is_read_as_it_was_meant(self, kind):
        assert from_wire(kind, document_of(full(kind))) == full(kind)

    def test_needs_its_fields_without_a_default_and_no_others(self, kind):
        needed = {f.name: SAMPLES[f.type] for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
        assert from_wire(kind, {camel(name): value for name, value in needed.items()}) == kind(**needed)
        for name in needed:
            with pytest.raises(Invalid, match=f"^{camel(name)} is missing"):
                from_wire(kind, {camel(other): value for other, value in needed.items() if other != name})

    def test_names_the_field_of_a_wrong_type(self, kind):
        for field in dataclasses.fields(kind):
            with pytest.raises(Invalid, match=f"^{camel(field.name)} must be"):
                from_wire(kind, {**document_of(full(kind)), camel(field.name): {"a": 7}})

    def test_ignores_what_it_does_not_know(self, kind):
        extra = {"admin": True, "limitless": True, "accountId": 1, "z_id": "other", "env_z_id": "other"}
        assert from_wire(kind, {**extra, **document_of(full(kind))}) == full(kind)


@given(st.sampled_from(PLAIN), st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), JSON, max_size=8))
def test_any_json_is_a_request_or_invalid(kind, document):
    try:
        assert isinstance(from_wire(kind, document), kind)
    except Invalid as error:
        assert str(error)


def test_the_smallest_draft_is_open_and_has_no_gate():
    assert read() == ShareDraft(
        env_z_id="z1", share_mode=ShareMode.PUBLIC, mode="proxy", permission=Permission.OPEN, gating=Gating()
    )


def test_a_draft_is_read_whole():
    draft = read(
        shareMode="private",
        backendMode="tcpTunnel",
        target="127.0.0.1:22",
        nameSelections=[{"namespaceToken": "public", "name": "blog"}, {"namespaceToken": "other"}],
        privateShareToken="mine",
        authScheme="basic",
        basicAuthUsers=[{"username": "ann", "password": "s3cret"}],
        permissionMode="closed",
        accessGrants=["bob@example.com"],
    )
    assert draft == ShareDraft(
        env_z_id="z1",
        share_mode=ShareMode.PRIVATE,
        mode="tcp",
        target="127.0.0.1:22",
        selections=(NameSelection(namespace="public", name="blog"), NameSelection(namespace="other")),
        token="mine",
        gating=Gating(gate="basic", config={"users": [{"username": "ann", "hash": "hash of s3cret"}]}),
        permission=Permission.CLOSED,
        grants=("bob@example.com",),
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"envZId": ""}, "envZId is missing"),
        ({"envZId": 5}, "envZId must be a text"),
        ({"shareMode": None}, "shareMode is missing"),
        ({"backendMode": None}, "backendMode is missing"),
        ({"nameSelections": {}}, "nameSelections must be a list"),
        ({"nameSelections": ["blog"]}, r"nameSelections\[0\] must have"),
        ({"nameSelections": [{}]}, "namespaceToken is missing"),
        ({"nameSelections": [{"namespaceToken": "p", "name": 1}]}, "name must be a text"),
        ({"authScheme": "basic"}, "basicAuthUsers must name 1 to 32 users"),
        ({"authScheme": "basic", "basicAuthUsers": []}, "basicAuthUsers must name"),
        ({"authScheme": "basic", "basicAuthUsers": [{"username": "a", "password": "b"}] * 33}, "1 to 32 users"),
        ({"authScheme": "basic", "basicAuthUsers": ["ann"]}, r"basicAuthUsers\[0\] must have"),
        ({"authScheme": "basic", "basicAuthUsers": [{"username": "ann"}]}, "password is missing"),
        ({"authScheme": "basic", "basicAuthUsers": [{"username": "a:b", "password": "x"}]}, "has no colon"),
        ({"authScheme": "basic", "basicAuthUsers": [{"username": "a" * 65, "password": "x"}]}, "at most 64 characters"),
        ({"accessGrants": [1]}, r"accessGrants\[0\] must be a text"),
    ],
)
def test_a_draft_with_a_mistake_names_the_field(changes, sentence):
    with pytest.raises(Invalid, match=sentence) as caught:
        read(**changes)
    assert not isinstance(caught.value, NotOneOf)


@pytest.mark.parametrize(
    "changes",
    [{"shareMode": "secret"}, {"permissionMode": "maybe"}, {"authScheme": "oauth"}, {"backendMode": "a/../b"}],
)
def test_a_value_that_does_not_exist_is_told_apart(changes):
    with pytest.raises(NotOneOf, match=next(iter(changes))):
        read(**changes)


@pytest.mark.parametrize("scheme", [{}, {"authScheme": ""}, {"authScheme": "none"}, {"authScheme": None}])
def test_users_without_the_basic_scheme_are_not_kept(scheme):
    assert read(**scheme, basicAuthUsers=[{"username": "ann", "password": "x"}]).gating == Gating()


def test_no_password_is_hashed_for_a_draft_that_is_refused_anyway():
    asked = []
    broken = {**SMALLEST, "authScheme": "basic", "basicAuthUsers": [{"username": "a", "password": "b"}]}
    for wrong in ({"permissionMode": "maybe"}, {"accessGrants": [1]}, {"target": 5}):
        with pytest.raises(Invalid):
            draft_from_wire({**broken, **wrong}, lambda password: asked.append(password) or "hash")
    assert asked == []


def test_no_password_stands_in_a_draft():
    draft = draft_from_wire(
        {**SMALLEST, "authScheme": "basic", "basicAuthUsers": [{"username": "ann", "password": "canary-pass"}]},
        lambda _: "scrypt$hash",
    )
    assert "canary-pass" not in repr(draft)


@given(st.dictionaries(st.sampled_from(DRAFT_FIELDS), JSON, max_size=10))
def test_any_json_is_a_draft_or_invalid(document):
    try:
        assert isinstance(draft_from_wire(document, hashed), ShareDraft)
    except Invalid as error:
        assert str(error)


DRAFTS = st.builds(
    ShareDraft,
    env_z_id=st.text("abc.-", min_size=1, max_size=8),
    share_mode=st.sampled_from(ShareMode),
    mode=st.sampled_from(["proxy", "web", "tcp", "udp", "drive", "socks"]),
    target=st.text("abc:/.", max_size=10),
    selections=st.lists(
        st.builds(NameSelection, namespace=st.just("public"), name=st.sampled_from(["", "blog", "shop"])), max_size=3
    ).map(tuple),
    token=st.sampled_from(["", "mytoken"]),
    permission=st.sampled_from(Permission),
    grants=st.lists(st.just("bob@example.com"), max_size=2).map(tuple),
)


@given(DRAFTS)
def test_what_the_client_writes_the_server_reads(draft):
    assert draft_from_wire(json.loads(json.dumps(draft_to_wire(draft))), hashed) == draft


def test_a_frontends_question_is_read_and_its_wait_cut():
    asked = mappings_query_from_wire({"epoch": "e1", "since": "7", "wait_s": "90"}, max_wait_s=30)
    assert asked == requests.AskMappings(epoch="e1", since=7, wait_s=30)


def test_a_frontend_that_asks_nothing_in_particular_gets_all_at_once():
    assert mappings_query_from_wire({}, max_wait_s=30) == requests.AskMappings(epoch="", since=0, wait_s=0)


@pytest.mark.parametrize("query", [{"since": "x"}, {"wait_s": "-1"}, {"epoch": "a\0"}])
def test_a_frontends_garbled_question_is_refused(query):
    with pytest.raises(Invalid, match=next(iter(query))):
        mappings_query_from_wire(query, max_wait_s=30)
