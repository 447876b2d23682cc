"""A JSON Schema of the whole file, for editors that complete and check YAML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from zrokd.contracts import Component

Schema = dict[str, Any]
_DATA = ("default", "examples", "enum", "const")
_SCALARS = ("integer", "number", "boolean")
_VARIABLE = r"\$\{"  # a text may stand for a number when a variable is in it


def json_schema(model: type[BaseModel], components: Iterable[type[Component]]) -> Schema:
    """JSON Schema (draft 2020-12) of `model` where its slots may hold any of `components`."""
    writer = _Writer(components)
    schema = writer.rewritten(writer.own(model, ""))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "zrokd configuration",
        **schema,
        "$defs": dict(sorted(writer.definitions.items())),
    }


class _LeavesOutSecrets(GenerateJsonSchema):
    ignored_warning_kinds = frozenset(["skipped-choice", "non-serializable-default"])  # type: ignore[assignment]


class _Writer:
    def __init__(self, components: Iterable[type[Component]]) -> None:
        self.definitions: Schema = {}
        self._names: dict[str, list[str]] = {}
        classes = sorted((cls for cls in components if cls.slot != "command"), key=lambda cls: (cls.slot, cls.name))
        for cls in classes:
            self._names.setdefault(cls.slot, []).append(cls.name)
        for cls in classes:
            body = self.own(cls.Settings, f"{cls.slot}.{cls.name}.")
            for word in ("type", "additionalProperties"):
                body.pop(word, None)  # the slot's schema says it, `use` beside
            self.definitions[f"{cls.slot}.{cls.name}"] = self.rewritten(body)

    def own(self, model: type[BaseModel], prefix: str) -> Schema:
        """The schema of one model; the models in it become definitions, named with `prefix`."""
        schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}", schema_generator=_LeavesOutSecrets)
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions[f"{prefix}{name}"] = self.rewritten(definition)
        return schema

    def rewritten(self, node: Any) -> Any:
        """`node` with our own marks turned into references and conditions."""
        if isinstance(node, list):
            return [self.rewritten(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "x-slot" in node:
            return self._slot(node)
        beside = _beside(node)
        node = {key: self._part(key, item) for key, item in _map_of_slots(node, self._names).items() if key != "title"}
        return _fillable(self._opened(node, *beside) if beside else node)

    def _part(self, key: str, item: Any) -> Any:
        if key == "properties":
            return {name: self.rewritten(schema) for name, schema in item.items()}
        return item if key in _DATA else self.rewritten(item)

    def _slot(self, node: Schema) -> Schema:
        about = {"description": node["description"]} if "description" in node else {}
        slot, default = node["x-slot"], node.get("x-default", "")
        key = f"slot {slot} {default}".strip()
        if key not in self.definitions:
            self.definitions[key] = self._choice(slot, default)
        return {"$ref": f"#/$defs/{key.replace(' ', '%20')}", **about}

    def _choice(self, slot: str, default: str) -> Schema:
        names = self._names.get(slot, [])
        branches = [
            {
                "if": {"properties": {"use": {"const": name}}, **_required("use", name, default)},
                "then": _ref(slot, name),
            }
            for name in names
        ]
        keys = {
            "type": ["object", "null"] if default else "object",
            "properties": {"use": {"enum": names}},
            **({} if default else {"required": ["use"]}),
            **({"allOf": branches} if branches else {}),
            "unevaluatedProperties": False,
        }
        return {"if": {"type": "string"}, "then": {"enum": names}, "else": keys}

    def _opened(self, node: Schema, key: str, slot: str, default: str) -> Schema:
        """A map that may hold the keys of the component that `key` names."""
        node.pop("additionalProperties", None)
        required = [name for name in node.pop("required", []) if name != key or not default]
        branches = [
            {"if": {"properties": {key: {"const": name}}, **_required(key, name, default)}, "then": _ref(slot, name)}
            for name in self._names.get(slot, [])
        ]
        return {
            **node,
            **({"required": required} if required else {}),
            "allOf": branches,
            "unevaluatedProperties": False,
        }


def _ref(slot: str, name: str) -> Schema:
    return {"$ref": f"#/$defs/{slot}.{name}"}


def _required(key: str, name: str, default: str) -> Schema:
    return {} if name == default else {"required": [key]}


def _beside(node: Schema) -> tuple[str, str, str] | None:
    properties = node.get("properties")
    for key, item in properties.items() if isinstance(properties, dict) else ():
        if isinstance(item, dict) and item.get("x-beside"):
            return key, item["x-slot"], item["x-default"]
    return None


def _map_of_slots(node: Schema, names: dict[str, list[str]]) -> Schema:
    """In a map of components the key is the plugin's name where `use:` is left out."""
    inner = node.get("additionalProperties")
    if not isinstance(inner, dict) or "x-slot" not in inner:
        return node
    known = {name: {**inner, "x-default": name} for name in names.get(inner["x-slot"], [])}
    return {**node, "properties": known}


def _fillable(node: Schema) -> Schema:
    """Numbers, truths and choices may also be texts with a variable in them."""
    kind = node.get("type")
    kinds = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
    if "enum" in node and all(isinstance(item, str) for item in node["enum"]):
        choice = {"enum": node.pop("enum")}
        node.pop("type", None)
        return {**node, "anyOf": [choice, {"type": "string", "pattern": _VARIABLE}]}
    if kinds and all(item in _SCALARS for item in kinds) and "const" not in node:
        return {**node, "type": [*kinds, "string"], "pattern": _VARIABLE}
    return node
