"""Bytes to a TCP or UNIX socket, whatever they mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import AddressSetting, Caller, DurationS, Mode, Settings, Stream
from zrokd.errors import StreamError
from zrokd.model.http import ConnectionSummary
from zrokd.model.units import Address, parse_address
from zrokd.net.proxy_protocol import encode
from zrokd.net.relay import Relayed, relay
from zrokd.net.stream import connect


class TcpSettings(Settings):
    """Settings of mode.tcp."""

    target: AddressSetting = Field(description="Where connections go: host:port or unix:/path.")
    connect_timeout: DurationS = Field(default=5.0, description="How long the target may take to accept a connection.")
    proxy_protocol: Literal["v1", "v2"] | None = Field(
        default=None,
        description="Begin connections with a PROXY header. It names the visitor where the overlay tells an IP "
        "address, and says `unknown` on those of today. Left out: none.",
    )
    idle: DurationS = Field(default=0.0, description="A connection on which nothing moves for so long ends; 0: never.")


class TcpMode(Mode):
    """One connection to the target for each stream; a half-close passes through."""

    name = "tcp"
    Settings = TcpSettings

    def serve(self, stream: Stream, caller: Caller) -> None:
        """Relay until both directions ended. When the target is down the visitor sees a broken connection."""
        started = self.ctx.clock.monotonic()
        try:
            target = connect(self.settings.target, self.settings.connect_timeout)
        except StreamError as error:
            stream.abort()
            self.ctx.log.warning("share %s: %s", self.share_token, error)
            self._tell(stream, caller, started, Relayed(0, 0, str(error)))
            return
        try:
            self._tell(stream, caller, started, self._relayed(stream, caller, target))
        finally:
            target.close()

    def _relayed(self, stream: Stream, caller: Caller, target: Stream) -> Relayed:
        if self.settings.proxy_protocol:
            header = encode(self.settings.proxy_protocol, _address(caller), self.settings.target)
            target.send(header, self.settings.connect_timeout)
        return relay(stream, target, idle_s=self.settings.idle or None)

    def _tell(self, stream: Stream, caller: Caller, started: float, relayed: Relayed) -> None:
        self.ctx.hooks.on_connection_closed(
            ConnectionSummary(
                role="backend",
                peer=stream.peer or caller.address,
                share_token=self.share_token,
                rx_bytes=relayed.a_to_b,
                tx_bytes=relayed.b_to_a,
                duration_s=self.ctx.clock.monotonic() - started,
                outcome=relayed.outcome,
                raw=True,
            )
        )

    def probe(self) -> str:
        """Why the target does not answer now, or ""."""
        try:
            connect(self.settings.target, self.settings.connect_timeout).close()
        except StreamError as error:
            return str(error)
        return ""


def _address(caller: Caller) -> Address | None:
    try:
        return parse_address(caller.address)
    except ValueError:
        return None


@hookimpl
def zrokd_provide_modes() -> Iterable[type[Mode]]:
    """This mode."""
    return [TcpMode]
