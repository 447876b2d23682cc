"""What visitors, frontends and people at the API see while the database is away."""

from __future__ import annotations

import time

import gevent
import pytest

from tests.postgres.fixtures import settings
from zrokd.client.controller import Controller
from zrokd.errors import Unavailable
from zrokd.model.units import Secret
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def zrokd(own_postgres, tmp_path):
    """A whole zrokd on a server that the test may break."""
    storage = {"use": "postgres"} | settings(own_postgres, own_postgres.create())
    shares = [{"name": "greeting", "mode": "hello"}]
    with Scenario(tmp_path, shares=shares, changes={"storage": storage}) as running:
        yield running


@pytest.fixture
def api(zrokd):
    client = Controller(zrokd.controller_url, Secret(ACCOUNT_TOKEN), timeout_s=10)
    yield client
    client.close()


def refused_after_s(call):
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="the database does not answer") as caught:
        call()
    assert caught.value.retry_after_s >= 1
    return time.monotonic() - begun


@pytest.mark.parametrize("how", ["stop", "pause"])
def test_visitors_notice_nothing_and_the_api_says_so_in_time(zrokd, api, own_postgres, how, capsys):
    assert zrokd.get("greeting").status == 200
    getattr(own_postgres, how)()
    waits = [refused_after_s(api.overview) for _ in range(5)]
    assert max(waits) < 2
    for _ in range(20):
        assert zrokd.get("greeting").status == 200
    storage = zrokd.daemon.components.storage
    assert not storage.health().ok

    own_postgres.start() if how == "stop" else own_postgres.resume()
    begun = time.monotonic()
    while True:
        try:
            api.overview()
            break
        except Unavailable:
            assert time.monotonic() - begun < 5
            gevent.sleep(0.05)
    back_s = time.monotonic() - begun
    assert zrokd.get("greeting").status == 200 and storage.health().ok
    with capsys.disabled():
        print(f"\n{how}: 503 after {max(waits):.2f} s at most, back after {back_s:.2f} s", end=" ")


def test_a_name_made_after_the_outage_reaches_the_frontend(zrokd, api, own_postgres):
    own_postgres.stop()
    refused_after_s(api.overview)
    own_postgres.start()
    zrokd.reload(
        {"roles": {"backend": {"shares": [{"name": "greeting", "mode": "hello"}, {"name": "new", "mode": "hello"}]}}}
    )
    until = time.monotonic() + 20
    while zrokd.get("new").status != 200:
        assert time.monotonic() < until
        gevent.sleep(0.1)
