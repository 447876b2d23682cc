"""Speaking to agents: gRPC on an overlay stream, dialled anew for each call, in the name of this controller."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zrokd.contracts import Context, Node, OverlayAdmin, Stream
from zrokd.errors import (
    AgentAway,
    CallFailed,
    Invalid,
    NoTerminator,
    OverlayError,
    OverlayTimeout,
    StreamError,
    UnknownService,
)

_DIAL_S = 5.0
_MOST_EACH = 4  # calls to one agent at a time: who lets us wait keeps nobody else's request


class AgentCalls:
    """The line to the agents of all environments. Any greenlet may ask."""

    def __init__(self, admin: OverlayAdmin, ctx: Context, timeout_s: Callable[[], float]) -> None:
        """`timeout_s`: how long an agent may take to answer."""
        self._admin, self._ctx, self._timeout_s = admin, ctx, timeout_s
        self._making = threading.Lock()
        self._node: Node | None = None
        self._busy: Counter[str] = Counter()

    def ask(self, token: str, asked: object) -> Any:
        """What the agent that binds `token` answers. Switches greenlets.

        :raises AgentAway: it does not answer, or refuses. :raises OverlayError: the overlay is away.
        """
        try:
            from zrokd.net import grpc
            from zrokd.wire.agent_messages import METHODS, method_of, pack, unpack
        except ImportError as error:
            raise AgentAway("this controller cannot speak to agents: install zrokd[agent] there") from error
        method = method_of(asked)
        with self._in_turn(token), self._told():
            message, stream = pack(asked), self._dial(token)
            try:
                answer = grpc.call(stream, method, message, timeout_s=self._timeout_s())
            finally:
                stream.close()
            return unpack(METHODS[method][1], answer)

    def close(self) -> None:
        """Give the overlay's node back. Idempotent."""
        node, self._node = self._node, None
        if node is not None:
            node.close()

    @contextmanager
    def _in_turn(self, token: str) -> Iterator[None]:
        if self._busy[token] >= _MOST_EACH:
            raise AgentAway("the agent of this environment is busy with other requests; try again")
        self._busy[token] += 1
        try:
            yield
        finally:
            self._busy[token] -= 1
            if not self._busy[token]:
                del self._busy[token]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """:raises AgentAway: for what goes wrong inside."""
        try:
            yield
        except CallFailed as error:
            raise AgentAway(f"the agent of this environment refuses: {error}") from error
        except StreamError as error:
            raise AgentAway(f"the agent of this environment does not answer: {error}") from error
        except Invalid as error:
            raise AgentAway(str(error)) from error

    def _dial(self, token: str) -> Stream:
        try:
            return self._own_node().dial(token, timeout_s=_DIAL_S)
        except (NoTerminator, UnknownService, OverlayTimeout) as error:
            self._ctx.log.debug("agent %s: %s", token, error)
            raise AgentAway("the agent of this environment is away; does `zrokd agent start` run there?") from error
        except OverlayError:
            self.close()  # the next one asks for an identity anew: somebody may have taken this one away
            raise

    def _own_node(self) -> Node:
        with self._making:
            if self._node is None:
                self._node = self._ctx.overlay.node(self._admin.create_controller().document)
            return self._node
