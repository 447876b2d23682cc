"""ObserverContract: every observer passes it, and so does yours."""

from __future__ import annotations

from contextlib import nullcontext

from zrokd.contracts import Observer
from zrokd.host.modules import hooks_of
from zrokd.model.limits import Refusal
from zrokd.testing.contracts.component import ComponentContract, no_switch
from zrokd.testing.contracts.samples import AT_ONCE, HOOKS


class ObserverContract(ComponentContract):
    """The suite for slot observer."""

    def test_it_listens_to_something(self) -> None:
        assert hooks_of(self.Component)

    def test_each_of_its_hooks_can_be_called(self, component: Observer) -> None:
        for hook in hooks_of(component):
            self.call(component, hook)

    def test_its_hooks_can_be_called_often(self, component: Observer) -> None:
        for hook in hooks_of(component):
            for _ in range(50):
                self.call(component, hook)
        assert component.health().ok

    def call(self, component: Observer, hook: str) -> None:
        """Call one hook with the arguments it asks for, and check what comes back."""
        method = getattr(component, hook)
        wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]
        arguments = {name: value for name, value in HOOKS[hook].items() if name in wanted}
        with no_switch() if hook in AT_ONCE else nullcontext():
            given = method(**arguments)
        if hook.startswith("zrokd_review_"):
            assert given is None or isinstance(given, Refusal)
