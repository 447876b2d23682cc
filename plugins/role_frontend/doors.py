"""The pipelines behind the listeners of one frontend: made alike, and changed together."""

from __future__ import annotations

import time
from collections.abc import Callable

from zrokd.contracts import Context
from zrokd.model.http import RequestHead, Route
from zrokd.net.meter import Meter
from zrokd.proxy.pipeline import Pipeline
from zrokd.proxy.rules import Rules
from zrokd.proxy.upstream import UpstreamPool
from zrokd.proxy.visitors import Visitors

from .fittings import Fittings
from .reach import Reach
from .settings import FrontendSettings

Router = Callable[[RequestHead], Route]
_SWEEP_S = 1.0


class Doors:
    """Knows the present settings, gates and filters, and every pipeline that follows them."""

    def __init__(self, settings: FrontendSettings, ctx: Context, meter: Meter) -> None:
        self.settings, self.meter = settings, meter
        self._ctx, self._fittings = ctx, Fittings()
        self.visitors = Visitors(settings.limits.per_address, settings.trusted_proxies)
        self._pipelines: list[tuple[Router, Pipeline]] = []

    def prepare(self, settings: FrontendSettings) -> Fittings:
        """The gates and filters of `settings`, for `change`. May switch greenlets.

        :raises ZrokdError: one of them could not be opened; none of the new ones stays open.
        """
        return Fittings.build(settings, self._ctx, self._fittings)

    def discard(self, fittings: Fittings) -> None:
        """Give back what `prepare` made. May switch greenlets."""
        fittings.release(self._ctx, but=self._fittings)

    def change(self, settings: FrontendSettings, fittings: Fittings) -> None:
        """Every request that begins from now on is handled by these. May switch greenlets."""
        old, self._fittings, self.settings = self._fittings, fittings, settings
        self.visitors.change(settings.limits.per_address, settings.trusted_proxies)
        for router, pipeline in self._pipelines:
            pipeline.rules, pipeline.limits = self._rules(router), settings.limits.http()
            pipeline.pool.http, pipeline.pool.limits = settings.limits.http(), settings.limits.pool()
        old.release(self._ctx, but=fittings)

    def make(self, router: Router, reach: Reach, allows: Callable[[str], bool] = lambda _: True) -> Pipeline:
        """A pipeline that follows the settings until `close`. `allows`: see UpstreamPool."""
        limits = self.settings.limits
        pool = UpstreamPool(
            reach.dial,
            limits.http(),
            limits.pool(),
            terminators=reach.terminators,
            allows=allows,
            clock=self._ctx.clock.monotonic,
            log=self._ctx.log,
        )
        pipeline = Pipeline(
            self._rules(router),
            pool,
            limits=limits.http(),
            visitors=self.visitors,
            hooks=self._ctx.hooks,
            meter=self.meter,
            log=self._ctx.log,
            clock=self._ctx.clock.monotonic,
            most=limits.max_connections,
        )
        self._pipelines.append((router, pipeline))
        return pipeline

    def sweep(self) -> None:
        """Give up what is held for nothing, for ever. Switches greenlets; ends by being killed."""
        while True:
            time.sleep(_SWEEP_S)
            for _, pipeline in self._pipelines:
                pipeline.sweep()

    def drain(self) -> None:
        """End idle connections now, and busy ones with their answer."""
        for _, pipeline in self._pipelines:
            pipeline.drain()

    def farewell(self) -> None:
        """End what would last, so that visitors know why. Switches greenlets."""
        for _, pipeline in self._pipelines:
            pipeline.farewell()

    def close(self) -> None:
        """Break every overlay stream. The host closes gates and filters. Idempotent."""
        for _, pipeline in self._pipelines:
            pipeline.pool.close()
        self._pipelines.clear()

    def _rules(self, router: Router) -> Rules:
        return Rules(router, self._fittings.gates, self._fittings.filters, self._ctx.log)
