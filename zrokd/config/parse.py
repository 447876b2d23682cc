"""Bytes -> a Tree. PyYAML takes a key twice without a word and forgets lines, so its nodes are walked here."""

from __future__ import annotations

import re
from typing import Any

import yaml

from zrokd.config import scalars, syntax
from zrokd.config.tree import UNREAD, KeyPath, Mark, Reference, Span, Tree
from zrokd.errors import Problem

MAX_BYTES = 1 << 20
_MAX_EVENTS = 100_000
_MAX_NODES = 50_000  # after aliases were followed
_MAX_DEPTH = 40
_MOST_PROBLEMS = 500
_REFERENCES = ("!env", "!file", "!cred", "!secret")
_NOT_YAML = re.compile(r"[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAP, _SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"


def parse(raw: bytes, file: str, *, may_be_empty: bool = False) -> Tree:
    """The tree of a file's bytes. Never raises: what is wrong stands in its `problems`."""
    tree = Tree()
    text = _decode(raw, file, tree)
    if text is None:
        return tree
    try:
        _refuse_towers(text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        tree.problems.append(syntax.problem(error, file, text))
        return tree
    _build(tree, node, file, text, may_be_empty=may_be_empty)
    return tree


def _build(tree: Tree, node: yaml.Node | None, file: str, text: str, *, may_be_empty: bool) -> None:
    nothing = node is None or (isinstance(node, yaml.ScalarNode) and not node.value)
    if nothing and not may_be_empty:
        tree.problems.append(Problem("the file is empty; begin with `version: 1` and `roles:`", file=file))
    elif isinstance(node, yaml.MappingNode):
        builder = _Builder(tree, file, syntax.lines_of(text))
        tree.data = builder.mapping(node, (), 0)
    elif not nothing:
        tree.problems.append(Problem("the file must hold keys and values, like `version: 1`", file=file))


def _decode(raw: bytes, file: str, tree: Tree) -> str | None:
    if len(raw) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES >> 20} MiB; this is no configuration"
        tree.problems.append(Problem(message, file=file))
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = "the file is not UTF-8 text; is it a binary file?"
        tree.problems.append(Problem(message, file=file, line=line, column=1))
        return None
    bad = _NOT_YAML.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        message = f"the control character {bad[0]!a} cannot stand here; is it a binary file?"
        tree.problems.append(Problem(message, file=file, line=line, column=column))
        return None
    return text


def _refuse_towers(text: str) -> None:
    """Look at the events first: composing recurses in C, and brackets cost libyaml their depth each."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or count > _MAX_EVENTS:
            what = "is nested too deeply" if depth > _MAX_DEPTH else "holds too much for a configuration"
            raise syntax.Refused(what, event.start_mark)


class _Builder:
    def __init__(self, tree: Tree, file: str, lines: list[str]) -> None:
        self._tree, self._file, self._lines = tree, file, lines
        self._nodes = 0

    def mapping(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        self._tree.values[path] = self._mark(node)
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                self._value(value_node, self._tree.spare(path), depth + 1)  # for its mistakes, and where it stands
                continue
            here = (*path, key)
            if key in values:
                first = self._tree.keys[here]
                self._refuse(key_node, f"the key stands twice; the first is in line {first.line}", here)
                self._value(value_node, self._tree.spare(here), depth + 1)
                continue
            self._tree.keys[here] = self._mark(key_node)
            values[key] = self._value(value_node, here, depth + 1)
        return values

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        if node.tag == "tag:yaml.org,2002:merge":
            self._refuse(node, "`<<` is not known here; write the keys out", path)
        elif not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
            self._tree.spans[self._tree.spare(path)] = self._span(node)
            self._refuse(node, "a key must be a word", path)
        else:
            key = str(node.value)
            self._tree.key_spans.append(((*path, key), self._span(node)))
            return key
        return None

    def _value(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self._nodes += 1
        self._tree.values[path] = self._mark(node)
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            if self._nodes < 2 * _MAX_NODES:
                self._refuse(node, "is nested too deeply, or repeats itself too often by aliases", path)
            self._nodes = 2 * _MAX_NODES
            self._tree.spans[path] = self._span(node)
            return UNREAD
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (_MAP, _SEQUENCE):
            self._tree.spans[path] = self._span(node)
            self._refuse_tag(node, path)
            return UNREAD
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, depth)
        return [self._value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = str(node.value)
        if node.tag in _REFERENCES:
            return Reference(node.tag[1:], text.strip())
        self._tree.spans[path] = self._span(node)
        try:
            return scalars.convert(node.tag, text)
        except KeyError:
            self._refuse_tag(node, path)
        except ValueError:
            self._refuse(node, "this cannot be read as the number it seems to be", path)
        return UNREAD

    def _refuse_tag(self, node: yaml.Node, path: KeyPath) -> None:
        tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
        if tag in _REFERENCES:
            self._refuse(node, f"{tag} takes one word or path", path)
        else:
            hint = f"references are {', '.join(_REFERENCES)}"
            self._refuse(node, f"the tag {syntax.short(tag)} is not known here", path, hint)

    def _refuse(self, node: yaml.Node, message: str, path: KeyPath, hint: str = "") -> None:
        mark = self._mark(node)
        if path in self._tree.values and self._tree.values[path] == mark:
            self._tree.broken.add(path)
        if len(self._tree.problems) < _MOST_PROBLEMS:
            problem = Tree(values={path: mark}).problem(message, path, hint=hint)
            self._tree.problems.append(problem)

    def _span(self, node: yaml.Node) -> Span:
        begin, end = node.start_mark, node.end_mark
        return Span(self._file, begin.line + 1, begin.column + 1, end.line + 1, end.column + 1)

    def _mark(self, node: yaml.Node) -> Mark:
        line, column = node.start_mark.line, node.start_mark.column
        source = self._lines[line] if line < len(self._lines) else ""
        return Mark(self._file, line + 1, column + 1, source)
