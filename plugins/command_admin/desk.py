"""One call after another to one controller: with which secret, and how what comes back is shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

import click

from zrokd.errors import NotFound
from zrokd.model.units import Secret

if TYPE_CHECKING:
    from zrokd.config.load import Lookup

P = ParamSpec("P")
DEFAULT = "http://127.0.0.1:18080"
_VARIABLE = "ZROKD_ADMIN_TOKEN"


class Desk:
    """One call after another to one controller, and their answers as the person wants them."""

    def __init__(self, url: str, secret_file: str | None, ca: str | None, registry: Lookup, *, as_json: bool) -> None:
        self.registry = registry
        self._url, self._secret_file, self._ca, self._as_json = url, secret_file, ca, as_json

    def take(self, controller: str | None, secret_file: str | None, ca: str | None, *, as_json: bool) -> None:
        """What was said again behind the sub-command counts."""
        self._url, self._secret_file, self._ca = (
            controller or self._url,
            secret_file or self._secret_file,
            ca or self._ca,
        )
        self._as_json = as_json or self._as_json

    def call(self, method: str, path: str, document: Mapping[str, Any] | None = None, *, of: str = "") -> Any:
        """The decoded answer. :raises ZrokdError: in the controller's words, and which thing is missing."""
        from zrokd.client.transport import Transport

        transport = Transport(self._url, self._secret(), timeout_s=60.0, verify=self._trusted())
        try:
            return transport.call(method, path, document)
        except NotFound as error:
            raise NotFound(f"{error}: {of}" if of else str(error)) from error
        finally:
            transport.close()

    def say(self, entry: Mapping[str, Any], words: str) -> None:
        """One line: `entry` as JSON, or `words`."""
        click.echo(json.dumps(entry) if self._as_json else words)

    def none(self, words: str) -> None:
        """What a person is told instead of an empty list."""
        if not self._as_json:
            click.echo(words, err=True)

    def _trusted(self) -> bool | str:
        if not self._ca:
            return True
        try:
            with Path(self._ca).open("rb"):
                return self._ca
        except OSError as error:
            raise click.UsageError(f"the certificates in {self._ca} cannot be read: {error.strerror}") from error

    def _secret(self) -> Secret:
        if self._secret_file:
            return Secret(first_line(self._secret_file))
        secret = os.environ.get(_VARIABLE, "").strip()
        if not secret:
            raise click.UsageError(f"give --secret-file FILE, or set {_VARIABLE}")
        return Secret(secret)


def first_line(file: str) -> str:
    """The first line of a file, or of standard input for `-`. :raises click.UsageError: it cannot be read."""
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise click.UsageError(f"{file} cannot be read: {reason}") from error
    line = text.partition("\n")[0].strip()
    if not line:
        raise click.UsageError(f"{file} is empty")
    return line


_OPTIONS = (
    click.option("--controller", metavar="URL", help=f"The controller; or set ZROKD_CONTROLLER; default: {DEFAULT}."),
    click.option(
        "--secret-file",
        metavar="FILE",
        help=f"Holds an administrator's secret; - is standard input. Or set {_VARIABLE}.",
    ),
    click.option("--ca", metavar="FILE", help="Trust the authorities in this file; or set ZROKD_CA."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line."),
)


_TEXTS = ("controller", "secret_file", "ca")


def with_options(function: Callable[P, None]) -> Callable[P, None]:
    """They may stand before a sub-command or behind it."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def at_desk(function: Callable[Concatenate[Desk, P], None]) -> Callable[..., None]:
    """A command that is given its `Desk`."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        desk = click.get_current_context().find_object(Desk)
        assert desk is not None
        desk.take(*(cast("str | None", kwargs.pop(name)) for name in _TEXTS), as_json=bool(kwargs.pop("as_json")))
        function(desk, *args, **kwargs)

    return with_options(run)
