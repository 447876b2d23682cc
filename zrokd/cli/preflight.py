"""What is asked of the controller before a daemon starts, so that a person hears a no at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zrokd.cli import session
from zrokd.cli.output import say
from zrokd.client.backoff import Backoff
from zrokd.errors import Conflict, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from zrokd.client.controller import Controller
    from zrokd.client.environment import EnabledEnvironment


def patiently(ask: Callable[[], Any]) -> Any:
    """What `ask` returns, as soon as the controller answers; one line says that we wait for it."""
    backoff, told = Backoff(), False
    while True:
        try:
            return ask()
        except Unavailable as error:
            if not told:
                say(f"zrokd: {error}; trying again until it does, Ctrl-C to end")
            told = True
            time.sleep(backoff.next_s())


def check_names(environment: EnabledEnvironment, selections: Sequence[tuple[str, str]], token: str = "") -> None:
    """Make sure that the account is known and that each (namespace, name) is, or becomes, its own and free here.

    The same for the `token` of a private share that a person chose.

    :raises Denied: the token is unknown or revoked. :raises Conflict: a name is taken. :raises Invalid: not allowed.
    """
    with session.controller_of(environment) as controller:
        if token and session.is_served(token, controller):
            raise Conflict(f"the token {token!r} is shared by another zrokd of this machine; end that one first")
        known = {(n.namespace, n.name): n for n in patiently(controller.list_names)}
        for namespace, name in selections:
            held = known.get((namespace, name))
            if held is None:
                controller.create_name(namespace, name)
                say(f"the name {name} is reserved for you now")
            elif held.share_token and not _is_here(controller, held.share_token, environment):
                raise Conflict(
                    f"the name {name!r} is in use by a share of another machine of yours ({held.share_token})"
                )
            elif held.share_token and session.is_served(held.share_token, controller):
                raise Conflict(f"the name {name!r} is shared by another zrokd of this machine; end that one first")


def _is_here(controller: Controller, token: str, environment: EnabledEnvironment) -> bool:
    try:
        return controller.find_share(token)[0] in ("", environment.identity.z_id)
    except NotFound:
        return True
