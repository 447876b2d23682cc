"""`zrokd admin create|delete|list limit-class(es)` and `applied-limit-classes`: what accounts may have."""

from __future__ import annotations

from typing import Any

import click

from zrokd.model.units import format_size, parse_size_bytes

from .desk import Desk, at_desk

_COUNTS = {"environments": "environments", "shares": "shares", "names": "uniqueNames", "accesses": "shareFrontends"}
_BYTES = {"rx": "rxBytes", "tx": "txBytes", "total": "totalBytes"}


def _size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int:
    """Bytes of a size such as 50GiB. :raises click.BadParameter: it is none."""
    if value is None:
        return -1
    try:
        return parse_size_bytes(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("limit-class")
@click.argument("label")
@click.option("--environments", type=int, default=-1, help="Enabled hosts; -1 is endless, here and below.")
@click.option("--shares", type=int, default=-1, help="Shares at a time.")
@click.option("--names", type=int, default=-1, help="Reserved names.")
@click.option("--accesses", type=int, default=-1, help="Accesses onto one share.")
@click.option("--rx", callback=_size, metavar="SIZE", help="Bytes from visitors in the period, such as 50GiB.")
@click.option("--tx", callback=_size, metavar="SIZE", help="Bytes to visitors.")
@click.option("--total", callback=_size, metavar="SIZE", help="Both together.")
@click.option("--period-minutes", type=int, default=1440, help="In how much time bytes are counted.")
@click.option("--action", type=click.Choice(["warning", "limit"]), default="limit", help="When the bytes are used up.")
@click.option("--mode", default="", help="Decide over the shares of this backend mode only.")
@at_desk
def create_class(desk: Desk, /, label: str, *, period_minutes: int, action: str, mode: str, **numbers: int) -> None:
    """Make a limit class, and print its number."""
    document: dict[str, Any] = {"label": label, "periodMinutes": period_minutes, "limitAction": action}
    document |= {key: numbers[name] for name, key in {**_COUNTS, **_BYTES}.items()}
    made = desk.call("POST", "/zrokd/limit-class", document | ({"backendMode": mode} if mode else {}))
    desk.say(made, str(made["id"]))


@click.command("limit-class")
@click.argument("number", type=int)
@at_desk
def delete_class(desk: Desk, number: int) -> None:
    """Take a limit class away; nobody is in it any more."""
    desk.call("DELETE", "/zrokd/limit-class", {"id": number}, of=str(number))
    desk.say({"id": number, "deleted": True}, f"limit class {number} is deleted")


@click.command("limit-classes")
@click.argument("label", default="")
@at_desk
def list_classes(desk: Desk, label: str) -> None:
    """Show limit classes: all, or those of a label."""
    _show(desk, desk.call("POST", "/limit-class/list", {"label": label}), "no limit classes")


@click.command("applied-limit-classes")
@click.argument("email")
@click.argument("numbers", type=int, nargs=-1, required=True)
@at_desk
def create_applied(desk: Desk, email: str, numbers: tuple[int, ...]) -> None:
    """Put an account into limit classes."""
    desk.call("POST", "/applied-limit-class", {"email": email, "limitClassIds": list(numbers)}, of=email)
    desk.say({"email": email, "applied": list(numbers)}, f"account {email} is in {_listed(numbers)}")


@click.command("applied-limit-classes")
@click.argument("email")
@click.argument("numbers", type=int, nargs=-1, required=True)
@at_desk
def delete_applied(desk: Desk, email: str, numbers: tuple[int, ...]) -> None:
    """Take an account out of limit classes."""
    desk.call("DELETE", "/applied-limit-class", {"email": email, "limitClassIds": list(numbers)}, of=email)
    desk.say({"email": email, "taken_out": list(numbers)}, f"account {email} is not in {_listed(numbers)}")


@click.command("applied-limit-classes")
@click.argument("email")
@at_desk
def list_applied(desk: Desk, email: str) -> None:
    """Show the limit classes that an account is in."""
    found = desk.call("POST", "/applied-limit-class/list", {"email": email}, of=email)
    _show(desk, found, f"{email} is in no limit class")


def _show(desk: Desk, classes: list[dict[str, Any]], none: str) -> None:
    for one in classes:
        desk.say(one, "  ".join([str(one["id"]), one["label"], *_told(one)]))
    if not classes:
        desk.none(none)


def _told(one: dict[str, Any]) -> list[str]:
    told = [f"{name} {one[key]}" for name, key in _COUNTS.items() if one[key] >= 0]
    sizes = [f"{name} {format_size(one[key])}" for name, key in _BYTES.items() if one[key] >= 0]
    if sizes:
        told += [*sizes, f"in {one['periodMinutes']} minutes: {one['limitAction']}"]
    return told + ([f"for {one['backendMode']}"] if one["backendMode"] else [])


def _listed(numbers: tuple[int, ...]) -> str:
    return f"limit class{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
