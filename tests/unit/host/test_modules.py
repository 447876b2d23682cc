import types

import pytest

from zrokd import hookimpl
from zrokd.contracts import Gate, Observer, Settings
from zrokd.errors import PluginError
from zrokd.host.modules import check_hooks, classes_of, hooks_of, new_manager
from zrokd.model.http import Allow


class Open(Gate):
    name = "open"

    def check(self, head, route):
        return Allow()


def module(**functions):
    made = types.ModuleType("sample")
    for name, function in functions.items():
        setattr(made, name, function)
    return made


def providing(*classes, hook="zrokd_provide_gates"):
    def provide():
        return classes

    provide.__name__ = hook
    return module(**{hook: hookimpl(provide)})


def test_a_module_gives_its_classes():
    assert classes_of(providing(Open), "sample") == (Open,)


def test_a_module_without_hooks_gives_nothing():
    assert classes_of(module(helper=lambda: 1), "sample") == ()


def test_every_slot_has_its_hook():
    from zrokd.contracts import SLOTS

    hooks = {name for name in vars(new_manager().hook) if name.startswith("zrokd_provide_")}
    assert hooks == {f"zrokd_provide_{slot}s" for slot in SLOTS}


class Nameless(Gate):
    def check(self, head, route):
        return Allow()


class Unfinished(Gate):
    name = "unfinished"


class OddSettings(Open):
    Settings = dict


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((object,), "gives <class 'object'>, which is no Gate"),
        (("Open",), "gives 'Open', which is no Gate"),
        ((Nameless,), "gives Nameless, which has no name"),
        ((Unfinished,), "gives Unfinished, which lacks check"),
        ((OddSettings,), "gives OddSettings, whose Settings are no zrokd.contracts.Settings"),
    ],
)
def test_a_class_that_does_not_fit_is_refused(given, sentence):
    with pytest.raises(PluginError, match=f"sample of dist 1: zrokd_provide_gates {sentence}"):
        classes_of(providing(*given), "sample of dist 1")


def with_check(check):
    return type("Wrong", (Gate,), {"name": "wrong", "check": check})


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (lambda self, head: None, "is written check(self, head) and called as check(self, head, route)"),
        (
            lambda self, head, route, user: None,
            "is written check(self, head, route, user) and called as check(self, head, route)",
        ),
        (
            lambda self, head, *, route: None,
            "is written check(self, head, *, route) and called as check(self, head, route)",
        ),
        ("no method", "is no method; write def check(self, head, route)"),
    ],
)
def test_a_method_that_cannot_be_called_as_its_contract_says_is_refused(check, why):
    with pytest.raises(PluginError) as refused:
        classes_of(providing(with_check(check)), "sample")
    assert str(refused.value) == f"sample: zrokd_provide_gates gives Wrong, whose check {why}"


def test_a_class_without_its_list_is_told_how_to_return_it():
    given = module(zrokd_provide_gates=hookimpl(lambda: Open))
    with pytest.raises(PluginError, match=r"zrokd_provide_gates must return a list: write return \[Open\]$"):
        classes_of(given, "sample")


def test_a_hook_by_the_name_that_others_give_it_is_met_with_ours():
    class Watching(Observer):
        name = "watching"

        @hookimpl
        def zrokd_on_request_done(self, summary):
            pass

    with pytest.raises(PluginError, match="no hook zrokd_on_request_done; did you mean zrokd_on_exchange\\?"):
        check_hooks(Watching, "sample")


@pytest.mark.parametrize(
    "check",
    [
        lambda self, head, route: None,
        lambda self, request, where: None,
        lambda self, head, route, more=None: None,
        lambda *arguments: None,
        lambda *arguments, **named: None,
    ],
)
def test_a_method_that_takes_what_it_is_given_is_fine(check):
    assert [cls.name for cls in classes_of(providing(with_check(check)), "sample")] == ["wrong"]


def test_a_class_in_the_wrong_slot_is_refused():
    with pytest.raises(PluginError, match="zrokd_provide_sinks gives .*, which is no Sink"):
        classes_of(providing(Open, hook="zrokd_provide_sinks"), "sample")


def test_a_misspelt_hook_is_named_with_the_one_that_was_meant():
    with pytest.raises(
        PluginError, match="sample: there is no hook zrokd_provide_gate; did you mean zrokd_provide_gates"
    ):
        classes_of(providing(Open, hook="zrokd_provide_gate"), "sample")


def test_an_unmarked_hook_is_refused():
    with pytest.raises(PluginError, match="zrokd_provide_gates is not marked with @zrokd.hookimpl"):
        classes_of(module(zrokd_provide_gates=lambda: [Open]), "sample")


def test_a_provider_that_raises_stops_with_its_reason():
    @hookimpl
    def zrokd_provide_gates():
        raise KeyError("no licence")

    with pytest.raises(PluginError, match="sample: zrokd_provide_gates failed: KeyError: 'no licence'"):
        classes_of(module(zrokd_provide_gates=zrokd_provide_gates), "sample")


def test_a_telling_hook_in_a_module_is_refused():
    @hookimpl
    def zrokd_on_ready():
        pass

    with pytest.raises(PluginError, match="zrokd_on_ready stands in the module; make it a method"):
        classes_of(module(zrokd_on_ready=zrokd_on_ready), "sample")


class Deaf(Observer):
    name = "deaf"

    @hookimpl
    def zrokd_on_shere_lost(self, token):
        pass


class Curious(Observer):
    name = "curious"

    @hookimpl
    def zrokd_on_share_lost(self, token, colour):
        pass


class Unmarked(Observer):
    name = "unmarked"

    def zrokd_on_ready(self):
        pass


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Deaf, "there is no hook zrokd_on_shere_lost; did you mean zrokd_on_share_lost"),
        (Curious, "colour"),
        (Unmarked, "zrokd_on_ready is not marked"),
    ],
)
def test_the_hooks_of_a_class_are_checked_before_it_is_made(cls, sentence):
    with pytest.raises(PluginError, match=f"{cls.__name__}.*{sentence}"):
        classes_of(providing(cls, hook="zrokd_provide_observers"), "sample")


class Listening:
    """Its property must not run when hooks are looked for."""

    @property
    def costly(self):
        raise AssertionError("asked")

    @hookimpl
    def zrokd_on_ready(self):
        pass


def test_hooks_are_found_without_touching_properties():
    assert hooks_of(Listening()) == ["zrokd_on_ready"]


def test_hooks_are_found_on_instances_and_classes_alike():
    assert check_hooks(Open, "x") == []
    assert hooks_of(Open(Settings(), None)) == []
