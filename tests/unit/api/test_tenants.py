"""Every operation by everybody, with what is Ann's: nobody, Bob, Ann herself, Max who administers an organisation she
is in, an administrator, a frontend. Whom it does not concern is told what they would be told if it did not exist.
"""

import copy
import re
import shutil

import pytest

from zrokd.api.app import OPERATIONS
from zrokd.api.call import Needs

pytestmark = pytest.mark.slow

# What each operation takes that may be somebody else's, as (body, path values). MINE stands for Bob's own.
FOREIGN = {
    "GET /overview": [],
    "POST /enable": [],
    "GET /share/names": [],
    "GET /share/namespaces": [],
    "POST /disable": [({"identity": "ENV"}, {})],
    "POST /share": [
        ({"envZId": "ENV", "shareMode": "public", "backendMode": "proxy"}, {}),
        ({"envZId": "ENV", "shareMode": "private", "backendMode": "proxy", "privateShareToken": "free"}, {}),
        ({"envZId": "MINE", "shareMode": "public", "backendMode": "proxy",
          "nameSelections": [{"namespaceToken": "NAMESPACE"}]}, {}),
    ],
    "PATCH /share": [({"shareToken": "SHARE", "addAccessGrants": ["bob@example.com"]}, {})],
    "DELETE /unshare": [
        ({"envZId": "ENV", "shareToken": "SHARE"}, {}),
        ({"envZId": "MINE", "shareToken": "SHARE"}, {}),
    ],
    "GET /detail/share/{share_token}": [({}, {"share_token": "SHARE"})],
    "GET /zrokd/shares/{share_token}": [({}, {"share_token": "SHARE"})],
    "POST /access": [
        ({"envZId": "ENV", "shareToken": "SHARE"}, {}),
        ({"envZId": "MINE", "shareToken": "SHARE"}, {}),
    ],
    "PATCH /access": [({"frontendToken": "ACCESS", "bindAddress": "0.0.0.0:1"}, {})],
    "DELETE /unaccess": [
        ({"envZId": "ENV", "frontendToken": "ACCESS"}, {}),
        ({"envZId": "MINE", "frontendToken": "ACCESS"}, {}),
    ],
    "POST /share/name": [({"namespaceToken": "NAMESPACE", "name": "fresh"}, {})],
    "PATCH /share/name": [
        ({"namespaceToken": "NAMESPACE", "name": "NAME"}, {}),
        ({"namespaceToken": "public", "name": "NAME", "reserved": True}, {}),
    ],
    "DELETE /share/name": [
        ({"namespaceToken": "NAMESPACE", "name": "NAME"}, {}),
        ({"namespaceToken": "public", "name": "NAME"}, {}),
    ],
    "GET /share/names/{namespace_token}": [({}, {"namespace_token": "NAMESPACE"})],
    **{
        f"POST /agent/{what}": [({"envZId": "ENV", "token": "SHARE"}, {})]
        for what in (
            "enroll", "unenroll", "ping", "status", "share", "unshare", "access", "unaccess", "share/http-healthcheck"
        )
    },
    "GET /memberships": [],
    "GET /members/{organization_token}": [({}, {"organization_token": "ORGANIZATION"})],
    "GET /overview/{organization_token}/{account_email}": [
        ({}, {"organization_token": "ORGANIZATION", "account_email": "EMAIL"}),
    ],
    "GET /environments": [],
    "GET /shares": [],
    "GET /accesses": [],
    "GET /detail/account": [],
    "GET /detail/environment/{env_z_id}": [({}, {"env_z_id": "ENV"})],
    "GET /detail/frontend/{frontend_id}": [({}, {"frontend_id": "NUMBER"})],
    "GET /metrics/account": [],
    "GET /metrics/environment/{env_z_id}": [({}, {"env_z_id": "ENV"})],
    "GET /metrics/share/{share_token}": [({}, {"share_token": "SHARE"})],
    "POST /sparklines": [],
    "POST /changePassword": [
        ({"email": "EMAIL", "oldPassword": "Correct-h0rse", "newPassword": "Better-h0rse"}, {}),
    ],
    "POST /regenerateAccountToken": [({"emailAddress": "EMAIL"}, {})],
    "POST /zrokd/environment/usage": [({"envZId": "ENV", "samples": [{"shareToken": "SHARE", "rx": 1}]}, {})],
    "GET /zrokd/binds": [],
    "POST /zrokd/binds": [({"envZId": "ENV", "backend": "b", "whole": True, "binds": [{"shareToken": "SHARE"}]}, {})],
    "GET /zrokd/tokens": [],
    "POST /zrokd/tokens": [],
    "DELETE /zrokd/tokens": [({"name": "TOKEN"}, {})],
}  # fmt: skip
ZROKS_401 = ("POST /agent/", "POST /changePassword", "GET /metrics/")
CASES = [(key, body, path) for key, cases in FOREIGN.items() for body, path in cases]
NOTHING = {
    "ENV": "z99.-x", "SHARE": "bcdfghjkmnpq", "ACCESS": "AbCdEfGhIjKl", "NAMESPACE": "elsewhere", "NAME": "nowhere",
    "EMAIL": "nobody@example.com", "ORGANIZATION": "elsewhere", "NUMBER": "99",
    "TOKEN": "toaster",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory, furnished, api_over, admin):
    """A database with all that Ann can have, her token, the names of it all, and what the overlay holds of it."""
    api = api_over(shutil.copy(furnished, tmp_path_factory.mktemp("tenants") / "world.sqlite3"))
    ann = api.account("ann@example.com")
    hers = _made_for(api, ann, admin)
    api.database.close_idle()
    return api.database.database, ann, hers, vars(api.overlay)


def _made_for(api, ann, admin):
    api.ok("POST", "/namespace", token=admin, body={"token": "closed", "name": "closed.example.com"})
    api.ok("POST", "/namespace/grant", token=admin, body={"namespaceToken": "closed", "email": "ann@example.com"})
    env = api.env(ann)
    for namespace in ("public", "closed"):
        api.ok("POST", "/share/name", token=ann, body={"namespaceToken": namespace, "name": "blog"})
    share = api.share(ann, env, shareMode="private", permissionMode="closed")
    access = api.access(ann, env, share)
    club = api.ok("POST", "/organization", token=admin, body={})["organizationToken"]
    member = {"organizationToken": club, "email": "ann@example.com", "admin": True}
    api.ok("POST", "/organization/add", token=admin, body=member)
    number = str(api.ok("GET", "/accesses", token=ann)["accesses"][0]["id"])
    api.ok("POST", "/agent/enroll", token=ann, body={"envZId": env})
    api.ok("POST", "/zrokd/tokens", token=ann, body={"name": "laptop"})
    return {
        "ORGANIZATION": club, "NUMBER": number, "TOKEN": "laptop",
        "ENV": env, "SHARE": share, "ACCESS": access, "NAMESPACE": "closed", "NAME": "blog", "EMAIL": "ann@example.com"
    }  # fmt: skip


@pytest.fixture
def api(tmp_path, world, api_over):
    """The API over a world of the test's own."""
    made = api_over(shutil.copy(world[0], tmp_path / "zrokd.sqlite3"))
    vars(made.overlay).update(copy.deepcopy(world[3]))
    yield made
    made.database.close_idle()


@pytest.fixture
def ann(world):
    return world[1]


@pytest.fixture
def anns(world):
    """The names of everything that Ann has."""
    return world[2]


def filled(value, names):
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    return names.get(value, value)


def attempt(api, token, key, body, path, names):
    method, template = key.split()
    body = filled(body, names) if method != "GET" else None
    answer = api.raw(method, template.format(**filled(path, names)), token=token, body=body)
    words = answer.text
    for placeholder, name in names.items():
        words = words.replace(name, placeholder)
    headers = {key: value for key, value in answer.headers.items() if key != "content-length"}  # names differ in length
    return answer.status_code, words, headers


@pytest.fixture
def max_(api, admin, anns):
    """The token of Max, who administers the organisation that Ann is in."""
    token = api.account("max@example.com")
    member = {"organizationToken": anns["ORGANIZATION"], "email": "max@example.com", "admin": True}
    api.ok("POST", "/organization/add", token=admin, body=member)
    return token


@pytest.fixture
def people(ann, bob, max_, admin, edge):
    return {"nobody": None, "other tenant": bob, "owner": ann, "organisation admin": max_, "admin": admin, "edge": edge}


@pytest.fixture
def asking(people, request):
    """The token of whom the test is for."""
    return people[request.param]


def everything_of(anns):
    """A body with all of Ann's ids in it, by every name that a field has for them."""
    fields = {
        "envZId": "ENV", "identity": "ENV", "zId": "ENV", "shareToken": "SHARE", "frontendToken": "ACCESS",
        "token": "SHARE", "namespaceToken": "NAMESPACE", "name": "NAME", "email": "EMAIL", "emailAddress": "EMAIL",
        "organizationToken": "ORGANIZATION", "limitClassIds": [1],
    }  # fmt: skip
    return filled(fields, anns)


@pytest.mark.parametrize("who", ["nobody", "other tenant", "owner", "organisation admin", "admin", "edge"])
def test_a06_the_door_is_shut_to_whom_an_operation_is_not_for_whatever_they_name(api, anns, people, who):
    """All operations but the open ones. With credentials that are good for others, one and the same answer."""
    for_whom = {"nobody": set(), "admin": {Needs.ADMIN}, "edge": {Needs.FRONTEND}}
    theirs = for_whom.get(who, {Needs.READ, Needs.SHARE, Needs.ACCOUNT})
    before, services, answers, count = api.everything(), set(api.overlay.shares), set(), 0
    names = {"env_z_id": "ENV", "share_token": "SHARE", "frontend_id": "NUMBER", "account_email": "EMAIL"}
    for operation in OPERATIONS:
        if operation.needs is Needs.NOBODY or operation.needs in theirs:
            continue
        path = re.sub(r"\{(\w+)\}", lambda part: anns[names.get(part[1], "NAMESPACE")], operation.path)
        body = None if operation.method == "GET" else everything_of(anns)
        answer = api.raw(operation.method, path, token=people[who], body=body)
        answers.add((answer.status_code, answer.text, *sorted(answer.headers.items())))
        count += 1
    assert {answer[0] for answer in answers} == {401} and len(answers) == 1
    assert count > 40
    assert (api.everything(), set(api.overlay.shares)) == (before, services)


def test_every_operation_of_accounts_is_in_the_matrix():
    table = {f"{operation.method} {operation.path}" for operation in OPERATIONS if operation.needs.scope}
    assert set(FOREIGN) == table


# What an organisation's admin may see of its members.
ORGANISERS = {"GET /members/{organization_token}", "GET /overview/{organization_token}/{account_email}"}


@pytest.mark.parametrize("asking", ["other tenant", "organisation admin"], indirect=True)
@pytest.mark.parametrize(("key", "body", "path"), CASES)
def test_a06_what_is_somebody_elses_is_as_if_it_did_not_exist(api, asking, max_, anns, key, body, path):
    """By status, words and headers; and nothing is changed."""
    mine = {"MINE": api.env(asking)}
    before, services = api.everything(), set(api.overlay.shares)
    foreign = attempt(api, asking, key, body, path, anns | mine)
    if asking == max_ and key in ORGANISERS:
        assert foreign[0] == 200
    else:
        assert foreign[0] == (401 if key.startswith(ZROKS_401) else 404), foreign
        assert attempt(api, asking, key, body, path, NOTHING | mine) == foreign
    assert api.everything() == before
    assert api.overlay.shares == services


@pytest.mark.parametrize(("key", "body", "path"), [case for case in CASES if case[0] != "POST /changePassword"])
def test_a06_the_owner_is_answered_otherwise(api, ann, anns, key, body, path):
    """So that the cases above name what there is."""
    mine = {"MINE": anns["ENV"]}
    nothing = attempt(api, ann, key, body, path, NOTHING | mine)
    assert attempt(api, ann, key, body, path, anns | mine) != nothing


@pytest.mark.parametrize("key", [key for key in FOREIGN if key.startswith("GET") and not FOREIGN[key]])
def test_lists_hold_nothing_of_somebody_elses(api, bob, anns, key):
    text = api.raw("GET", key.split()[1], token=bob).text
    assert [name for key, name in anns.items() if key != "NUMBER" and name in text] == []


def test_a_taken_share_token_is_a_conflict_whoever_has_it(api, bob, anns):
    mine = api.env(bob)
    body = {"envZId": mine, "shareMode": "private", "backendMode": "proxy", "privateShareToken": anns["SHARE"]}
    assert "taken" in api.refused(409, "POST", "/share", token=bob, body=body)


def test_a_name_of_somebody_elses_cannot_be_shared_under(api, bob, anns):
    selections = [{"namespaceToken": "public", "name": "blog"}]
    body = {"envZId": api.env(bob), "shareMode": "public", "backendMode": "proxy", "nameSelections": selections}
    assert "not reserved by you" in api.refused(409, "POST", "/share", token=bob, body=body)


@pytest.mark.parametrize("text", ["'", '" or true or "', "%", "*", "\\", "😀", "null", "a" * 4000, "../..", "\x7f"])
@pytest.mark.parametrize("key", sorted({key for key, _, _ in CASES}))
def test_strange_texts_touch_nothing_and_break_nothing(api, bob, anns, key, text):
    body, path = FOREIGN[key][0]
    names = dict.fromkeys(anns, text) | {"MINE": text}
    before = api.everything()
    method, template = key.split()
    quoted = dict.fromkeys(path, "x" if "/" in text or "\x7f" in text else text)
    answer = api.raw(
        method, template.format(**quoted), token=bob, body=filled(body, names) if method != "GET" else None
    )
    assert answer.status_code in (400, 401, 404, 422), answer.text
    assert api.everything() == before
