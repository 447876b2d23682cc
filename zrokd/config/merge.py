"""One tree of several: maps are joined, lists of ordered slots appended, anything else may stand only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from zrokd.config.tree import KeyPath, Tree

T = TypeVar("T")
_APPENDED = frozenset([("auth",), ("sinks",), ("observers",), ("plugin_path",)])


def merge(whole: Tree, trees: Sequence[Tree]) -> None:
    """Work `trees` into `whole`, in their order; what stands twice is a problem that names both places."""
    for tree in trees:
        whole.problems += tree.problems
        _join(whole, whole.data, tree, tree.data, ())
        _keep_spans(whole, tree)


def _join(whole: Tree, into: dict[str, Any], tree: Tree, data: dict[str, Any], path: KeyPath) -> None:
    for key, value in data.items():
        here = (*path, key)
        if key not in into:
            into[key] = value
            _take_marks(whole, tree, here, here)
        elif isinstance(value, dict) and isinstance(into[key], dict):
            _join(whole, into[key], tree, value, here)
        elif here in _APPENDED and isinstance(value, list) and isinstance(into[key], list):
            for index, item in enumerate(value):
                _take_marks(whole, tree, (*here, index), (*here, len(into[key])))
                into[key].append(item)
        elif here != ("version",) or value != into[key]:
            first = whole.mark(here, key=True)
            place = f"{first.file}:{first.line}:{first.column}" if first else "another file"
            whole.problems.append(tree.problem(f"the key stands in {place} already", here, key=True))


def _keep_spans(whole: Tree, tree: Tree) -> None:
    """Also of what was not taken: a message may quote its line."""
    taken = set(whole.spans.values())
    for path, span in tree.spans.items():
        if span not in taken:
            whole.spans[whole.spare(path)] = span
    whole.key_spans += tree.key_spans


def _take_marks(whole: Tree, tree: Tree, old: KeyPath, new: KeyPath) -> None:
    _take(tree.keys, whole.keys, old, new)
    _take(tree.values, whole.values, old, new)
    _take(tree.spans, whole.spans, old, new)
    whole.broken |= {new + path[len(old) :] for path in tree.broken if path[: len(old)] == old}


def _take(source: Mapping[KeyPath, T], target: dict[KeyPath, T], old: KeyPath, new: KeyPath) -> None:
    for path, mark in source.items():
        if path[: len(old)] == old:
            target[new + path[len(old) :]] = mark
