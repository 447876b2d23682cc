"""pluggy lives here: who implements which hook, in which order, and what happens when one raises."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gevent

from zrokd.contracts import Component
from zrokd.host.modules import check_hooks, new_manager
from zrokd.host.registry import Registry
from zrokd.model.account import Principal
from zrokd.model.environment import Environment, EnvironmentDraft
from zrokd.model.http import ConnectionSummary, ExchangeSummary
from zrokd.model.limits import Refusal
from zrokd.model.share import Access, Share, ShareDraft
from zrokd.net.faults import within

_Caller = tuple[str, Callable[..., Any]]  # who is called, and the call
_LIMIT_S = 10.0  # of one call that may wait; somebody's answer waits for it
_GO_ON = "%s failed in %s; the others go on"
_BROKEN = "a policy of this site could not be evaluated; ask its operator"


class PluginHost:
    """Registers component instances and calls their hooks. Implements `zrokd.contracts.Hooks`."""

    def __init__(self, registry: Registry, log: logging.Logger) -> None:
        self._registry = registry
        self._log = log
        self._manager = new_manager()
        self._order: list[object] = []  # those that listen to some hook, in the order of their calls
        self._callers: dict[str, tuple[_Caller, ...]] = {}

    def register(self, instance: object, name: str) -> None:
        """Let `instance` hear hooks, under `name`. Instances are called in the order they were registered.

        :raises PluginError: it implements a hook that does not exist, or asks for an argument the hook lacks.
        """
        if not check_hooks(instance, self._who(instance, name)):
            return
        free, number = name, 2
        while self._manager.has_plugin(free):
            free, number = f"{name}#{number}", number + 1
        self._manager.register(instance, free)
        self._order.append(instance)
        self._callers.clear()

    def reorder(self, first: Sequence[object]) -> None:
        """From now on call these in this order, the others after them."""
        places = {id(instance): place for place, instance in enumerate(first)}
        self._order.sort(key=lambda instance: places.get(id(instance), len(places)))
        self._callers.clear()

    def unregister(self, instance: object) -> None:
        """No more hooks for `instance`. Idempotent."""
        if self._manager.is_registered(instance):
            self._manager.unregister(instance)
            self._order = [item for item in self._order if item is not instance]
            self._callers.clear()

    # -- decide ---

    def review_environment(self, draft: EnvironmentDraft, principal: Principal) -> Refusal | None:
        """As `zrokd.contracts.Hooks` says."""
        return self._review("zrokd_review_environment", draft=draft, principal=principal)

    def review_share(self, draft: ShareDraft, principal: Principal) -> Refusal | None:
        """As `zrokd.contracts.Hooks` says."""
        return self._review("zrokd_review_share", draft=draft, principal=principal)

    def review_access(self, share: Share, principal: Principal) -> Refusal | None:
        """As `zrokd.contracts.Hooks` says."""
        return self._review("zrokd_review_access", share=share, principal=principal)

    def _review(self, hook: str, **arguments: object) -> Refusal | None:
        first: Refusal | None = None
        for name, call in self._callers_of(hook):
            try:
                answer = _refusal(within(_LIMIT_S, call, **arguments))
            except gevent.GreenletExit:
                raise
            except BaseException:
                self._log.exception("%s failed in %s: refused", name, hook)
                answer = Refusal(reason=_BROKEN, plugin=name)
            first = first or answer
        return first

    # -- tell ---

    def on_ready(self) -> None:
        """The daemon serves."""
        self._tell("zrokd_on_ready")

    def on_draining(self) -> None:
        """The daemon drains."""
        self._tell("zrokd_on_draining")

    def on_environment_created(self, environment: Environment, principal: Principal) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_environment_created", environment=environment, principal=principal)

    def on_environment_deleted(self, environment: Environment, principal: Principal) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_environment_deleted", environment=environment, principal=principal)

    def on_share_created(self, share: Share, principal: Principal) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_share_created", share=share, principal=principal)

    def on_share_deleted(self, share: Share, principal: Principal) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_share_deleted", share=share, principal=principal)

    def on_access_created(self, access: Access, principal: Principal) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_access_created", access=access, principal=principal)

    def on_access_deleted(self, access: Access, principal: Principal) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_access_deleted", access=access, principal=principal)

    def on_share_ready(self, token: str, urls: tuple[str, ...], verified: bool) -> None:  # noqa: FBT001
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_share_ready", token=token, urls=urls, verified=verified)

    def on_share_lost(self, token: str, reason: str) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_share_lost", token=token, reason=reason)

    def on_access_ready(self, token: str, address: str) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._tell("zrokd_on_access_ready", token=token, address=address)

    def hears(self, hook: str) -> bool:
        """As `zrokd.contracts.Hooks` says."""
        return bool(self._callers_of(hook))

    def on_exchange(self, summary: ExchangeSummary) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._note("zrokd_on_exchange", summary=summary)

    def on_connection_closed(self, summary: ConnectionSummary) -> None:
        """As `zrokd.contracts.Hooks` says."""
        self._note("zrokd_on_connection_closed", summary=summary)

    def _tell(self, hook: str, **arguments: object) -> None:
        for name, call in self._callers_of(hook):
            try:
                within(_LIMIT_S, call, **arguments)
            except gevent.GreenletExit:
                raise
            except BaseException:
                self._log.exception(_GO_ON, name, hook)

    def _note(self, hook: str, **arguments: object) -> None:
        """`_tell` where a request waits: those hooks must not switch greenlets, so they need no limit."""
        for name, call in self._callers_of(hook):
            try:
                call(**arguments)
            except gevent.GreenletExit:
                raise
            except BaseException:
                self._log.exception(_GO_ON, name, hook)

    # -- callers ---

    def _callers_of(self, hook: str) -> tuple[_Caller, ...]:
        found = self._callers.get(hook)
        if found is None:
            found = self._callers[hook] = tuple(self._build_callers(hook))
        return found

    def _build_callers(self, hook: str) -> Iterable[_Caller]:
        """One caller per instance that implements `hook`, in order, so that one which raises stops nobody else."""
        listening = [impl.plugin for impl in getattr(self._manager.hook, hook).get_hookimpls()]
        for instance in self._order:
            if any(instance is one for one in listening):
                others = [other for other in listening if other is not instance]
                name = self._who(instance, str(self._manager.get_name(instance)))
                yield name, self._manager.subset_hook_caller(hook, others)

    def _who(self, instance: object, name: str) -> str:
        origin = self._registry.origin(type(instance)) if isinstance(instance, Component) else None
        return f"{name} of {origin}" if origin else name


def _refusal(answers: Sequence[object]) -> Refusal | None:
    """What a reviewer said; None: it may be. Its None is not among the answers."""
    answer = answers[0] if answers else None
    if answer is None or isinstance(answer, Refusal):
        return answer
    raise TypeError(f"a review answers None or a Refusal, not {answer!r}")
