"""Every operation by tokens of every scope: the one door lets through what the table says, and nothing else."""

import re

import pytest

from zrokd.api.app import OPERATIONS
from zrokd.model.account import Scope

# What tokens of an account may do, beyond what the scope before it may. The test below wants each operation here once.
MAY = {
    Scope.READ: """
        GET /overview, GET /detail/share/{share_token}, GET /share/names, GET /share/names/{namespace_token},
        GET /share/namespaces, GET /memberships, GET /members/{organization_token},
        GET /overview/{organization_token}/{account_email}, GET /environments, GET /shares, GET /accesses,
        GET /detail/account, GET /detail/environment/{env_z_id}, GET /detail/frontend/{frontend_id},
        GET /metrics/account, GET /metrics/environment/{env_z_id}, GET /metrics/share/{share_token},
        POST /sparklines, POST /agent/ping, POST /agent/status, GET /zrokd/shares/{share_token},
        GET /zrokd/binds""",
    Scope.SHARE: """
        POST /enable, POST /disable, POST /share, PATCH /share, DELETE /unshare, POST /access, PATCH /access,
        POST /zrokd/environment/usage,
        DELETE /unaccess, POST /share/name, PATCH /share/name, DELETE /share/name, POST /agent/enroll,
        POST /agent/unenroll, POST /agent/share, POST /agent/unshare, POST /agent/access, POST /agent/unaccess,
        POST /agent/share/http-healthcheck, POST /zrokd/binds""",
    Scope.ACCOUNT: """
        POST /regenerateAccountToken, POST /changePassword, GET /zrokd/tokens, POST /zrokd/tokens,
        DELETE /zrokd/tokens""",
}
NEEDED = {key.strip(): scope for scope, keys in MAY.items() for key in keys.split(",")}
OPEN = {f"{one.method} {one.path}" for one in OPERATIONS if one.needs.value == "nobody"}
ADMINS = {f"{one.method} {one.path}" for one in OPERATIONS if one.needs.value == "admin"}
FRONTENDS = {"GET /zrokd/mappings", "POST /zrokd/usage", "GET /zrokd/identity"}
ORDER = [Scope.READ, Scope.SHARE, Scope.ACCOUNT]
WRONG = {"code": 401, "message": "invalid api key"}


@pytest.fixture
def holders(api, ann):
    """A token of each scope."""
    owner = api.services.directory.account_by_email("ann@example.com").id
    made = {scope: api.services.tokens.create(owner, scope.value + "s", scope)[1] for scope in ORDER}
    return made | {Scope.ADMIN: api.services.tokens.create_admin("admins")[1]}


def test_every_operation_is_in_the_table():
    assert {*NEEDED, *OPEN, *ADMINS, *FRONTENDS} == {f"{one.method} {one.path}" for one in OPERATIONS}


@pytest.mark.parametrize("scope", Scope)
def test_a_token_may_do_what_its_scope_says_and_nothing_else(api, holders, scope):
    """Requests are garbled, so that nothing is carried out: what counts is whether the door lets them through."""
    refused, passed = set(), set()
    for operation in OPERATIONS:
        key, path = f"{operation.method} {operation.path}", re.sub(r"\{\w+\}", "1", operation.path)
        body = None if operation.method == "GET" else b"[]"
        answer = api.raw(operation.method, path, token=holders[scope], body=body)
        if answer.status_code == 403:
            expected = f"this takes a token of scope {NEEDED[key]}, and this one has the scope {scope}"
            assert answer.json == expected, key
            refused.add(key)
        elif answer.status_code != 401 or answer.json != WRONG:
            passed.add(key)
    if scope is Scope.ADMIN:
        assert (refused, passed) == (set(), ADMINS | OPEN)
    else:
        more = {key for key, needed in NEEDED.items() if ORDER.index(needed) > ORDER.index(scope)}
        assert (refused, passed) == (more, OPEN | (NEEDED.keys() - more))


def test_what_a_scope_does_not_allow_changes_nothing(api, holders):
    before = api.everything()
    api.refused(403, "POST", "/enable", token=holders[Scope.READ], body={"host": "h"})
    api.refused(403, "POST", "/zrokd/tokens", token=holders[Scope.SHARE], body={"name": "more", "scope": "account"})
    api.refused(403, "POST", "/regenerateAccountToken", token=holders[Scope.SHARE], body={"emailAddress": "x"})
    assert api.everything() == before


def test_a_token_of_scope_share_is_enough_for_a_day_of_sharing(api, holders):
    token = holders[Scope.SHARE]
    env = api.env(token)
    api.ok("POST", "/share/name", token=token, body={"namespaceToken": "public", "name": "blog"})
    share = api.share(token, env, nameSelections=[{"namespaceToken": "public", "name": "blog"}])
    private = api.share(token, env, shareMode="private")
    access = api.access(token, env, private)
    api.ok("GET", "/overview", token=token)
    api.ok("DELETE", "/unaccess", token=token, body={"envZId": env, "frontendToken": access})
    api.ok("DELETE", "/unshare", token=token, body={"envZId": env, "shareToken": share})
    api.ok("POST", "/disable", token=token, body={"identity": env})
