"""Values of the environment and the command line, laid over the files: flag > environment > file > default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zrokd.config.parse import parse
from zrokd.config.schema import TopLevel
from zrokd.config.tree import KeyPath, Mark, Origin, Tree

_PREFIX = "ZROKD_"
_TOP = TopLevel.model_fields.keys() - {"version"}  # images like to call their own version ZROKD_VERSION
_STRUCTURE = tuple("[{\"'!")
_MOST_WORDS = 20
_INDEX = re.compile(r"\[(\d+)\]")  # places in lists as messages print them


def apply(tree: Tree, environ: Mapping[str, str], flags: Mapping[str, str]) -> None:
    """Lay ZROKD_SECTION__KEY variables, then dotted flags, over the tree; mistakes name the variable or flag."""
    for name in sorted(environ):
        words = _words(name)
        if words:
            _set(tree, words, environ[name], f"${name}")
    for key, text in flags.items():
        _set(tree, _INDEX.sub(r".\1", key).split("."), text, f"--set {key}")


def _words(name: str) -> list[str]:
    """The keys that a variable means; none when it is not ours."""
    if not name.startswith(_PREFIX):
        return []
    words = name.removeprefix(_PREFIX).lower().split("__")
    return words if len(words) > 1 or words[0] in _TOP else []


def _set(tree: Tree, words: list[str], text: str, source: str) -> None:
    mark = Mark(source)
    words = words[:_MOST_WORDS]  # deeper than anything there is
    target: Any = tree.data
    path: KeyPath = ()
    for number, word in enumerate(words):
        last = number == len(words) - 1
        part = _part(target, word)
        if part is None:
            tree.values[(*path, word)] = mark
            tree.refuse("there is no such place in the configuration", (*path, word))
            return
        path = (*path, part)
        if last:
            _forget(tree, path)
            tree.keys[path] = mark
            target[part] = _value(tree, path, text, mark)
        else:
            if isinstance(target, dict) and target.get(str(part)) is None:
                target[part] = {}
                tree.keys[path] = tree.values[path] = mark
            target = target[part]


def _part(target: Any, word: str) -> str | int | None:
    """`word` as a key of a map or the index of a list; None: neither."""
    if isinstance(target, dict):
        return word or None
    if isinstance(target, list) and word.isascii() and word.isdigit() and int(word) < len(target):
        return int(word)
    return None


def _forget(tree: Tree, path: KeyPath) -> None:
    """What stood here in a file counts no more, mistakes of reading it included."""
    for marks in (tree.keys, tree.values, tree.origins):
        for below in [known for known in marks if known[: len(path)] == path]:
            del marks[below]
    tree.broken = {known for known in tree.broken if known[: len(path)] != path}


def _value(tree: Tree, path: KeyPath, text: str, mark: Mark) -> Any:
    """Lists, maps, quoted texts and references are read as YAML; anything else is a text that its key may read."""
    tree.values[path] = mark
    text = text.replace("$", "$$")
    given = parse(f"value: {text}\n".encode(errors="replace") if text.startswith(_STRUCTURE) else b"", mark.file)
    if given.problems or list(given.data) != ["value"]:  # [::1]:80 begins like a list, too
        tree.origins[path] = Origin("", text)
        return text
    for old in (*given.keys, *given.values):
        if len(old) > 1:
            tree.keys[path + old[1:]] = tree.values[path + old[1:]] = mark
    return given.data["value"]
