import json

import pytest

from zrokd.model.account import Account
from zrokd.model.environment import Environment, Identity
from zrokd.model.naming import Mapping, MappingChanges, Name, Namespace
from zrokd.model.share import Access, Gating, Share, ShareMode
from zrokd.model.site import Invites, Site
from zrokd.wire import answers

MS = 1_700_000_123_456
ENVIRONMENT = Environment(
    id=1, account_id=7, z_id="z1", description="d", host="h", address="10.0.0.1", created_at_ms=MS, updated_at_ms=MS + 1
)
SHARE = Share(
    id=2, token="tok", env_z_id="z1", account_id=7, share_mode=ShareMode.PUBLIC, mode="tcp", target="t",
    endpoints=("tok.example.com",), gating=Gating(gate="basic", config={"users": [{"username": "a", "hash": "HASH"}]}),
    created_at_ms=MS, updated_at_ms=MS + 1,
)  # fmt: skip
PRIVATE = Share(id=3, token="prv", env_z_id="z1", account_id=7, share_mode=ShareMode.PRIVATE, mode="proxy")
ACCESS = Access(
    id=4, token="acc", share_token="prv", env_z_id="z2", mode="udp", bind_address="127.0.0.1:1", description="mine",
    created_at_ms=MS, updated_at_ms=MS + 1,
)  # fmt: skip
NAMESPACE = Namespace(token="public", zone="example.com", description="all", open=True, created_at_ms=MS)
NAME = Name(namespace="public", zone="example.com", name="blog", share_token="tok", created_at_ms=MS)
NAME_WIRE = {
    "namespaceToken": "public", "namespaceName": "example.com", "name": "blog", "shareToken": "tok",
    "reserved": True, "createdAt": 1_700_000_123,
}  # fmt: skip
NAMESPACE_WIRE = {"namespaceToken": "public", "name": "example.com", "description": "all"}
ENVIRONMENT_WIRE = {
    "zId": "z1", "description": "d", "host": "h", "address": "10.0.0.1", "remoteAgent": False, "limited": False,
    "createdAt": MS, "updatedAt": MS + 1,
}  # fmt: skip
SHARE_WIRE = {
    "shareToken": "tok", "zId": "tok", "envZId": "z1", "shareMode": "public", "backendMode": "tcpTunnel",
    "frontendEndpoints": ["tok.example.com"], "target": "t", "limited": False, "createdAt": MS, "updatedAt": MS + 1,
}  # fmt: skip
ACCESS_WIRE = {
    "id": 4, "frontendToken": "acc", "shareToken": "prv", "envZId": "z2", "zId": "z2", "backendMode": "udpTunnel",
    "bindAddress": "127.0.0.1:1", "description": "mine", "createdAt": MS, "updatedAt": MS + 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (answers.enabled_to_wire(Identity(z_id="z1", document='{"k": 1}')), {"identity": "z1", "cfg": '{"k": 1}'}),
        (answers.identity_to_wire(Identity(z_id="z1", document="{}")), {"zId": "z1", "document": "{}"}),
        (
            answers.created_share_to_wire(SHARE),
            {"shareToken": "tok", "frontendProxyEndpoints": ["tok.example.com"]},
        ),
        (answers.created_share_to_wire(PRIVATE), {"shareToken": "prv", "frontendProxyEndpoints": []}),
        (answers.share_to_wire(SHARE), SHARE_WIRE),
        (answers.share_urls_to_wire(SHARE, ("http://a/",)), {**SHARE_WIRE, "urls": ["http://a/"]}),
        (answers.created_access_to_wire(ACCESS), {"frontendToken": "acc", "backendMode": "udpTunnel"}),
        (answers.access_to_wire(ACCESS), ACCESS_WIRE),
        (answers.environment_to_wire(ENVIRONMENT), ENVIRONMENT_WIRE),
        (answers.name_to_wire(NAME), NAME_WIRE),
        (answers.namespace_to_wire(NAMESPACE), NAMESPACE_WIRE),
        (
            answers.operators_namespace_to_wire(NAMESPACE),
            {**NAMESPACE_WIRE, "open": True, "createdAt": 1_700_000_123, "updatedAt": 1_700_000_123},
        ),
        (answers.created_namespace_to_wire(NAMESPACE), {"namespaceToken": "public"}),
        (
            answers.account_to_wire(Account(id=7, email="a@b.example", limitless=True)),
            {"email": "a@b.example", "limitless": True},
        ),
        (answers.account_token_to_wire("tok"), {"accountToken": "tok"}),
        (answers.frontend_to_wire("edge"), {"name": "edge"}),
        (answers.versions_to_wire("zrokd 1"), {"controllerVersion": "zrokd 1"}),
        (answers.reconciled_to_wire(["undo share x"], dry_run=True), {"dryRun": True, "actions": ["undo share x"]}),
        (
            answers.resources_to_wire(ENVIRONMENT, [SHARE], [ACCESS]),
            {"environment": ENVIRONMENT_WIRE, "shares": [SHARE_WIRE], "frontends": [ACCESS_WIRE]},
        ),
        (
            answers.overview_to_wire([], [NAME], [NAMESPACE], limited=False),
            {"accountLimited": False, "environments": [], "names": [NAME_WIRE], "namespaces": [NAMESPACE_WIRE]},
        ),
    ],
)
def test_nouns_are_written_as_zrok_writes_them(written, expected):
    assert written == expected


def test_a_private_share_has_the_endpoint_private():
    assert answers.share_to_wire(PRIVATE)["frontendEndpoints"] == ["private"]


def test_empty_lists_are_lists():
    empty = [answers.resources_to_wire(ENVIRONMENT, [], []), answers.overview_to_wire([], [], [], limited=True)]
    assert "null" not in json.dumps(empty)


def test_no_answer_holds_what_a_gate_checks():
    documents = [answers.share_to_wire(SHARE), answers.share_urls_to_wire(SHARE, ()),
                 answers.created_share_to_wire(SHARE)]  # fmt: skip
    assert "HASH" not in json.dumps(documents)


def test_mappings_are_written_with_their_gates_and_deletions():
    changes = MappingChanges(
        epoch="e", version=9, full=False,
        mappings=(
            Mapping(version=8, host="a.example.com", token="tok", mode="tcp", gating=SHARE.gating),
            Mapping(version=9, host="b.example.com"),
        ),
    )  # fmt: skip
    assert answers.changes_to_wire(changes) == {
        "epoch": "e",
        "version": 9,
        "full": False,
        "mappings": [
            {
                "version": 8, "host": "a.example.com", "token": "tok", "mode": "tcpTunnel", "gate": "basic",
                "gateConfig": {"users": [{"username": "a", "hash": "HASH"}]},
            },
            {"version": 9, "host": "b.example.com", "token": "", "mode": "", "gate": "", "gateConfig": {}},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("site", "is_open", "asks_token"),
    [(Site(), False, False), (Site(invites=Invites.OPEN), True, False), (Site(invites=Invites.TOKEN), True, True)],
)
def test_who_may_have_an_account_is_told_beforehand(site, is_open, asks_token):
    assert answers.configuration_to_wire("zrokd 1", site) == {
        "version": "zrokd 1", "touLink": "", "newAccountLink": "", "invitesOpen": is_open,
        "requiresInviteToken": asks_token, "inviteTokenContact": "",
    }  # fmt: skip
