"""Requests to a web server that runs somewhere near."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import PING_PATH, Caller, DurationS, Mode, Settings, SizeBytes, Stream
from zrokd.errors import MessageError, StreamError
from zrokd.model.block import Block, remembered
from zrokd.model.http import ExchangeSummary, RequestHead, printable, visitor_of
from zrokd.model.units import Address
from zrokd.net.http1.answer import answer, refuse
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.forward import Forwarded, forward
from zrokd.net.http1.framing import NONE
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.pages import standard_page
from zrokd.net.http1.ping import pong
from zrokd.net.http1.status import LATE, UNANSWERED, UNREACHED, tells
from zrokd.net.http1.tracker import ConnectionTracker
from zrokd.net.proxy_protocol import encode
from zrokd.net.stream import connect
from zrokd.net.tls.stream import TlsStream

from .pool import TargetPool
from .target import TargetSetting

_IDEMPOTENT = {b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"}  # Source: RFC 9110 §9.2.2
_KEEP_ALIVE_S = 120.0  # longer than frontends keep an unused stream, so that it is they who end it
_NO_TLS = frozenset(["WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"])
_NO_END = 1 << 62
# Heads come with what frontends add; how large one may be is theirs to say.
_ROOM = {"request_line_bytes": 64 * 1024, "head_bytes": 128 * 1024, "fields": 400}
_BROKEN = Forwarded(status=0, rx=0, tx=0, reusable_client=False, reusable_upstream=False, outcome="broken off")


class ProxySettings(Settings):
    """Settings of mode.proxy."""

    target: TargetSetting = Field(
        description="The web server: http://host:port/base, https://host, a bare port of this machine, or unix:/path. "
        "With a base, paths with `..` are refused: what is shared is what stands under it."
    )
    host_header: str = Field(
        default="keep",
        min_length=1,
        pattern=r"^[!-~]+$",
        description="What the target sees as Host: keep (the visitor's), target (its own), or the text given here.",
    )
    insecure: bool = Field(default=False, description="Whether an https target may show any certificate.")
    connect_timeout: DurationS = Field(default=5.0, description="How long the target may take to accept a connection.")
    answer_timeout: DurationS = Field(default=60.0, description="How long the target may take to begin its answer.")
    answer_idle: DurationS = Field(
        default=300.0, description="Longest pause in an answer of the target's that is no event stream."
    )
    body_size: SizeBytes | None = Field(default=None, description="Largest body of a request; beyond: 413.")
    proxy_protocol: Literal["v1", "v2"] | None = Field(
        default=None,
        description="Begin connections with a PROXY header that names the visitor, as the frontend's filter "
        "`forwarded` says who it is; each request has a connection of its own then. Left out: none.",
    )
    idle: DurationS = Field(default=60.0, description="How long an unused connection to the target is kept.")
    idle_connections: int = Field(default=32, ge=0, description="How many unused connections to the target are kept.")


class ProxyMode(Mode):
    """A reverse proxy for one web server. Websockets and event streams pass. While the target is down: 502."""

    name = "proxy"
    http = True
    Settings = ProxySettings

    def __init__(self, settings: ProxySettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._tls: ssl.SSLContext | None = None
        self._down = False
        self._suspicion = ""  # of what may be wrong with a target that is down
        self._limits = HttpLimits(
            first_byte_s=settings.answer_timeout,
            response_idle_s=settings.answer_idle,
            body_bytes=settings.body_size,
            keep_alive_s=_KEEP_ALIVE_S,
            keep_alive_requests=_NO_END,
            **_ROOM,
        )
        self._tracker = ConnectionTracker()
        self._pool = TargetPool(self._connect, self._limits, most=settings.idle_connections, idle_s=settings.idle)

    def open(self) -> None:
        """Load the trusted certificates, when the target is https."""
        if self.settings.target.tls_name:
            self._tls = self.ctx.offload(_tls_context, self.settings.insecure)

    def close(self) -> None:
        """Close the idle connections to the target."""
        self._pool.close()

    def drain(self, deadline_s: float) -> None:
        """End idle connections; the others after their exchange, event streams and websockets before the deadline."""
        self._tracker.wind_down(deadline_s)

    def probe(self) -> str:
        """Why the target does not answer now, or ""."""
        try:
            self._connect().close()
        except StreamError as error:
            return str(error)
        port = self.settings.target.address.port
        return self._doubt() if str(port).endswith("443") else ""  # others would log a handshake as a bad request

    def _doubt(self) -> str:
        """That a target which is to speak HTTP speaks TLS; "" when it does not, or should. Switches greenlets."""
        if self._tls is not None:
            return ""
        target, timeout_s = self.settings.target, self.settings.connect_timeout
        try:
            inside = TlsStream(connect(target.address, timeout_s), _tls_context(insecure=True), name="localhost")
            with contextlib.closing(inside):
                inside.handshake(self.ctx.offload, timeout_s)
        except StreamError:
            return ""
        return "the target speaks TLS; write https://"

    def _connect(self, visitor: Address | None = None) -> Stream:
        target, timeout_s = self.settings.target, self.settings.connect_timeout
        stream = connect(target.address, timeout_s)
        try:
            if self.settings.proxy_protocol:
                stream.send(encode(self.settings.proxy_protocol, visitor, target.address), timeout_s)
            if self._tls is None:
                return stream
            inside = TlsStream(stream, self._tls, name=target.tls_name)
            inside.handshake(self.ctx.offload, timeout_s)
            return inside
        except BaseException as error:
            stream.abort()
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise StreamError(f"{error}; `insecure: true` takes any") from error
            if isinstance(error.__cause__, ssl.SSLError) and error.__cause__.reason in _NO_TLS:
                raise StreamError("the target does not speak TLS; write http://") from error
            raise

    def serve(self, stream: Stream, caller: Caller) -> None:
        """Forward the requests of one connection, one after the other."""
        connection = HttpConnection(stream, self._limits)
        with self._tracker.track(connection):
            try:
                while self._exchange(connection, caller):
                    pass
            except MessageError as error:
                refuse(connection, error.status, str(error))

    def _exchange(self, client: HttpConnection, caller: Caller) -> bool:
        """Answer one request; whether another may follow."""
        head = client.read_request()
        if head is None:
            return False
        if head.target.partition(b"?")[0] == PING_PATH:
            fields = pong(self.share_token, head.target)
            return answer(client, 204, fields, request=head, keep_alive=client.framing == NONE)
        started = self.ctx.clock.monotonic()
        done = _BROKEN
        try:
            done = self._forward(client, head)
            return done.reusable_client and client.keep_alive
        finally:
            if self.ctx.hooks.hears("zrokd_on_exchange"):
                self._tell(head, done, self._peer(head, client, caller), started)

    def _peer(self, head: RequestHead, client: HttpConnection, caller: Caller) -> str:
        return visitor_of(head) if self.public else client.stream.peer or caller.address

    def _forward(self, client: HttpConnection, head: RequestHead) -> Forwarded:
        try:
            done = self._try(client, self._edited(head))
        except StreamError as error:
            self._note_down(str(error))
            return _refused(client, head, 502, str(error), UNREACHED)
        if done.status or not done.answer:
            self._down = False
            return done
        if not self._down:
            self._suspicion = ""
            if done.answer == 502:  # beside the answer: a target that says nothing takes its time to say so
                self.ctx.spawn(self._suspect, name="what the target speaks")
        outcome = self._suspicion or done.outcome
        self._note_down(f"{self.settings.target}: {outcome}")
        fault = {502: UNANSWERED, 504: LATE}.get(done.answer, "")
        return _refused(client, head, done.answer, outcome, fault)

    def _suspect(self) -> None:
        self._suspicion = self._doubt()
        if self._suspicion:
            self.ctx.log.warning("share %s: %s: %s", self.share_token, self.settings.target, self._suspicion)

    def _note_down(self, reason: str) -> None:
        """Log the first failure of a row: a target that is down for long would fill the log."""
        level = logging.DEBUG if self._down else logging.WARNING
        self.ctx.log.log(level, "share %s: %s", self.share_token, reason, extra={"exchange": True})
        self._down = True

    def _try(self, client: HttpConnection, head: RequestHead) -> Forwarded:
        if self.settings.proxy_protocol:
            return self._over(client, head, HttpConnection(self._connect(_visitor(head)), self._limits))
        upstream, reused = self._pool.take()
        done = self._over(client, head, upstream)
        if reused and done.retryable and head.method in _IDEMPOTENT:
            # The target closed a kept connection just as we used it: it never saw the request.
            done = self._over(client, head, self._pool.fresh())
        return done

    def _over(self, client: HttpConnection, head: RequestHead, upstream: HttpConnection) -> Forwarded:
        reusable = False
        try:
            done = forward(client, head, upstream)
            reusable = done.reusable_upstream
            return done
        finally:
            if reusable and not self.settings.proxy_protocol:
                self._pool.give(upstream)
            else:
                upstream.stream.close()

    def _edited(self, head: RequestHead) -> RequestHead:
        target, choice = self.settings.target, self.settings.host_header
        if target.base:
            head = replace(head, target=target.path(head.target))
        if choice == "keep":
            return head
        return head.having(_at_host(head.block, target.host if choice == "target" else choice.encode()))

    def _tell(self, head: RequestHead, done: Forwarded, peer: str, started: float) -> None:
        self.ctx.hooks.on_exchange(
            ExchangeSummary(
                share_token=self.share_token,
                role="backend",
                peer=peer,
                method=printable(head.method),
                target=printable(head.target),
                status=done.status,
                rx_bytes=done.rx,
                tx_bytes=done.tx,
                duration_s=self.ctx.clock.monotonic() - started,
                outcome=done.outcome,
            )
        )


@remembered
def _at_host(block: Block, host: bytes) -> Block:
    return block.edited(frozenset([b"host"]), ((b"Host", host),))


def _visitor(head: RequestHead) -> Address | None:
    """Who asks, as far as frontends tell; they know no port."""
    told = visitor_of(head)
    return Address(told) if told else None


def _tls_context(insecure: bool) -> ssl.SSLContext:  # noqa: FBT001
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _refused(client: HttpConnection, head: RequestHead, status: int, outcome: str, fault: str) -> Forwarded:
    page = standard_page(status, *([tells(fault)] if fault else []))
    kept = answer(client, status, page.fields, page.body, request=head, keep_alive=client.framing == NONE)
    size = len(page.body)
    return Forwarded(status=status, rx=0, tx=size, reusable_client=kept, reusable_upstream=False, outcome=outcome)


@hookimpl
def zrokd_provide_modes() -> Iterable[type[Mode]]:
    """This mode."""
    return [ProxyMode]
