"""What is told about requests and connections when they are over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zrokd.contracts import Hooks
from zrokd.model.http import ConnectionSummary, ExchangeSummary, RequestHead, printable
from zrokd.net.http1.forward import Forwarded
from zrokd.proxy.exchange import Times


@dataclass(slots=True)
class Visit:
    """One accepted connection, from its accept to its end."""

    role: str
    peer: str
    hooks: Hooks
    clock: Callable[[], float]
    since_s: float
    server_name: str = ""  # the host it asked for inside TLS, where its requests must keep to it
    token: str = ""  # of the share it came to last
    rx: int = 0
    tx: int = 0
    outcome: str = "ok"
    behind: Callable[[str, RequestHead], str] | None = None  # its peer is a trusted proxy: who visits through it

    def tell_exchange(self, sent: RequestHead, token: str, done: Forwarded, times: Times) -> None:
        """One request is over; `token` is that of its share, empty when it came to none. Must not switch greenlets."""
        self.token = token or self.token
        self.rx, self.tx = self.rx + done.rx, self.tx + done.tx
        if not self.hooks.hears("zrokd_on_exchange"):
            return
        self.hooks.on_exchange(
            ExchangeSummary(
                share_token=token,
                role=self.role,
                peer=self.behind(self.peer, sent) if self.behind else self.peer,
                method=printable(sent.method),
                target=printable(sent.target),
                status=done.status,
                rx_bytes=done.rx,
                tx_bytes=done.tx,
                duration_s=self.clock() - times.since_s,
                outcome=done.outcome,
                first_byte_s=times.first_byte_s,
                dial_s=times.dial_s,
            )
        )

    def tell_closed(self) -> None:
        """The connection is over. Must not switch greenlets."""
        if not self.hooks.hears("zrokd_on_connection_closed"):
            return
        self.hooks.on_connection_closed(
            ConnectionSummary(
                role=self.role,
                peer=self.peer,
                share_token=self.token,
                rx_bytes=self.rx,
                tx_bytes=self.tx,
                duration_s=self.clock() - self.since_s,
                outcome=self.outcome,
            )
        )
