"""What goes wrong with zrok 2.0.4 when shares, environments and accounts end, and after a crash, does not here.

The API's own are in tests/unit/api/test_observed.py; what an agent has after its kill is in tests/ziti/test_agent.py.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import requests
import websockets
from zrokd_plugins.role_backend.office import Office

from zrokd.errors import Invalid
from zrokd.testing.scenario import ACCOUNT_TOKEN

from .conftest import eventually
from .test_agent import CHANGES, OTHER, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
ADMIN = "the-operators-own-secret"
WITHIN_S = 5.0
AUTH = {"auth": [{"use": "token"}, {"use": "secret", "secrets": [ADMIN]}]}


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path, changes=CHANGES | AUTH) as made:
        made.wait()
        yield made


def unshare(site, tokens):
    for token in tokens:
        assert site.call("/unshare", method="DELETE", envZId=site.env, shareToken=token)[0] == 200


def disable(site, tokens):
    assert site.call("/disable", identity=site.env)[0] == 200


def delete_account(site, tokens):
    assert site.call("/account", method="DELETE", who=ADMIN, email="ann@example.com")[0] == 200


@pytest.mark.leaves_behind("a daemon whose account is gone has nobody to give its shares back to")
@pytest.mark.parametrize("end", [unshare, disable, delete_account])
def test_who_is_inside_of_what_ends_is_out_within_five_seconds(
    site, target, echo_server, open_websocket, monkeypatch, end
):
    """Though the sharing program goes on, and the visitors' streams stood open: public ones and private ones."""
    named = [{"namespaceToken": "public", "name": "chat"}]
    public = site.order("share", target=f"http://127.0.0.1:{echo_server}", nameSelections=named)["token"]
    private = site.order("share", shareMode="private", target=target.url)["token"]
    site.order("access", token=private, bindAddress="127.0.0.1:0")
    (access,) = site.status()["accesses"]
    with contextlib.ExitStack() as stack:
        inside = stack.enter_context(open_websocket(site.frontend.port, site.host("chat")))
        inside.send("still there")
        assert inside.recv(timeout=10) == "still there"
        session = stack.enter_context(requests.Session())
        events = session.get(f"http://{access['bindAddress']}/events", stream=True, timeout=20)
        monkeypatch.setattr(Office, "offer", refuse)  # or the backend would offer them again
        began = time.monotonic()
        end(site, [public, private])
        with pytest.raises(websockets.ConnectionClosed):
            inside.recv(timeout=20)
        with contextlib.suppress(requests.RequestException):  # a reset is an end, too
            assert events.content == b""
        events.close()
        eventually(lambda: site.get("chat").status == 404)
        assert time.monotonic() - began < WITHIN_S


@pytest.mark.parametrize("end", ["unaccess", "grant"])
def test_an_access_that_ends_is_over_within_five_seconds(site, tmp_path, target, end):
    """Though who has it goes on: a grant of zrok's that was taken back ended no living access."""
    grants = {"permissionMode": "closed", "accessGrants": ["bob@example.com"]}
    share = site.order("share", shareMode="private", target=target.url, **grants)["token"]
    environ = {**os.environ, "ZROKD_HOME": str(tmp_path / "bob"), "ZROKD_CONTROLLER": site.controller_url}
    zrokd = [sys.executable, "-m", "zrokd"]
    subprocess.run([*zrokd, "enable", OTHER], env=environ, check=True, timeout=30)
    words = [*zrokd, "access", "private", share, "--bind", "127.0.0.1:0", "--json"]
    with (
        subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as process,
        requests.Session() as session,
    ):
        url = f"http://{json.loads(process.stdout.readline())['address']}"
        events = session.get(f"{url}/events", stream=True, timeout=20)
        (access,) = site.call("/accesses", method="GET", who=OTHER)[1]["accesses"]
        began = time.monotonic()
        if end == "grant":
            gone = {"shareToken": share, "removeAccessGrants": ["bob@example.com"]}
            assert site.call("/share", method="PATCH", **gone)[0] == 200
        else:
            gone = {key: access[key] for key in ("envZId", "shareToken", "frontendToken")}
            assert site.call("/unaccess", method="DELETE", who=OTHER, **gone)[0] == 200
        with contextlib.suppress(requests.RequestException):
            assert events.content == b""
        assert requests.get(url, timeout=5).status_code in {502, 503, 404}
        assert time.monotonic() - began < WITHIN_S
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def refuse(*_args, **_more):
    raise Invalid("not again")


def test_a_killed_shares_name_is_given_back_at_once_to_who_had_it(site, tmp_path, target):
    """Nobody has to delete the share first, and it has the same address."""
    environ = {**os.environ, "ZROKD_HOME": str(tmp_path / "home"), "ZROKD_CONTROLLER": site.controller_url}
    zrokd = [sys.executable, "-m", "zrokd"]
    subprocess.run([*zrokd, "enable", ACCOUNT_TOKEN], env=environ, check=True, timeout=30)
    words = [*zrokd, "share", "public", target.url, "--name", "public:held", "--json"]
    urls = []
    for how in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as process:
            urls.append(json.loads(process.stdout.readline())["urls"])
            assert site.get("held").status == 200
            process.send_signal(how)
            process.wait(timeout=20)
    assert urls[0] == urls[1]


def test_an_agent_has_its_reserved_share_again_after_a_restart(site, tmp_path, target):
    named = [{"namespaceToken": "public", "name": "mine"}]
    token = site.order("share", target=target.url, nameSelections=named)["token"]
    site.stop()
    with Site(tmp_path, changes=CHANGES | AUTH) as later:
        later.wait()
        eventually(lambda: later.get("mine").status == 200)
        (told,) = later.status()["shares"]
        assert (told["token"], told["status"]) == (token, "active")


@pytest.mark.leaves_behind("the environment of the daemon was ended under it")
def test_disable_leaves_no_name_behind(site, target, monkeypatch):
    for _ in range(3):
        site.order("share", target=target.url)
    assert len(site.call("/share/names", method="GET")[1]) == 3
    hosts = [name["name"] for name in site.call("/share/names", method="GET")[1]]
    monkeypatch.setattr(Office, "offer", refuse)
    disable(site, [])
    assert site.call("/share/names", method="GET")[1] == []
    eventually(lambda: {site.get(host).status for host in hosts} == {404})
