import itertools

import pytest

from zrokd.errors import OverlayError
from zrokd.model.agent import (
    AccessDetail,
    AccessPrivateRequest,
    AccessPrivateResponse,
    Failure,
    NameSelection,
    ReleaseAccessRequest,
    ReleaseAccessResponse,
    ReleaseShareRequest,
    ReleaseShareResponse,
    ShareDetail,
    ShareHttpHealthcheckRequest,
    ShareHttpHealthcheckResponse,
    SharePrivateRequest,
    SharePrivateResponse,
    SharePublicRequest,
    SharePublicResponse,
    StatusRequest,
    StatusResponse,
    Timestamp,
    VersionRequest,
    VersionResponse,
)

REMOTE = ["ping", "status", "share", "unshare", "access", "unaccess", "share/http-healthcheck"]


@pytest.fixture
def env(api, ann):
    return api.env(ann)


@pytest.fixture
def token(api, ann, env):
    return api.ok("POST", "/agent/enroll", token=ann, body={"envZId": env})["token"]


def remote_agent(api, ann):
    (one,) = api.ok("GET", "/environments", token=ann)["environments"]
    return one["remoteAgent"]


def test_an_agent_is_enrolled_with_a_service_of_its_own_and_unenrolled(api, ann, env):
    assert not remote_agent(api, ann)
    token = api.ok("POST", "/agent/enroll", token=ann, body={"envZId": env})["token"]
    assert api.overlay.shares == {token}
    assert remote_agent(api, ann)
    assert api.ok("GET", "/environments", token=ann, query={"remoteAgent": "true"})["environments"]
    assert api.ok("POST", "/agent/unenroll", token=ann, body={"envZId": env}) is None
    assert (api.overlay.shares, remote_agent(api, ann)) == (set(), False)


def test_an_agent_is_enrolled_once(api, ann, env, token):
    assert "already" in api.refused(400, "POST", "/agent/enroll", token=ann, body={"envZId": env})
    api.ok("POST", "/agent/unenroll", token=ann, body={"envZId": env})
    assert "not enrolled" in api.refused(400, "POST", "/agent/unenroll", token=ann, body={"envZId": env})


def test_with_its_environment_an_agents_service_is_gone(api, ann, env, token):
    api.ok("POST", "/disable", token=ann, body={"identity": env})
    assert api.overlay.shares == set()
    assert api.everything()["agent_enrollment"] == []


def test_while_the_overlay_is_away_nothing_is_enrolled(api, ann, env):
    api.overlay.away = True
    api.refused(503, "POST", "/agent/enroll", token=ann, body={"envZId": env})
    api.overlay.away = False
    api.services.reconciler.reconcile()
    assert api.everything()["intent"] == []
    api.ok("POST", "/agent/enroll", token=ann, body={"envZId": env})


def test_an_agents_service_is_no_orphan_and_is_made_again_when_it_is_lost(api, token):
    assert api.services.reconciler.reconcile() == ()
    api.overlay.shares.clear()
    assert [str(action) for action in api.services.reconciler.reconcile()] == [f"create agent {token}"]
    assert api.overlay.shares == {token}
    assert api.services.reconciler.reconcile() == ()


def test_an_agents_service_that_was_taken_back_is_an_orphan(api, ann, env, token):
    api.ok("POST", "/agent/unenroll", token=ann, body={"envZId": env})
    api.overlay.shares.add(token)
    api.services.reconciler.reconcile()
    assert api.overlay.shares == set()


@pytest.mark.parametrize("what", REMOTE)
def test_an_agent_that_is_away_or_not_enrolled_is_a_bad_gateway(api, ann, env, what):
    body = {"envZId": env, "shareMode": "private", "expectedHttpResponse": 200, "autoStartPort": 1}
    assert "not enrolled" in api.refused(502, "POST", f"/agent/{what}", token=ann, body=body)
    assert api.agents.asked == []
    api.ok("POST", "/agent/enroll", token=ann, body={"envZId": env})
    assert api.refused(502, "POST", f"/agent/{what}", token=ann, body=body) == "the agent is away"


TOLD = [
    ("ping", {}, VersionRequest(), VersionResponse(v="v2.0.4"), {"version": "v2.0.4"}),
    (
        "share",
        {
            "shareMode": "public",
            "target": "http://127.0.0.1:3000",
            "basicAuth": ["ann:secret"],
            "nameSelections": [{"namespaceToken": "public", "name": "blog"}],
            "backendMode": "proxy",
            "insecure": True,
            "oauthProvider": "google",
            "oauthEmailDomains": ["*@example.com"],
            "oauthRefreshInterval": "3h",
            "open": True,
            "accessGrants": ["bob@example.com"],
        },
        SharePublicRequest(
            target="http://127.0.0.1:3000",
            basic_auth=("ann:secret",),
            name_selections=(NameSelection(namespace_token="public", name="blog"),),
            backend_mode="proxy",
            insecure=True,
            oauth_provider="google",
            oauth_email_domains=("*@example.com",),
            oauth_refresh_interval="3h",
            access_grants=("bob@example.com",),
        ),
        SharePublicResponse(token="t", frontend_endpoints=("blog.example.com",)),
        {"token": "t", "frontendEndpoints": ["blog.example.com"]},
    ),
    (
        "share",
        {"shareMode": "private", "target": "127.0.0.1:22", "backendMode": "tcpTunnel", "privateShareToken": "mine"},
        SharePrivateRequest(target="127.0.0.1:22", private_share_token="mine", backend_mode="tcpTunnel", closed=True),
        SharePrivateResponse(token="mine"),
        {"token": "mine", "frontendEndpoints": []},
    ),
    ("unshare", {"token": "t"}, ReleaseShareRequest(token="t"), ReleaseShareResponse(), None),
    (
        "access",
        {
            "token": "t",
            "bindAddress": "127.0.0.1:1",
            "autoMode": True,
            "autoAddress": "127.0.0.2",
            "autoStartPort": 8080,
            "autoEndPort": 8888,
            "responseHeaders": ["a: b"],
        },
        AccessPrivateRequest(
            token="t",
            bind_address="127.0.0.1:1",
            auto_mode=True,
            auto_address="127.0.0.2",
            auto_start_port=8080,
            auto_end_port=8888,
            response_headers=("a: b",),
        ),
        AccessPrivateResponse(frontend_token="f"),
        {"frontendToken": "f"},
    ),
    ("unaccess", {"frontendToken": "f"}, ReleaseAccessRequest(frontend_token="f"), ReleaseAccessResponse(), None),
    (
        "share/http-healthcheck",
        {"shareToken": "t", "httpVerb": "GET", "endpoint": "/", "expectedHttpResponse": 200, "timeoutMs": 1000},
        ShareHttpHealthcheckRequest(
            token="t", http_verb="GET", endpoint="/", expected_http_response=200, timeout_ms=1000
        ),
        ShareHttpHealthcheckResponse(error="expected 200, got 503"),
        {"healthy": False, "error": "expected 200, got 503"},
    ),
    (
        "status",
        {},
        StatusRequest(),
        StatusResponse(
            shares=(
                ShareDetail(token="t", share_mode="public", frontend_endpoint=("x",), closed=True, status="active"),
                ShareDetail(
                    failure=Failure(id="err_1", count=2, last_error="no", next_retry=Timestamp(seconds=1_800_000_000))
                ),
            ),
            accesses=(AccessDetail(frontend_token="f", failure=Failure(id="e", next_retry=Timestamp(seconds=2**62))),),
        ),
        {
            "shares": [
                {
                    "token": "t",
                    "shareMode": "public",
                    "backendMode": "",
                    "frontendEndpoints": ["x"],
                    "backendEndpoint": "",
                    "open": False,
                    "status": "active",
                },
                {
                    "token": "",
                    "shareMode": "",
                    "backendMode": "",
                    "frontendEndpoints": [],
                    "backendEndpoint": "",
                    "open": True,
                    "status": "",
                    "failure": {"id": "err_1", "count": 2, "lastError": "no", "nextRetry": "2027-01-15T08:00:00Z"},
                },
            ],
            "accesses": [
                {
                    "frontendToken": "f",
                    "token": "",
                    "bindAddress": "",
                    "responseHeaders": [],
                    "status": "",
                    "failure": {"id": "e", "count": 0, "lastError": ""},
                }
            ],
        },
    ),
]


@pytest.mark.parametrize(("what", "body", "told", "answer", "document"), TOLD)
def test_what_is_asked_reaches_the_agent_and_its_answer_comes_back(
    api, ann, env, token, what, body, told, answer, document
):
    api.agents.answers[type(told).__name__] = answer
    assert api.ok("POST", f"/agent/{what}", token=ann, body={"envZId": env, **body}) == document
    assert api.agents.asked == [(token, told)]


def test_while_the_overlay_is_away_agents_are_asked_later(api, ann, env, token):
    api.agents.answers["VersionRequest"] = OverlayError("the overlay is away", retry_after_s=7)
    assert "away" in api.refused(503, "POST", "/agent/ping", token=ann, body={"envZId": env})


def test_who_waits_for_an_agent_keeps_no_other_call_of_the_account_waiting(api, ann, env, token, monkeypatch):
    def ask(token, asked):
        return VersionResponse(v=str(len(api.ok("GET", "/environments", token=ann)["environments"])))

    monkeypatch.setattr(api.agents, "ask", ask)
    monkeypatch.setattr("zrokd.api.turns.AT_ONCE", 1)
    assert api.ok("POST", "/agent/ping", token=ann, body={"envZId": env}) == {"version": "1"}


@pytest.mark.parametrize("what", ["enroll", "unenroll", *REMOTE])
def test_the_environment_must_be_ones_own(api, bob, env, token, what):
    before = api.everything()
    answers = [api.raw("POST", f"/agent/{what}", token=bob, body={"envZId": one}) for one in (env, "nobodys")]
    assert {(answer.status_code, answer.json) for answer in answers} == {(401, "no such environment")}
    assert api.everything() == before


def test_garbled_requests_are_refused(api, ann):
    for what, env_z_id in itertools.product(["enroll", "unenroll", *REMOTE], [None, "", 5, ["x"]]):
        assert "envZId" in api.refused(400, "POST", f"/agent/{what}", token=ann, body={"envZId": env_z_id})


@pytest.mark.parametrize(
    ("what", "changes", "status"),
    [
        ("share", {"shareMode": "maybe"}, 422),
        ("share", {"insecure": "yes"}, 400),
        ("share", {"basicAuth": "u:p"}, 400),
        ("access", {"autoStartPort": "1"}, 400),
        ("access", {"responseHeaders": [5]}, 400),
        ("share/http-healthcheck", {"timeoutMs": "1"}, 400),
    ],
)
def test_what_an_agent_cannot_be_told_is_refused(api, ann, env, token, what, changes, status):
    api.refused(status, "POST", f"/agent/{what}", token=ann, body={"envZId": env} | changes)
