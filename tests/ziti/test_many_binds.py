"""A node with very many binds tells of one that the network forgot as soon as one with few."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from gevent.pool import Pool
from zrokd_plugins.overlay_ziti import ZitiOverlay

from tests.ziti.watch import eventually

COUNT = 1000
AT_ONCE = 8
TRUTH_WITHIN_S = 10.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def network(ziti_networks):
    return ziti_networks()


@pytest.fixture
def listeners(network, zrokd_bench):
    """Of one node, each with a service of its own, and each dialled once by the node itself."""
    admin = {"username": network.username, "password": network.password}
    settings = ZitiOverlay.Settings(controller=network.url, ca=str(network.ca), admin=admin)
    overlay = zrokd_bench.open(ZitiOverlay, settings)
    administrator, pool = overlay.admin("many"), Pool(AT_ONCE)
    host = administrator.create_environment("host")

    def bind(number):
        administrator.create_share(f"svc{number}", host.z_id, public=False, config={})
        return node.bind(f"svc{number}")

    with closing(overlay.node(host.document)) as node:
        made = pool.map(bind, range(COUNT))
        eventually(lambda: all(listener.proof().age_s is not None for listener in made), 60, lambda: "not all dialled")
        yield made


def age_s(listener):
    known = listener.proof().age_s
    return float("inf") if known is None else known


def test_one_of_a_thousand_is_told_in_time_though_it_was_dialled_a_moment_ago(network, listeners, capsys):
    told = []
    for _ in range(3):
        victim = min(listeners, key=age_s)
        (terminator,) = network.api("GET", f'/terminators?filter=service.name="{victim.service}"')
        network.api("DELETE", f"/terminators/{terminator['id']}")  # nobody tells the host
        began = time.monotonic()
        eventually(lambda victim=victim: not victim.health().ok, 3 * TRUTH_WITHIN_S, lambda: "it is never told")
        told.append(time.monotonic() - began)
        eventually(lambda victim=victim: victim.health().ok, TRUTH_WITHIN_S, lambda: "it does not come back")
    with capsys.disabled():
        print(f"\none of {COUNT} forgotten binds is told after {', '.join(f'{each:.1f}' for each in told)} s", end=" ")
    assert max(told) <= TRUTH_WITHIN_S
