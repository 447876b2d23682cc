import asyncio
import logging

import gevent
import pytest

from zrokd import hookimpl, hookspecs
from zrokd.contracts import Hooks, Observer, Settings
from zrokd.errors import PluginError
from zrokd.host.plugins import PluginHost
from zrokd.host.registry import Registry
from zrokd.model.account import Principal
from zrokd.model.limits import Refusal

ANN = Principal(account_id=1, email="ann@example.com")


class Ear:
    """Notes what it hears; raises or refuses when told to."""

    def __init__(self, heard, name, raises=None, refuses=None):
        self.heard, self.name, self.raises, self.refuses = heard, name, raises, refuses

    @hookimpl
    def zrokd_on_share_lost(self, token):
        self.heard.append((self.name, token))
        if self.raises:
            raise self.raises

    @hookimpl
    def zrokd_review_share(self, draft):
        self.heard.append((self.name, "reviewed"))
        if self.raises:
            raise self.raises
        return Refusal(reason=self.refuses) if self.refuses else None


@pytest.fixture
def host():
    return PluginHost(Registry(), logging.getLogger("zrokd.test"))


@pytest.fixture
def heard():
    return []


def test_instances_are_called_in_the_order_they_came(host, heard):
    for name in "abc":
        host.register(Ear(heard, name), name)
    host.on_share_lost("tok", "gone")
    assert heard == [("a", "tok"), ("b", "tok"), ("c", "tok")]


def test_the_order_can_be_changed(host, heard):
    ears = {name: Ear(heard, name) for name in "abc"}
    for name, ear in ears.items():
        host.register(ear, name)
    host.on_share_lost("tok", "")
    host.reorder([ears["c"], ears["b"]])
    heard.clear()
    host.on_share_lost("tok", "")
    assert [name for name, _ in heard] == ["c", "b", "a"]


def test_one_that_raises_is_logged_and_the_others_still_hear(host, heard, caplog):
    host.register(Ear(heard, "a"), "observer.a")
    host.register(Ear(heard, "b", raises=KeyError("oops")), "observer.b")
    host.register(Ear(heard, "c"), "observer.c")
    host.on_share_lost("tok", "gone")
    assert [name for name, _ in heard] == ["a", "b", "c"]
    assert "observer.b failed in zrokd_on_share_lost" in caplog.text
    assert "KeyError: 'oops'" in caplog.text


@pytest.mark.parametrize("raised", [KeyboardInterrupt, asyncio.CancelledError, SystemExit, GeneratorExit])
def test_whatever_one_raises_the_others_still_hear_and_a_review_refuses(host, heard, caplog, raised):
    host.register(Ear(heard, "a", raises=raised()), "a")
    host.register(Ear(heard, "b"), "b")
    host.on_share_lost("tok", "gone")
    assert heard == [("a", "tok"), ("b", "tok")]
    assert "a failed in zrokd_on_share_lost" in caplog.text
    assert host.review_share(None, ANN).plugin == "a"


def test_who_is_killed_in_a_hook_ends(host, heard):
    host.register(Ear(heard, "a", raises=gevent.GreenletExit()), "a")
    with pytest.raises(gevent.GreenletExit):
        host.on_share_lost("tok", "gone")


def test_the_log_names_the_distribution_of_a_component_that_raises(registry, diary, caplog):
    host = PluginHost(registry, logging.getLogger("zrokd.test"))
    cls = registry("observer", "ear")
    ear = cls(cls.Settings(fail="heard tok badly"), None)
    host.register(ear, "observer.mine")
    host.on_share_lost("tok", "gone")
    assert "observer.mine of " in caplog.text
    assert "life.py failed in zrokd_on_share_lost" in caplog.text


def test_all_reviewers_run_and_the_first_refusal_counts(host, heard):
    host.register(Ear(heard, "a"), "a")
    host.register(Ear(heard, "b", refuses="too many"), "b")
    host.register(Ear(heard, "c", refuses="too late"), "c")
    assert host.review_share(None, ANN) == Refusal(reason="too many")
    assert [name for name, _ in heard] == ["a", "b", "c"]


def test_nobody_against_it_is_no_refusal(host, heard):
    host.register(Ear(heard, "a"), "a")
    assert host.review_share(None, ANN) is None
    assert host.review_environment(None, ANN) is None
    assert host.review_access(None, ANN) is None


def test_a_reviewer_that_raises_refuses_without_telling_internals(host, heard, caplog):
    host.register(Ear(heard, "a", raises=RuntimeError("db password is x")), "observer.a")
    refusal = host.review_share(None, ANN)
    assert refusal is not None
    assert "password" not in refusal.reason
    assert refusal.plugin == "observer.a"
    assert "observer.a failed in zrokd_review_share" in caplog.text


def test_an_earlier_refusal_beats_a_later_failure(host, heard):
    host.register(Ear(heard, "a", refuses="no"), "a")
    host.register(Ear(heard, "b", raises=KeyError()), "b")
    assert host.review_share(None, ANN).reason == "no"


def test_who_left_hears_no_more(host, heard):
    ear = Ear(heard, "a")
    host.register(ear, "a")
    host.on_share_lost("one", "")
    host.unregister(ear)
    host.unregister(ear)
    host.on_share_lost("two", "")
    assert heard == [("a", "one")]


def test_whether_anybody_hears_a_hook_is_known_at_any_time(host, heard):
    assert not host.hears("zrokd_on_share_lost")
    ear = Ear(heard, "a")
    host.register(ear, "a")
    assert host.hears("zrokd_on_share_lost")
    assert not host.hears("zrokd_on_exchange")
    host.unregister(ear)
    assert not host.hears("zrokd_on_share_lost")


def test_two_may_have_one_instance_name(host, heard):
    host.register(Ear(heard, "a"), "observer.x")
    host.register(Ear(heard, "b"), "observer.x")
    host.on_share_lost("tok", "")
    assert len(heard) == 2


def test_who_listens_to_nothing_costs_nothing(host):
    class Silent(Observer):
        name = "silent"

    host.register(Silent(Settings(), None), "silent")
    assert host._order == []
    host.on_share_lost("tok", "")
    assert host._callers == {"zrokd_on_share_lost": ()}


class Misspelt:
    @hookimpl
    def zrokd_on_share_losst(self):
        pass


class Greedy:
    @hookimpl
    def zrokd_on_share_lost(self, token, colour):
        pass


@pytest.mark.parametrize(("cls", "words"), [(Misspelt, "did you mean zrokd_on_share_lost"), (Greedy, "colour")])
def test_a_wrong_hook_is_refused_and_leaves_no_trace(host, cls, words):
    with pytest.raises(PluginError, match=f"listener: .*{words}"):
        host.register(cls(), "listener")
    host.on_share_lost("tok", "")
    assert host._order == []


def test_every_hook_of_the_contract_reaches_its_listeners(host, heard):
    """Each method of Hooks calls the hook of the same name with the same arguments."""
    told = [name for name in vars(Hooks) if name.startswith(("on_", "review_"))]
    assert {f"zrokd_{name}" for name in told} | {"zrokd_on_ready", "zrokd_on_draining"} == {
        name for name in vars(hookspecs) if name.startswith(("zrokd_on_", "zrokd_review_"))
    }
    for name in told:
        code = getattr(PluginHost, name).__code__
        arguments = code.co_varnames[1 : code.co_argcount]
        spec = getattr(hookspecs, f"zrokd_{name}").__code__
        assert arguments == spec.co_varnames[: spec.co_argcount]
        listener = listening_to(f"zrokd_{name}", arguments, heard)
        host.register(listener, name)
        getattr(host, name)(*arguments)
        assert heard.pop() == list(arguments)
        host.unregister(listener)


def listening_to(hook, arguments, heard):
    space = {"hookimpl": hookimpl, "heard": heard}
    listed = ", ".join(arguments)
    exec(f"class One:\n @hookimpl\n def {hook}(self, {listed}): heard.append([{listed}])", space)
    return space["One"]()
