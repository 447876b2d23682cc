"""`zrokd agent`, against a whole zrokd; what an agent does when it is told is in tests/flow/test_agent.py."""

import json
import stat

import pytest
import requests

from zrokd.testing.scenario import ACCOUNT_TOKEN


@pytest.fixture
def order(enabled, site):
    """order(what, **body): status and document of a call to this machine's agent."""
    z_id = json.loads(enabled("status", "--json")[0])["environment"]

    def told(what, **body):
        url = f"{site.controller_url}/api/v2/agent/{what}"
        headers = {"X-Token": ACCOUNT_TOKEN, "Content-Type": "application/json"}
        with requests.post(url, data=json.dumps({"envZId": z_id, **body}), headers=headers) as answer:
            return answer.status_code, answer.json() if answer.content else None

    return told


def test_an_agent_is_off_until_it_is_enrolled(enabled, order):
    assert "not enrolled; run: zrokd agent enroll" in enabled("agent", "start", code=1)[1]
    assert "not enrolled" in enabled("agent", "status", code=1)[1]
    status, said = order("ping")
    assert (status, "not enrolled" in said) == (502, True)


@pytest.mark.slow
def test_it_is_enrolled_run_told_asked_and_unenrolled(enabled, order, home):
    (event,) = enabled.lines("agent", "enroll")
    assert event["event"] == "agent_enrolled"
    file = home / "agent.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "already" in enabled("agent", "enroll", code=1)[1]
    assert "is away" in enabled("agent", "status", code=1)[1]
    enabled.start("agent", "start", "--verbose")
    enabled.until("takes orders of its account, through")
    assert order("share", backendMode="hello")[0] == 200
    enabled.until("http://")
    enabled.end()
    assert enabled("agent", "unenroll")[1] == "this machine's agent is not enrolled any more\n"
    assert not file.exists()
    assert "not enrolled" in enabled("agent", "start", code=1)[1]


@pytest.mark.slow
def test_status_shows_what_it_shares_and_what_is_wrong(enabled, order):
    enabled("agent", "enroll")
    enabled.start("agent", "start", "--verbose")
    enabled.until("takes orders of its account, through")
    try:
        token = order("share", backendMode="hello", shareMode="private", open=True)[1]["token"]
        access = order("access", token=token, bindAddress="127.0.0.1:0")[1]["frontendToken"]
        out, _ = enabled("agent", "status")
        assert out.startswith(f"share {token} private -> hello  (active)\naccess {access} 127.0.0.1:")
        assert out.endswith(f" -> {token} (active)\n")
        assert enabled.lines("agent", "status")[0]["shares"][0]["token"] == token
        assert order("unaccess", frontendToken=access)[0] == 200
        assert order("unshare", token=token)[0] == 200
        assert "neither shares nor opens" in enabled("agent", "status")[1]
    finally:
        enabled.end()


def test_what_was_never_enrolled_can_be_unenrolled(enabled):
    assert "did not know" in enabled("agent", "unenroll")[1]
