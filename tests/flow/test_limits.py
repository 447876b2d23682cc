"""Bytes are used up, and there is room again: what visitors, mails and lists say."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import gevent
import pytest
from zrokd_plugins.role_backend import tally
from zrokd_plugins.role_frontend import usage

from zrokd.client import ledger
from zrokd.client.controller import Controller
from zrokd.model.units import Secret
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
WITHIN_S = 20.0


def limited_to(total):
    return {"roles": {"controller": {"limits": {"check_every": "0.1s", "bandwidth": {"limit": {"total": total}}}}}}


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    for module in (usage, tally, ledger):
        monkeypatch.setattr(module, "EVERY_S", 0.1)
    shares = [{"name": "app", "mode": "hello"}, {"token": "mine", "private": True, "mode": "hello"}]
    changes = limited_to("1KiB")
    changes["roles"]["controller"]["mail"] = {"dir": str(tmp_path / "mail")}
    with Scenario(tmp_path, shares=shares, changes=changes) as running:
        yield running


def eventually(check):
    until = time.monotonic() + WITHIN_S
    while not (found := check()):
        assert time.monotonic() < until, "it never came true"
        gevent.sleep(0.05)
    return found


def test_who_uses_up_the_bytes_is_sent_away_until_there_is_room(scenario, tmp_path):
    page = eventually(lambda: (found := scenario.get("app")).status == 503 and found)
    assert b"had all the traffic" in page.body and b"ann@example.com" not in page.body
    with closing(Controller(scenario.controller_url, Secret(ACCOUNT_TOKEN))) as client:
        assert client.overview()["accountLimited"] and client.share_detail("mine")["limited"]
        assert eventually(lambda: [path.read_bytes() for path in (tmp_path / "mail").glob("*.eml")])
        assert scenario.reload(limited_to("1TiB"))
        eventually(lambda: scenario.get("app").status == 200)
        assert not client.share_detail("mine")["limited"]
        eventually(lambda: len(list((tmp_path / "mail").glob("*.eml"))) == 2)


def test_what_goes_through_just_before_the_end_counts(tmp_path, caplog):
    with Scenario(tmp_path, shares=[{"name": "app", "mode": "hello"}]) as running:
        sent = len(running.get("app").body)
    [database] = tmp_path.rglob("zrokd.sqlite3")
    with closing(sqlite3.connect(database)) as store:
        [[told]] = store.execute("SELECT sum(tx_bytes) FROM usage_sample")
    assert told == sent
    assert "was not told" not in caplog.text
