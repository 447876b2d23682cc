"""`zrokd admin audit`: the audit trail, read and verified here rather than by the controller that keeps it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import click

from zrokd.model.audit import DONE, Broken, Chain, Link, Record
from zrokd.model.units import parse_duration_s
from zrokd.wire.audit import page_from_wire

from .desk import Desk, at_desk

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LINK = re.compile(r"([0-9]{1,12}):([0-9a-f]{64})")
_Pages = Iterator[tuple[Link, Link, tuple[Record, ...]]]


def _since_ms(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int:
    """Unix milliseconds of what an option says. :raises click.BadParameter: it is neither time nor duration."""
    if not value:
        return 0
    try:
        return int(datetime.fromisoformat(value).astimezone(UTC).timestamp() * 1000)
    except ValueError:
        pass
    try:
        return max(1, int((time.time() - parse_duration_s(value)) * 1000))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is neither a time, as 2026-11-28T12:00, nor a duration, as 7d") from error


def _link(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Link | None:
    """What an option says. :raises click.BadParameter: it is nothing that --verify printed."""
    if not value:
        return None
    match = _LINK.fullmatch(value)
    if match is None:
        raise click.BadParameter("write it as --verify printed it: a number, a colon and 64 characters")
    return Link(seq=int(match[1]), digest=match[2])


@click.command()
@click.option(
    "--since", "since_ms", metavar="TIME", callback=_since_ms, help="As 7d or 2026-11-28T12:00; left out: all."
)
@click.option("--account", metavar="EMAIL", default="", help="What it did, and what was done to it.")
@click.option("--verify", is_flag=True, help="Check every record instead, and print the last one's number and digest.")
@click.option(
    "--expect", metavar="LINK", callback=_link, help="With --verify: what it printed earlier must still hold."
)
@at_desk
def audit(desk: Desk, since_ms: int, account: str, *, verify: bool, expect: Link | None) -> None:
    """Show who did what, when, from where, and how it ended; oldest first."""
    if verify and (since_ms or account):
        raise click.UsageError("--verify checks all records: it goes without --since and --account")
    if expect and not verify:
        raise click.UsageError("--expect goes with --verify")
    if verify:
        _verify(desk, expect)
        return
    count = 0
    for _, _, records in _pages(desk, since=since_ms, account=account):
        for record in records:
            desk.say(asdict(record), _line(record))
        count += len(records)
    if not count:
        desk.none("no records")


def _pages(desk: Desk, **query: Any) -> _Pages:
    """Page after page; the last one is empty."""
    after = 0
    while True:
        chosen = {name: value for name, value in {"after": after, **query}.items() if value}
        page = page_from_wire(desk.call("GET", f"/zrokd/audit?{urlencode(chosen)}"))
        yield page
        if not page[2]:
            return
        after = page[2][-1].seq


def _verify(desk: Desk, expect: Link | None) -> None:
    pages = _pages(desk)
    try:
        chain, head = _checked(pages, expect)
    except Broken as error:
        raise click.ClickException(f"the audit trail does not hold: {error}") from error
    pruned = f", {chain.last.seq - chain.count} before them were pruned" if chain.last.seq > chain.count else ""
    entry = {"verified": chain.count, "pruned": chain.last.seq - chain.count, "head": str(head)}
    desk.say(entry, f"{chain.count} records hold{pruned}; the last one is {head}")


def _checked(pages: _Pages, expect: Link | None) -> tuple[Chain, Link]:
    first, head, records = next(pages)
    chain = Chain(first)
    if expect:
        chain.expect(expect)
    while records:
        for record in records:
            chain.take(record)
        checkpoint, head, records = next(pages)
        if checkpoint != first:
            raise click.ClickException("the audit trail was pruned while it was read; run this again")
    chain.end(head)
    return chain, head


def _line(record: Record) -> str:
    who = record.actor + (f" ({record.via})" if record.via else "") + (f" from {record.address}" * bool(record.address))
    what = " ".join(filter(None, (record.event, record.subject, f"of {record.account}" * bool(record.account))))
    ended = "" if record.outcome == DONE else f" {record.outcome}"
    line = f"{record.seq}  {_time(record.at_ms)}  {who}: {what}{ended}  {_facts(record.facts)}"
    return _CONTROL.sub("?", line.rstrip())


def _time(at_ms: Any) -> str:
    """In UTC; whatever is no time as it is: somebody may have written into the table."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError, OverflowError):
        return str(at_ms)


def _facts(facts: Any) -> str:
    if not isinstance(facts, dict):
        return str(facts)
    return "  ".join(f"{name}={_value(value)}" for name, value in facts.items() if value not in ("", [], None))


def _value(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
