"""An SQLite database that another program holds: reads are answered, and changes refused in time."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import gevent
import pytest

from zrokd.client.controller import Controller
from zrokd.errors import Unavailable
from zrokd.model.units import Secret
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
WITHIN_S = 2.0


def test_while_it_is_locked_changes_are_refused_within_two_seconds_and_come_back(tmp_path, capsys):
    with (
        Scenario(tmp_path, shares=[{"name": "greeting", "mode": "hello"}]) as zrokd,
        closing(Controller(zrokd.controller_url, Secret(ACCOUNT_TOKEN))) as client,
        closing(sqlite3.connect(zrokd.daemon.components.storage.path, isolation_level=None)) as other,
    ):
        other.execute("begin immediate")
        refused = [gevent.spawn(refused_after_s, client, number) for number in range(8)]
        for _ in range(10):
            assert zrokd.get("greeting").status == 200
            assert client.overview()["environments"]
        gevent.joinall(refused, raise_error=True)
        other.execute("rollback")
        back_s = back_after_s(client)
    waits = [each.value for each in refused]
    with capsys.disabled():
        print(f"\nrefused after {max(waits):.2f} s at most, back after {back_s:.2f} s", end=" ")
    assert max(waits) < WITHIN_S and back_s < 5


def back_after_s(client):
    begun = time.monotonic()
    while True:
        try:
            client.create_name("public", "mine")
        except Unavailable:
            assert time.monotonic() - begun < 10
            gevent.sleep(0.05)
        else:
            return time.monotonic() - begun


def refused_after_s(client, number):
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="locked by another program") as caught:
        client.create_name("public", f"name-{number}")
    assert caught.value.retry_after_s >= 1
    return time.monotonic() - begun
