"""Frontends and backends that ask the controller of their own file: warnings of what it will not know.

Warnings, for somebody else may know it: a reverse proxy on this machine, `zrokd admin`, another controller.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from zrokd.config.problems import problem_of
from zrokd.config.tree import Tree
from zrokd.config.words import guess
from zrokd.contracts import Mistake, Use

_PORTS = {"http": 80, "https": 443}


def warn_of_strangers(roles: Mapping[str, Use], tree: Tree) -> None:
    """Roles whose controller is a neighbour that listens elsewhere, or does not know their token or namespaces."""
    controllers = [use.settings for use in roles.values() if hasattr(use.settings, "namespaces")]
    for name, use in roles.items() if controllers else ():
        for mistake in _strangeness(use.settings, controllers, ("roles", name), tree):
            tree.warnings.append(problem_of(mistake, ("roles", name), tree))


def _strangeness(role: Any, controllers: list[Any], place: tuple[str, str], tree: Tree) -> Iterator[Mistake]:
    url = urlsplit(getattr(role, "controller", ""))
    if not _is_here(url.hostname or ""):
        return
    asked = next((each for each in controllers if each.listen.port == (url.port or _PORTS[url.scheme])), None)
    if asked is None:
        yield from _elsewhere(url, controllers)
    elif hasattr(role, "gates"):
        yield from _unknown_frontend(role, asked)
    elif hasattr(role, "shares"):
        origin = tree.origins.get(tree.as_written((*place, "token")))
        yield from _unknown_account(role, asked) if origin and origin.words.startswith("!secret ") else ()
        yield from _unknown_namespaces(role, asked)


def _elsewhere(url: SplitResult, controllers: list[Any]) -> Iterator[Mistake]:
    fixed = [each for each in controllers if each.listen.port]  # others listen on a socket or anywhere
    if len(fixed) == len(controllers) == 1:
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        hint = f"write http{'s' * bool(fixed[0].tls)}://{host}:{fixed[0].listen.port}"
        yield Mistake(f"the controller of this file listens on {fixed[0].listen}, and not there", ("controller",), hint)


def _unknown_frontend(frontend: Any, controller: Any) -> Iterator[Mistake]:
    known = {each.token for each in controller.frontends.values()}
    if frontend.listen is not None and frontend.token not in known:
        yield Mistake("no frontend that the controller of this file knows has this token", ("token",))


def _unknown_account(backend: Any, controller: Any) -> Iterator[Mistake]:
    """Of a token that was made here: one from elsewhere may be that of an account made by `zrokd admin`."""
    if backend.token not in {each.token for each in controller.accounts}:
        yield Mistake("no account of this file has this token, and it was made here", ("token",))


def _unknown_namespaces(backend: Any, controller: Any) -> Iterator[Mistake]:
    known = controller.namespaces
    for index, share in enumerate(backend.shares) if known else ():
        if not share.private and share.namespace not in known:
            sentence = f"no namespace in this file is called {share.namespace!r}; without one the share is refused"
            yield Mistake(sentence, ("shares", index, "namespace"), guess(share.namespace, known))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
