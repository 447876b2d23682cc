import itertools

import pytest

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
    api.ok("POST", "/agent/enroll", token=ann, body={"envZId": env})
    assert "cannot be reached" in api.refused(502, "POST", f"/agent/{what}", token=ann, body=body)


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
