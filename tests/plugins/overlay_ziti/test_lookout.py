"""A few services a round are asked for their routers, and all of them once one has news."""

import gevent
import pytest
from zrokd_plugins.overlay_ziti import lookout as module
from zrokd_plugins.overlay_ziti.lookout import Lookout

from tests.plugins.overlay_ziti.fakes import eventually
from zrokd.errors import OverlayError


class Service:
    """One that is bound, and says whether routers came or went."""

    def __init__(self, name):
        self.service, self.looks, self.looked_at, self.answers = name, 0, 0.0, []

    def look(self):
        self.looks, self.looked_at = self.looks + 1, module.time.monotonic()
        gevent.sleep(0)
        answer = self.answers.pop() if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def services(zrokd_bench, monkeypatch):
    monkeypatch.setattr(module, "_EVERY_S", 0.02)
    monkeypatch.setattr(module, "_MOST", 2)
    made = [Service(f"s{number}") for number in range(6)]
    running = zrokd_bench.ctx.spawn(Lookout(made, zrokd_bench.ctx.log).run, name="lookout")
    yield made
    running.kill()


def test_each_has_its_turn(services):
    eventually(lambda: all(one.looks for one in services))
    counts = [one.looks for one in services]
    assert max(counts) - min(counts) <= 1


def test_news_of_one_are_news_for_all(services):
    services[0].answers = [True]
    eventually(lambda: services[0].looks)
    gevent.sleep(0.01)
    assert all(one.looks for one in services), "in the same round"


def test_one_that_cannot_be_asked_holds_up_nobody(services):
    services[0].answers = [OverlayError("it is away")]
    eventually(lambda: all(one.looks > 1 for one in services))
