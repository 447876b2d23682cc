import inspect

import pytest

from zrokd import hookspecs
from zrokd.contracts import SLOTS
from zrokd.testing.contracts.samples import AT_ONCE, HOOKS

SPECS = {
    name: function
    for name, function in vars(hookspecs).items()
    if name.startswith("zrokd_") and inspect.isfunction(function)
}
PROVIDE = [name for name in SPECS if name.startswith("zrokd_provide_")]


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_says_what_it_is_and_since_when(name):
    text = inspect.getdoc(SPECS[name])
    assert text
    assert text.endswith(("Since 0.1.", "Since 0.1"))


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_is_of_one_of_three_families(name):
    assert name.startswith(("zrokd_provide_", "zrokd_review_", "zrokd_on_"))


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_is_a_specification(name):
    assert SPECS[name].zrokd_spec


def test_every_slot_has_one_provider():
    assert sorted(PROVIDE) == sorted(f"zrokd_provide_{slot}s" for slot in SLOTS)


def test_the_kit_knows_arguments_for_every_hook_of_components():
    assert set(HOOKS) == set(SPECS) - set(PROVIDE)
    for name, arguments in HOOKS.items():
        assert list(arguments) == list(inspect.signature(SPECS[name]).parameters)


def test_those_that_must_not_wait_say_so():
    assert {name for name in SPECS if "Must not switch greenlets" in SPECS[name].__doc__} == AT_ONCE
