"""Both ends of TLS over one kernel connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import gevent
import pytest

from tests.certificates import Issued, issue
from tests.unit.net.conftest import tcp_pair
from zrokd.model.units import Secret
from zrokd.net.stream import SocketStream
from zrokd.net.tls.certificate import read
from zrokd.net.tls.stream import TlsStream


def client_context(*, verify: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(issued: Issued) -> ssl.SSLContext:
    return read(issued.chain, Secret(issued.key)).context()


@pytest.fixture(scope="session")
def issued() -> Issued:
    return issue("localhost")


def offload(function, *args):
    return gevent.get_hub().threadpool.apply(function, args)


class Ends:
    """client and server, agreed; `raw` is the client's kernel end, `near` the server's."""

    def __init__(self, issued: Issued, context: ssl.SSLContext) -> None:
        self.raw, self.near = tcp_pair()
        self.client = TlsStream(self.raw, context, name="localhost")
        self.server = TlsStream(self.near, server_context(issued))
        other = gevent.spawn(self.client.handshake, offload, 5.0)
        self.server.handshake(offload, 5.0)
        other.get(timeout=5)

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def ends(request, issued) -> Iterator[Ends]:
    context = client_context()
    version = ssl.TLSVersion.TLSv1_2 if request.param == "TLSv1.2" else ssl.TLSVersion.TLSv1_3
    context.minimum_version = context.maximum_version = version
    made = Ends(issued, context)
    yield made
    made.close()


@pytest.fixture
def accepted() -> Iterator[Callable[[], tuple[SocketStream, SocketStream]]]:
    """Makes pairs of kernel streams."""
    made: list[SocketStream] = []

    def make() -> tuple[SocketStream, SocketStream]:
        both = tcp_pair()
        made.extend(both)
        return both

    yield make
    for stream in made:
        stream.close()
