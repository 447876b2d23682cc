import inspect
import itertools
import re

import pytest

from zrokd.api.app import BASE, OPERATIONS
from zrokd.api.call import Needs

ZROK = {
    "POST /clientVersionCheck", "GET /configuration", "GET /version", "GET /versions", "GET /overview",
    "POST /enable", "POST /disable",
    "POST /share", "PATCH /share", "DELETE /unshare", "GET /detail/share/{share_token}",
    "POST /access", "PATCH /access", "DELETE /unaccess",
    "POST /share/name", "PATCH /share/name", "DELETE /share/name",
    "GET /share/names", "GET /share/names/{namespace_token}", "GET /share/namespaces",
    "POST /account", "DELETE /account", "POST /regenerateAccountToken",
    "POST /namespace", "PATCH /namespace", "DELETE /namespace", "GET /namespaces",
    "POST /namespace/grant", "DELETE /namespace/grant",
    "POST /changePassword", "POST /login", "POST /invite", "POST /verify", "POST /register",
    "POST /resetPasswordRequest", "POST /resetPassword", "POST /invite/token/generate", "PATCH /account",
    "POST /namespace/frontend/mapping", "DELETE /namespace/frontend/mapping",
    "GET /namespace/frontend/mapping/{namespace_token}", "GET /frontend/namespace/mapping/{frontend_token}",
    "GET /name/{namespace_token}/{name}",
    "POST /frontend", "PATCH /frontend", "DELETE /frontend", "GET /frontends",
    "POST /frontend/grant", "DELETE /frontend/grant", "POST /identity", "DELETE /identity",
    "POST /organization", "DELETE /organization", "GET /organizations", "POST /organization/add",
    "POST /organization/remove", "POST /organization/list", "GET /memberships", "GET /members/{organization_token}",
    "GET /overview/{organization_token}/{account_email}",
    "POST /limit-class/list", "POST /applied-limit-class", "DELETE /applied-limit-class",
    "POST /applied-limit-class/list", "GET /skip-interstitial-grant", "POST /skip-interstitial-grant",
    "DELETE /skip-interstitial-grant",
    "GET /environments", "GET /shares", "GET /accesses", "GET /detail/account",
    "GET /detail/environment/{env_z_id}", "GET /detail/frontend/{frontend_id}", "GET /metrics/account",
    "GET /metrics/environment/{env_z_id}", "GET /metrics/share/{share_token}", "POST /sparklines",
    "POST /agent/enroll", "POST /agent/unenroll", "POST /agent/ping", "POST /agent/status", "POST /agent/share",
    "POST /agent/unshare", "POST /agent/access", "POST /agent/unaccess", "POST /agent/share/http-healthcheck",
}  # fmt: skip
WRONG_CREDENTIALS = {"code": 401, "message": "invalid api key"}
TABLE = {f"{operation.method} {operation.path}": operation for operation in OPERATIONS}


def test_the_table_has_zroks_operations_and_ours_below_a_path_of_their_own():
    assert {key for key in TABLE if "/zrokd/" not in key} == ZROK
    assert len(TABLE) == len(OPERATIONS)


def test_the_base_path_is_zroks():
    assert BASE == "/api/v2"


@pytest.mark.parametrize("key", sorted(TABLE))
def test_every_operation_says_which_it_is(key):
    method, path = key.split()
    told = inspect.getdoc(TABLE[key].handler)
    assert path.partition("?")[0] in told
    assert method in told or "and" in told


@pytest.mark.parametrize(
    ("token", "message"), [(None, "unauthenticated for invalid credentials"), ("x", "invalid api key")]
)
def test_every_operation_but_the_open_ones_asks_who_that_is(api, token, message):
    for key in sorted(key for key in TABLE if TABLE[key].needs is not Needs.NOBODY):
        method, path = filled(key)
        assert api.refused(401, method, path, token=token, body={} if method != "GET" else None) == message, key


def filled(key):
    method, path = key.split()
    return method, re.sub(r"\{\w+\}", "1", path)


def test_few_operations_are_open():
    assert {key for key in TABLE if TABLE[key].needs is Needs.NOBODY} == {
        "POST /clientVersionCheck", "GET /configuration", "GET /version", "GET /versions",
        "POST /login", "POST /invite", "POST /verify", "POST /register", "POST /resetPasswordRequest",
        "POST /resetPassword", "POST /zrokd/admin/login",
    }  # fmt: skip


def test_every_operation_is_for_one_kind_of_principal(api, ann, edge, admin):
    tokens = {"account": ann, Needs.FRONTEND: edge, Needs.ADMIN: admin}
    for key, kind in itertools.product(sorted(TABLE.keys() - {"POST /regenerateAccountToken"}), tokens):
        method, path = filled(key)
        answer = api.raw(method, path, token=tokens[kind], body={} if method != "GET" else None)
        if ("account" if TABLE[key].needs.scope else TABLE[key].needs) in (Needs.NOBODY, kind):
            assert answer.status_code != 401 or answer.json != WRONG_CREDENTIALS, (key, kind)
        else:
            assert (answer.status_code, answer.json) == (401, WRONG_CREDENTIALS), (key, kind)
