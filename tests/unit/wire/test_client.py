import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Unavailable
from zrokd.model.environment import Identity
from zrokd.model.naming import Mapping, MappingChanges, Name, Namespace
from zrokd.model.share import Access, Gating, Share, ShareDraft, ShareMode
from zrokd.wire import answers, client

SHARE = Share(
    id=1, token="tok", env_z_id="z1", account_id=1, share_mode=ShareMode.PUBLIC, mode="tcp",
    endpoints=("tok.example.com",),
)  # fmt: skip
IDENTITY = Identity(z_id="z1", document='{"key":"pem"}')
ACCESS = Access(id=1, token="acc", share_token="tok", env_z_id="z1", mode="udp")
NAMESPACE = Namespace(token="public", zone="example.com", description="d", open=True)
NAME = Name(namespace="public", zone="example.com", name="blog", share_token="tok", created_at_ms=5000)
CHANGES = MappingChanges(
    epoch="e", version=3, full=True,
    mappings=(Mapping(version=3, host="a.example.com", token="tok", mode="udp", gating=Gating(gate="basic",
              config={"users": []}), interstitial=False), Mapping(version=2, host="b.example.com")),
)  # fmt: skip


def over_the_wire(document):
    return json.loads(json.dumps(document))


@pytest.mark.parametrize(
    ("read", "written", "expected"),
    [
        (client.share_from_wire, answers.created_share_to_wire(SHARE), ("tok", ("tok.example.com",))),
        (client.detail_from_wire, answers.share_to_wire(SHARE), ("z1", ("tok.example.com",))),
        (client.urls_from_wire, answers.share_urls_to_wire(SHARE, ("http://a",)), ("http://a",)),
        (client.version_from_wire, answers.versions_to_wire("zrokd 1"), "zrokd 1"),
        (client.enabled_from_wire, answers.enabled_to_wire(IDENTITY), IDENTITY),
        (client.identity_from_wire, answers.identity_to_wire(IDENTITY), IDENTITY),
        (client.access_from_wire, answers.created_access_to_wire(ACCESS), ("acc", "udp")),
        (client.account_token_from_wire, answers.account_token_to_wire("t"), "t"),
        (client.names_from_wire, [answers.name_to_wire(NAME)], (NAME,)),
        (client.namespaces_from_wire, [answers.operators_namespace_to_wire(NAMESPACE)], (NAMESPACE,)),
        (client.created_namespace_from_wire, answers.created_namespace_to_wire(NAMESPACE), "public"),
        (client.frontends_from_wire, [answers.frontend_to_wire("edge")], ("edge",)),
        (client.accounts_from_wire, [{"email": "a@b.example", "limitless": False}], ("a@b.example",)),
        (client.reconciled_from_wire, answers.reconciled_to_wire(["undo share x"], dry_run=False), ("undo share x",)),
        (client.changes_from_wire, answers.changes_to_wire(CHANGES), CHANGES),
    ],
)
def test_what_the_server_writes_the_client_reads(read, written, expected):
    assert read(over_the_wire(written)) == expected


READERS = [value for name, value in vars(client).items() if name.endswith("_from_wire") and name != "mode_from_wire"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["shareToken", "urls", "mappings", "epoch", "version", "full", "host", "zId", "cfg", "email"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(st.sampled_from(READERS), JSON)
def test_any_answer_is_understood_or_found_senseless(read, document):
    try:
        read(document)
    except Unavailable as error:
        assert "makes no sense" in str(error)


@pytest.mark.parametrize("read", [client.names_from_wire, client.namespaces_from_wire, client.accounts_from_wire])
def test_null_is_an_empty_list(read):
    assert read(None) == ()


def test_an_identity_may_come_as_an_object():
    assert json.loads(client.enabled_from_wire({"identity": "z1", "cfg": {"a": 1}}).document) == {"a": 1}


def test_bodies_are_written_with_zroks_names():
    written = client.body(env_z_id="z", share_token="s", access_token="a", namespace="n", email_address="e", open=True)
    assert written == {
        "envZId": "z", "shareToken": "s", "frontendToken": "a", "namespaceToken": "n", "emailAddress": "e", "open": True
    }  # fmt: skip


def test_a_draft_with_users_is_written_as_basic_auth():
    users = [{"username": "ann", "password": "x"}]
    draft = ShareDraft(
        env_z_id="z", share_mode=ShareMode.PUBLIC, mode="proxy", gating=Gating(gate="basic", config={"users": users})
    )
    written = client.draft_to_wire(draft)
    assert (written["authScheme"], written["basicAuthUsers"]) == ("basic", users)
