"""A frontend's pipeline with all its default checks before one web server: `one_hop.py PORT HOST:PORT`.

What is left out are the overlay and the backend behind it: a proxy of one hop, as the others of the bench are.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[3]))

import gevent  # noqa: E402
from zrokd_plugins.filter_forwarded import ForwardedFilter, ForwardedSettings  # noqa: E402
from zrokd_plugins.role_frontend.settings import LimitSettings  # noqa: E402

from tests.ziti.daemons import HOST  # noqa: E402
from zrokd.model.naming import Mapping, MappingChanges  # noqa: E402
from zrokd.model.units import Address, parse_address  # noqa: E402
from zrokd.net.listener import Listener  # noqa: E402
from zrokd.net.listening import listen  # noqa: E402
from zrokd.net.meter import Meter  # noqa: E402
from zrokd.net.stream import connect  # noqa: E402
from zrokd.proxy.mapping import MappingTable  # noqa: E402
from zrokd.proxy.pipeline import Pipeline  # noqa: E402
from zrokd.proxy.route import route  # noqa: E402
from zrokd.proxy.rules import Rules  # noqa: E402
from zrokd.proxy.upstream import UpstreamPool  # noqa: E402
from zrokd.proxy.visitors import Visitors  # noqa: E402

LOG = logging.getLogger("bench")


def pipeline(target: Address) -> Pipeline:
    """By the defaults of role.frontend, but that a connection may last."""
    limits = LimitSettings(keep_alive_requests=10**9)
    table = MappingTable()
    table.replace(MappingChanges(epoch="e", version=1, full=True, mappings=(Mapping(version=1, host=HOST, token="t"),)))
    pool = UpstreamPool(lambda *_: connect(target, 5), limits.http(), limits.pool(), allows=table.leads_to)
    return Pipeline(
        Rules(lambda head: route(head, table), {}, [ForwardedFilter(ForwardedSettings(), None)], LOG),
        pool,
        limits=limits.http(),
        visitors=Visitors(limits.per_address),
        hooks=SimpleNamespace(hears=lambda _: False),  # type: ignore[arg-type]
        meter=Meter(lambda: 0),
        log=LOG,
        clock=time.monotonic,
    )


def main() -> None:
    """Serve for ever."""
    sock = listen(Address("127.0.0.1", int(sys.argv[1])))
    Listener(sock, pipeline(parse_address(sys.argv[2])), log=LOG, name="bench").start()
    gevent.get_hub().join()


if __name__ == "__main__":
    main()
