"""What the audit trail has after every operation of the API that changes something, and after those refused."""

import json
import re
import time

import pytest

from zrokd.api.app import OPERATIONS
from zrokd.model.account import Principal
from zrokd.model.audit import Chain

PASSWORD, OTHER = "canary-Passw0rd!", "canary-0ther-One!"
# Operations that go with an event each, in an order in which they succeed; {X} is what an earlier one gave.
STEPS = """
    POST /account                        admin {"email": "ann@example.com", "password": "PASSWORD"}  account.created
    POST /account                        admin {"email": "eve@example.com"}                     account.created
    PATCH /account                       admin {"email": "ann@example.com", "password": "OTHER"} account.password_changed
    POST /login                          -     {"email": "ann@example.com", "password": "OTHER"} account.login
    POST /changePassword                 ann   {"email": "ann@example.com", "oldPassword": "OTHER", "newPassword": "PASSWORD"} account.password_changed
    POST /regenerateAccountToken         eve   {"emailAddress": "eve@example.com"}              token.regenerated
    POST /zrokd/accounts/token           admin {"email": "eve@example.com"}                     token.regenerated
    POST /zrokd/tokens                   ann   {"name": "laptop", "scope": "share"}             token.created
    DELETE /zrokd/tokens                 ann   {"name": "laptop"}                               token.revoked
    POST /zrokd/admin/login              -     {"email": "root@example.com", "password": "OTHER"} admin.login
    POST /zrokd/admin/tokens             admin {"name": "night"}                                token.created
    DELETE /zrokd/admin/tokens           admin {"name": "night"}                                token.revoked
    POST /enable                         ann   {"host": "h"}                                    environment.created
    POST /share/name                     ann   {"namespaceToken": "public", "name": "blog"}     name.created
    PATCH /share/name                    ann   {"namespaceToken": "public", "name": "blog", "reserved": true} name.changed
    POST /share                          ann   {"envZId": "{identity}", "shareMode": "public", "backendMode": "proxy", "target": "http://u:canary-in-target@h/", "nameSelections": [{"namespaceToken": "public", "name": "blog"}], "permissionMode": "closed"} share.created
    PATCH /share                         ann   {"shareToken": "{shareToken}", "addAccessGrants": ["eve@example.com"]} share.granted
    POST /access                         ann   {"envZId": "{identity}", "shareToken": "{shareToken}"} access.created
    PATCH /access                        ann   {"frontendToken": "{frontendToken}", "description": "d"} access.changed
    DELETE /unaccess                     ann   {"envZId": "{identity}", "frontendToken": "{frontendToken}"} access.deleted
    POST /agent/enroll                   ann   {"envZId": "{identity}"}                         agent.enrolled
    POST /agent/unenroll                 ann   {"envZId": "{identity}"}                         agent.unenrolled
    DELETE /unshare                      ann   {"envZId": "{identity}", "shareToken": "{shareToken}"} share.deleted
    DELETE /share/name                   ann   {"namespaceToken": "public", "name": "blog"}     name.deleted
    POST /disable                        ann   {"identity": "{identity}"}                       environment.deleted
    POST /namespace                      admin {"name": "vip.example.com", "token": "vip"}      namespace.created
    PATCH /namespace                     admin {"namespaceToken": "vip", "description": "few"}  namespace.changed
    POST /namespace/grant                admin {"namespaceToken": "vip", "email": "ann@example.com"} namespace.granted
    DELETE /namespace/grant              admin {"namespaceToken": "vip", "email": "ann@example.com"} namespace.revoked
    POST /identity                       admin {"name": "door"}                                 identity.created
    POST /frontend                       admin {"zId": "{identity}", "public_name": "door", "url_template": "http://{token}"} frontend.created
    PATCH /frontend                      admin {"frontendToken": "{frontendToken}", "publicName": "gate"} frontend.changed
    POST /frontend/grant                 admin {"frontendToken": "{frontendToken}", "email": "ann@example.com"} frontend.granted
    DELETE /frontend/grant               admin {"frontendToken": "{frontendToken}", "email": "ann@example.com"} frontend.revoked
    POST /namespace/frontend/mapping     admin {"namespaceToken": "vip", "frontendToken": "{frontendToken}"} namespace.mapped
    DELETE /namespace/frontend/mapping   admin {"namespaceToken": "vip", "frontendToken": "{frontendToken}"} namespace.unmapped
    DELETE /frontend                     admin {"frontendToken": "{frontendToken}"}             frontend.deleted
    DELETE /identity                     admin {"zId": "{identity}"}                            identity.deleted
    DELETE /namespace                    admin {"namespaceToken": "vip"}                        namespace.deleted
    POST /organization                   admin {"description": "o"}                             organization.created
    POST /organization/add               admin {"organizationToken": "{organizationToken}", "email": "ann@example.com"} organization.joined
    POST /organization/remove            admin {"organizationToken": "{organizationToken}", "email": "ann@example.com"} organization.left
    DELETE /organization                 admin {"organizationToken": "{organizationToken}"}     organization.deleted
    POST /zrokd/limit-class              admin {"label": "small", "shares": 3}                  limit_class.created
    POST /applied-limit-class            admin {"email": "ann@example.com", "limitClassIds": [{id}]} limit_class.applied
    DELETE /applied-limit-class          admin {"email": "ann@example.com", "limitClassIds": [{id}]} limit_class.taken_out
    DELETE /zrokd/limit-class            admin {"id": {id}}                                     limit_class.deleted
    POST /skip-interstitial-grant        admin {"email": "ann@example.com"}                     skip_interstitial.granted
    DELETE /skip-interstitial-grant      admin {"email": "ann@example.com"}                     skip_interstitial.revoked
    POST /invite/token/generate          admin {"inviteTokens": ["canary-invite-token"]}        invite.created
    POST /invite                         -     {"email": "bob@example.com"}                     account.invited
    POST /register                       -     {"registerToken": "{letter}", "password": "PASSWORD"} account.registered
    POST /resetPasswordRequest           -     {"emailAddress": "bob@example.com"}              account.reset_asked
    POST /resetPassword                  -     {"resetToken": "{letter}", "password": "OTHER"}  account.password_reset
    DELETE /account                      admin {"email": "ann@example.com"}                     account.deleted
"""  # noqa: E501
# These change nothing that lasts, or only what the reconciler would.
ASKING = {
    "POST /clientVersionCheck", "POST /verify", "POST /sparklines", "POST /limit-class/list", "POST /organization/list",
    "POST /applied-limit-class/list", "POST /zrokd/reconcile", "POST /zrokd/usage", "POST /agent/ping",
    "POST /zrokd/environment/usage", "POST /zrokd/binds",
    "POST /agent/status", "POST /agent/share", "POST /agent/unshare", "POST /agent/access", "POST /agent/unaccess",
    "POST /agent/share/http-healthcheck",
}  # fmt: skip


def steps():
    for line in STEPS.strip().splitlines():
        method, path, who, rest = line.split(None, 3)
        body, _, event = rest.rpartition(" ")
        yield method, path, who, body.strip().replace("PASSWORD", PASSWORD).replace("OTHER", OTHER), event


@pytest.fixture
def records(api, admin):
    return lambda **query: api.ok("GET", "/zrokd/audit", token=admin, query=query)["records"]


def token_in(letter):
    return re.search(r"token is (\w+)", letter.text)[1]


def walk(api, admin, records):
    """Do all steps; (step, its records) of each."""
    api.open_up(invites="open")
    api.elsewhere["root@example.com", OTHER] = Principal(email="root@example.com", admin=True)
    tokens, known, last = {"admin": admin}, {}, len(records())
    for method, path, who, body, event in steps():
        for key, value in known.items():
            body = body.replace(f"{{{key}}}", str(value))
        answer = api.ok(method, path, token=tokens.get(who), body=json.loads(body))
        if isinstance(answer, dict):
            known |= answer
        email = json.loads(body).get("email") or json.loads(body).get("emailAddress", "")
        if (answer and "accountToken" in answer) or (path == "/account" and method == "POST"):
            tokens[email[:3]] = answer["accountToken"]
        if api.letters:
            known["letter"] = token_in(api.letters[-1])
        made = records(after=last)
        last += len(made)
        yield (method, path, who, event), made


def test_every_operation_that_changes_something_is_among_the_steps():
    changing = {f"{one.method} {one.path}" for one in OPERATIONS if one.method != "GET"}
    assert {f"{method} {path}" for method, path, *_ in steps()} == changing - ASKING


@pytest.mark.slow
def test_each_change_leaves_one_record_without_secrets_and_all_of_them_hold(api, admin, records):
    secrets = {PASSWORD, OTHER, admin, "canary"}
    for (method, path, who, event), made in walk(api, admin, records):
        events = [one["event"] for one in made if one["event"] != "environment.deleted" or event == one["event"]]
        assert events == [event], (method, path, made)
        whose = {"admin": "admin", "-": "nobody", "ann": "ann@example.com", "eve": "eve@example.com"}
        assert (made[0]["actor"], made[0]["outcome"]) == (whose[who], "done"), (method, path)
        assert made[0]["address"] == "127.0.0.1", (method, path)
    page = api.services.trail.page(0, 1000)
    chain = Chain(page.checkpoint)
    for record in page.records:
        chain.take(record)
    chain.end(page.head)
    text = json.dumps(records())
    assert not [secret for secret in secrets | {token_in(letter) for letter in api.letters} if secret in text]


def test_who_is_refused_is_told_of_and_what_is_garbled_is_not(api, ann, bob, records):
    env = api.env(ann)
    before = len(records())
    api.refused(404, "POST", "/disable", token=bob, body={"identity": env})
    api.refused(400, "POST", "/disable", token=bob, body={"identity": 5})
    api.refused(404, "GET", "/detail/share/nothing", token=bob)
    api.refused(401, "POST", "/login", body={"email": "ann@example.com", "password": "guess"})
    made = records(after=before)
    assert [(one["event"], one["actor"], one["outcome"], one["account"]) for one in made] == [
        ("POST /disable", "bob@example.com", "refused", ""),
        ("account.login", "nobody", "refused", "ann@example.com"),
    ]
    assert made[0]["facts"] == {"reason": "no such environment"}


def test_what_the_overlay_does_not_do_is_told_as_failed(api, ann, records):
    api.overlay.away = True
    before = len(records())
    api.refused(503, "POST", "/enable", token=ann, body={"host": "h"})
    assert [(one["event"], one["outcome"]) for one in records(after=before)] == [("POST /enable", "failed")]


def test_nobody_fills_the_trail_with_refusals_and_what_is_left_out_is_counted(api, bob, records):
    before = len(records())
    api.clock.ahead_s = 60 - time.monotonic() % 60  # a minute begins, in which all of them come
    for _ in range(50):
        api.refused(404, "POST", "/disable", token=bob, body={"identity": "x"})
    assert len(records(after=before)) == 30
    api.clock.ahead_s += 61
    api.refused(404, "POST", "/disable", token=bob, body={"identity": "x"})
    assert records(after=before)[-1]["facts"]["left_out"] == 20


def test_it_is_read_in_pages_by_account_and_by_time_and_by_administrators_only(api, ann, bob, admin, records):
    api.env(ann)
    everything = records()
    assert [one["seq"] for one in everything] == list(range(1, len(everything) + 1))
    assert [one["seq"] for one in records(after=1, limit=2)] == [2, 3]
    assert [one["event"] for one in records(account="ANN@example.com")] == ["account.created", "environment.created"]
    assert records(since=everything[-1]["at_ms"] + 1000) == []
    api.refused(401, "GET", "/zrokd/audit", token=ann)
    api.refused(422, "GET", "/zrokd/audit?after=x", token=admin)
