"""Blocks that came more than once, so that the next of the same bytes need not be judged again.

Only a memory of a function of the bytes: what was refused is not in it, no connection, address or setting is, and every
verdict is the same as without it. Nor are secrets: they live as long as the connection that carries them. So who
measures how long an answer takes learns at most that somebody sends the same ordinary fields, Host included.
"""

from __future__ import annotations

import re

from zrokd.model.block import Block
from zrokd.model.secrecy import SUSPECT_IN_HEADS

_MOST = 256  # blocks in each of two generations
_LARGEST = 2048  # bytes of a block
_MOST_FIELDS = 40
_MOST_SEEN = 4096
_SECRET_NAMES = re.compile(SUSPECT_IN_HEADS.encode())  # names in an index are in lower case
_URLS = (b"referer", b"location")


class BlockMemory:
    """Blocks by their bytes. Those that are in use stay; of others the younger half does. Never switches greenlets."""

    def __init__(self, most: int = _MOST, largest: int = _LARGEST) -> None:
        self._most, self._largest = most, largest
        self._young: dict[bytes, Block] = {}
        self._old: dict[bytes, Block] = {}
        self._seen: set[int] = set()  # hashes of what came once, which mostly never comes again

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, lines: bytes) -> Block | None:
        """The block of these bytes, when it is known."""
        block = self._young.get(lines)
        if block is None and (block := self._old.pop(lines, None)) is not None:
            self._put(lines, block)
        return block

    def keep(self, block: Block) -> None:
        """Know a valid `block` by its bytes from now on, without what stands apart, when they came before."""
        block = block.common or block
        lines = block.lines
        if lines in self._young or len(lines) > self._largest:
            return
        mark = hash(lines)
        if mark not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen.add(mark)
        elif len(block.index) <= _MOST_FIELDS and not _has_secrets(block):
            self._put(lines, block)

    def _put(self, lines: bytes, block: Block) -> None:
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[lines] = block
        block.remember()


def _has_secrets(block: Block) -> bool:
    """Whether one seems to be among its fields: by their names, or in what comes after `?` in a URL."""
    if _SECRET_NAMES.search(b" ".join(block.index)):
        return True
    return any(b"?" in value for name in _URLS for value in block.all(name))


MEMORY = BlockMemory()
