"""Lists and figures as the server writes them. Source: zrok's REST API v2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zrokd.model.environment import Environment
from zrokd.model.limits import Series, Traffic
from zrokd.model.share import Access, Share
from zrokd.wire.answers import access_to_wire, environment_to_wire, share_to_wire


def environment_summary_to_wire(environment: Environment, shares: int, accesses: int) -> dict[str, Any]:
    """An environment in the answer of GET /environments."""
    document = environment_to_wire(environment)
    z_id = document.pop("zId")
    return {"envZId": z_id, **document, "shareCount": shares, "accessCount": accesses}


def environments_to_wire(summaries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The answer of GET /environments, of `environment_summary_to_wire`."""
    return {"environments": list(summaries)}


def shares_to_wire(shares: Iterable[Share]) -> dict[str, Any]:
    """The answer of GET /shares."""
    return {"shares": [share_to_wire(share) for share in shares]}


def accesses_to_wire(accesses: Iterable[Access]) -> dict[str, Any]:
    """The answer of GET /accesses."""
    return {"accesses": [_access_summary(access) for access in accesses]}


def activity_to_wire(traffic: Iterable[Traffic]) -> list[dict[str, int]]:
    """The last minutes of something, as details show them."""
    return [{"rx": one.rx_bytes, "tx": one.tx_bytes} for one in traffic]


def series_to_wire(series: Series) -> dict[str, Any]:
    """Figures over time. Times are in milliseconds, at the end of each step."""
    return {
        "scope": series.scope,
        "id": series.id,
        "period": series.period_s,
        "samples": [{"rx": one.rx_bytes, "tx": one.tx_bytes, "timestamp": one.at_ms} for one in series.traffic],
    }


def sparklines_to_wire(every: Iterable[Series]) -> dict[str, Any]:
    """The answer of POST /sparklines."""
    return {"sparklines": [series_to_wire(one) for one in every]}


def _access_summary(access: Access) -> dict[str, Any]:
    document = access_to_wire(access)
    del document["zId"]
    return {**document, "limited": access.limited}
