"""The fields of a head, and what was found out about them.

A block that was read keeps its lines as they came; an edit cuts lines out of them and puts others at their end. So most
of a head is never taken apart and put together again. Lines, fields and index are each made when somebody asks.

Requests mostly say the same, so a block is met again: on its connection, with all of its fields (RequestJudge), or on
another (zrokd.net.http1.memory), where what tells visitors apart, and is theirs alone, stands apart and is never kept.
What is a function of a block alone is found out once then, and kept with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, TypeVarTuple

Field = tuple[bytes, bytes]
Fields = tuple[Field, ...]  # names as sent; values without surrounding blanks
Index = dict[bytes, Field]  # by name in lower case; SEVERAL for a name that is repeated
SEVERAL: Field = (b"", b"")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_MOST_FACTS = 16
_UNKNOWN: Any = object()
_ITSELF: Any = object()


def remembered(look: Callable[[Block, *Ts], T]) -> Callable[[Block, *Ts], T]:
    """`look`, whose results are kept with a block that remembers. They must depend on the arguments alone.

    Of a block with fields apart it sees the rest, and these stand behind the block that it returns: it must come to the
    same with them. What it raises is not kept, and that it returns the block itself is kept without a reference to it.
    """

    @wraps(look)
    def known(block: Block, *given: *Ts) -> T:
        facts, common = block.facts, block.common
        if facts is None:
            return look(block, *given) if common is None else _with_apart(known(common, *given), block)
        fact = facts.get((look, given), _UNKNOWN)
        if fact is _UNKNOWN:
            fact = look(block, *given) if common is None else _with_apart(known(common, *given), block)
            _keep(facts, (look, given), _ITSELF if fact is block else fact)
        return block if fact is _ITSELF else fact  # type: ignore[return-value]

    return known


def remembered_apart(look: Callable[[Block, *Ts], T]) -> Callable[[Block, *Ts], T]:
    """As `remembered`, of the whole block: kept where its fields apart are, and nowhere for a block without."""

    @wraps(look)
    def known(block: Block, *given: *Ts) -> T:
        facts = block.facts
        if facts is None or block.common is None:
            return look(block, *given)
        fact = facts.get((look, given), _UNKNOWN)
        if fact is _UNKNOWN:
            fact = look(block, *given)
            _keep(facts, (look, given), _ITSELF if fact is block else fact)
        return block if fact is _ITSELF else fact  # type: ignore[return-value]

    return known


def _with_apart(fact: Any, whole: Block) -> Any:
    """What was found out about the rest of `whole`, as it is of all of it."""
    if fact is whole.common:
        return whole
    return fact.before(whole.apart) if isinstance(fact, Block) else fact


def _keep(facts: dict[Any, Any], key: Any, fact: Any) -> None:
    if len(facts) >= _MOST_FACTS:
        facts.clear()
    if isinstance(fact, Block):
        fact.remember()
    facts[key] = fact


class Block:
    """Fields in order. Never changes."""

    __slots__ = ("_fields", "_index", "_lines", "apart", "common", "facts")

    def __init__(self, fields: Fields | None = None, lines: bytes | None = None, index: Index | None = None) -> None:
        """`fields`, `lines` or both; `lines` begin and end with CRLF, and hold valid fields. What is given is kept."""
        self._fields, self._lines, self._index = fields, lines, index
        self.facts: dict[Any, Any] | None = None  # what was found out about it; None: it does not remember
        self.common: Block | None = None  # all but ...
        self.apart: Fields = ()  # ... these, which stand at its end, and of which common has none

    def before(self, apart: Fields) -> Block:
        """This block with valid fields of other names apart, at its end. What is kept with it stays without them."""
        whole = Block()
        whole.common, whole.apart = self, apart
        return whole

    def remember(self) -> None:
        """Keep what is found out from now on, as do the blocks made of it: it is likely to be asked again."""
        if self.facts is None:
            self.facts = {}

    @property
    def fields(self) -> Fields:
        """Names as sent; values without surrounding blanks."""
        if self._fields is None and self.common is not None:
            self._fields = self.common.fields + self.apart
        if self._fields is None:
            parts = [line.partition(b":") for line in self.lines.split(b"\r\n")[1:-1]]
            self._fields = tuple([(name, value.strip(b" \t")) for name, _, value in parts])
        return self._fields

    @property
    def lines(self) -> bytes:
        """The fields as they go over the wire, with a CRLF before each and after the last.

        :raises ValueError: a field holds CR, LF or NUL, which would let it forge others.
        """
        if self._lines is None and self.common is not None:
            self._lines = self.common.lines + field_lines(self.apart)
        if self._lines is None:
            self._lines = b"\r\n" + field_lines(self.fields)
        return self._lines

    @property
    def index(self) -> Index:
        """Its fields by their names in lower case; SEVERAL for a name that is repeated. Not to be changed."""
        if self._index is None:
            self._index = _index_of(self.fields) if self.common is None else self.common.index | _index_of(self.apart)
        return self._index

    def get(self, name: bytes) -> bytes | None:
        """The first value of the field of that name in lower case, or None."""
        found = self.index.get(name)
        return self.all(name)[0] if found is SEVERAL else found and found[1]

    def all(self, name: bytes) -> list[bytes]:
        """Every value of the field of that name in lower case, in order."""
        found = self.index.get(name)
        if found is None:
            return []
        return [value for key, value in self.fields if key.lower() == name] if found is SEVERAL else [found[1]]

    def edited(self, drop: frozenset[bytes], add: Fields = ()) -> Block:
        """A block without the fields named in `drop` (in lower case), and with `add` at the end. Itself when alike.

        :raises ValueError: a field to add holds CR, LF or NUL.
        """
        if not add and self.index.keys().isdisjoint(drop):
            return self
        if self._lines is None and self.common is None:  # it was made here, not read
            return Block(tuple([field for field in self.fields if field[0].lower() not in drop]) + add)
        lines, index = self.lines, self.index.copy()
        for name in index.keys() & drop:
            lines = _cut(lines, name, index.pop(name))
        if add:
            more_lines, more = _encoded(add)
            if not index.keys().isdisjoint(more):
                more = more | dict.fromkeys(index.keys() & more, SEVERAL)
            index |= more
            lines += more_lines
        return Block(lines=lines, index=index)


def field_lines(fields: Fields) -> bytes:
    """`Name: value` and CRLF for each. :raises ValueError: one holds CR, LF or NUL, which would let it forge others."""
    data = b"".join([b"%s: %s\r\n" % field for field in fields])
    if data.count(b"\n") != len(fields) or data.count(b"\r") != len(fields) or b"\0" in data:
        raise ValueError("a header field holds CR, LF or NUL")
    return data


def _index_of(fields: Fields) -> Index:
    index = {field[0].lower(): field for field in fields}
    if len(index) != len(fields):
        counts = Counter([name.lower() for name, _ in fields])
        index.update((name, SEVERAL) for name, count in counts.items() if count > 1)
    return index


@lru_cache(maxsize=256)
def _encoded(fields: Fields) -> tuple[bytes, Index]:
    """The lines of fields and their index. What one request is given, the next on its connection mostly is, too."""
    return field_lines(fields), _index_of(fields)


def _cut(lines: bytes, name: bytes, field: Field) -> bytes:
    """`lines` without those of a name, whose field is `field` unless there are several."""
    line = b"\r\n%s: %s\r\n" % field
    at = -1 if field is SEVERAL else lines.find(line)
    if at >= 0:
        return lines[:at] + lines[at + len(line) - 2 :]
    kept = lines.split(b"\r\n")[1:-1]  # repeated, or with other blanks than ours
    return b"\r\n".join([b"", *[line for line in kept if line.partition(b":")[0].lower() != name], b""])
