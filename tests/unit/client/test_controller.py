import time
from urllib.parse import parse_qs, urlsplit

import pytest

from zrokd.errors import Unavailable
from zrokd.model.naming import Mapping, MappingChanges, Name, Namespace
from zrokd.model.share import Gating, NameSelection, Permission, ShareDraft, ShareMode

PLAIN = [
    (lambda c: c.disable("z"), "POST", "/disable", {"identity": "z"}),
    (lambda c: c.unshare("z", "s"), "DELETE", "/unshare", {"envZId": "z", "shareToken": "s"}),
    (
        lambda c: c.unaccess("z", "s", "a"),
        "DELETE",
        "/unaccess",
        {"envZId": "z", "shareToken": "s", "frontendToken": "a"},
    ),
    (
        lambda c: c.modify_access("a", "127.0.0.1:1", "d"),
        "PATCH",
        "/access",
        {"frontendToken": "a", "bindAddress": "127.0.0.1:1", "description": "d"},
    ),
    (
        lambda c: c.modify_name("n", "docs", reserved=False),
        "PATCH",
        "/share/name",
        {"namespaceToken": "n", "name": "docs", "reserved": False},
    ),
    (lambda c: c.delete_name("n", "docs"), "DELETE", "/share/name", {"namespaceToken": "n", "name": "docs"}),
    (lambda c: c.delete_account("a@b.c"), "DELETE", "/account", {"email": "a@b.c"}),
    (lambda c: c.overview(), "GET", "/overview", None),
    (lambda c: c.share_detail("a/b"), "GET", "/detail/share/a%2Fb", None),
]


@pytest.mark.parametrize(("call", "method", "path", "body"), PLAIN)
def test_calls_become_requests(api, controller, call, method, path, body):
    call(controller)
    assert api.requests[0][0] == method
    assert api.requests[0][1] == f"/api/v2{path}"
    assert api.requests[0][3] == body


# fmt: off
ANSWERED = [
    (lambda c: c.enable("d", "h"), {"identity": "z", "cfg": "{}"}, lambda r: (r.z_id, r.document) == ("z", "{}")),
    (lambda c: c.identity(), {"zId": "z", "document": "{}"}, lambda r: (r.z_id, r.document) == ("z", "{}")),
    (lambda c: c.identity(), {"zId": "z", "document": {"a": 1}}, lambda r: r.document == '{"a": 1}'),
    (
        lambda c: c.access("z", "s", "", ""),
        {"frontendToken": "a", "backendMode": "tcpTunnel"},
        lambda r: r == ("a", "tcp"),
    ),
    (lambda c: c.share_urls("s"), {"shareToken": "s", "urls": ["http://a"]}, lambda r: r == ("http://a",)),
    (lambda c: c.find_share("s"), {"envZId": "z", "frontendEndpoints": ["h"]}, lambda r: r == ("z", ("h",))),
    (lambda c: c.create_account("a@b.c", "p"), {"accountToken": "t"}, lambda r: r == "t"),
    (lambda c: c.regenerate_token("a@b.c"), {"accountToken": "t"}, lambda r: r == "t"),
    (lambda c: c.version(), {"controllerVersion": "1"}, lambda r: r == "1"),
    (lambda c: c.list_accounts(), {"accounts": [1]}, lambda r: r == [1]),
    (lambda c: c.list_accounts(), [1], lambda r: r == [1]),
    (
        lambda c: c.list_names(),
        [{"namespaceToken": "n", "namespaceName": "z.com", "name": "docs", "reserved": True, "createdAt": 2}],
        lambda r: r == (Name(namespace="n", zone="z.com", name="docs", reserved=True, created_at_ms=2000),),
    ),
    (
        lambda c: c.list_namespaces(),
        [{"namespaceToken": "n", "name": "z.com", "description": None}],
        lambda r: r == (Namespace(token="n", zone="z.com"),),
    ),
    (lambda c: c.list_names("n"), None, lambda r: r == ()),
]
# fmt: on


@pytest.mark.parametrize(("call", "document", "right"), ANSWERED)
def test_answers_become_our_nouns(api, controller, call, document, right):
    api.answers.append((200, document))
    assert right(call(controller))


def test_a_share_draft_and_its_answer(api, controller):
    api.answers.append((201, {"shareToken": "s", "frontendProxyEndpoints": ["docs.z.com"]}))
    draft = ShareDraft(
        env_z_id="z",
        share_mode=ShareMode.PUBLIC,
        mode="tcp",
        target="http://127.0.0.1:1",
        selections=(NameSelection(namespace="n", name="docs"),),
        gating=Gating(gate="basic", config={"users": [{"username": "ann", "password": "pw"}]}),
        permission=Permission.OPEN,
        grants=("a@b.c",),
    )
    assert controller.share(draft) == ("s", ("docs.z.com",))
    assert api.requests[0][3] == {
        "envZId": "z",
        "shareMode": "public",
        "backendMode": "tcpTunnel",
        "target": "http://127.0.0.1:1",
        "nameSelections": [{"namespaceToken": "n", "name": "docs"}],
        "privateShareToken": "",
        "authScheme": "basic",
        "basicAuthUsers": [{"username": "ann", "password": "pw"}],
        "permissionMode": "open",
        "accessGrants": ["a@b.c"],
    }


def test_a_share_without_endpoints_may_say_null(api, controller):
    api.answers.append((201, {"shareToken": "s", "frontendProxyEndpoints": None}))
    assert controller.share(ShareDraft(env_z_id="z", share_mode=ShareMode.PRIVATE, mode="web")) == ("s", ())
    assert api.requests[0][3]["authScheme"] == "none"


def test_mappings_are_asked_for_by_version_and_waited_for(api, controller):
    def slow(handler):
        time.sleep(0.2)
        handler.answer(
            200,
            {
                "epoch": "e", "version": 8, "full": False,
                "mappings": [
                    {"version": 7, "host": "a.z", "token": "t", "mode": "proxy", "gate": "basic",
                     "gateConfig": {"users": []}},
                    {"version": 8, "host": "b.z"},
                ],
            },
        )  # fmt: skip

    api.answers.append(slow)
    changes = controller.mappings("e", 6, 25.0)
    assert changes == MappingChanges(
        epoch="e",
        version=8,
        full=False,
        mappings=(
            Mapping(version=7, host="a.z", token="t", mode="proxy", gating=Gating(gate="basic", config={"users": []})),
            Mapping(version=8, host="b.z"),
        ),
    )  # fmt: skip
    assert parse_qs(urlsplit(api.requests[0][1]).query) == {"epoch": ["e"], "since": ["6"], "wait_s": ["25"]}


@pytest.mark.parametrize(
    "document",
    [{}, {"shareToken": 1}, {"shareToken": "s", "frontendProxyEndpoints": "x"}, [], "x", {"shareToken": None}],
)
def test_a_share_answer_without_its_fields_is_told(api, controller, document):
    api.answers.append((201, document))
    with pytest.raises(Unavailable, match="makes no sense"):
        controller.share(ShareDraft(env_z_id="z", share_mode=ShareMode.PRIVATE, mode="web"))
