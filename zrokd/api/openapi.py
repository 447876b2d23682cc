"""The API as an OpenAPI 3.1 document, made of the route table, the handlers and what they read."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

import falcon

from zrokd.api.bodies import MEDIA_TYPE
from zrokd.api.call import Needs, Operation, answer_of
from zrokd.api.once import FIELD, heeds_key
from zrokd.wire.requests import wire_name

_WAYS = ("token", "bearer")
_PARAMETER = re.compile(r"\{(\w+)\}")
_TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "tuple[str, ...]": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "tuple[int, ...]": {"type": "array", "items": {"type": "integer"}},
}
_MESSAGE = {"type": "string"}
_FRAMEWORK = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}


def document(base: str, operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document. Source: OpenAPI 3.1.0."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "zrokd", "version": version, "summary": "zrok's REST API v2, and below /zrokd our own"},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "x-token"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "responses": {"refused": _refused()},
        },
    }


class Document:
    """A falcon resource that answers with the document, to everybody."""

    def __init__(self, base: str, operations: tuple[Operation, ...], version: Callable[[], str]) -> None:
        self._base, self._operations, self._version = base, operations, version

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """GET /api/openapi.json."""
        response.content_type = "application/json"
        response.data = json.dumps(document(self._base, self._operations, self._version())).encode()


def _operation(operation: Operation) -> dict[str, Any]:
    told = inspect.getdoc(operation.handler) or ""
    kind, takes, scope = answer_of(operation), getattr(operation.handler, "takes", None), operation.needs.scope
    success: dict[str, Any] = {"description": "done"}
    if not kind.empty:
        success["content"] = {MEDIA_TYPE: {"schema": {}}}
    made: dict[str, Any] = {
        "operationId": _id(operation),
        "description": told,
        "tags": ["account" if scope else operation.needs.value],
        "security": [] if operation.needs is Needs.NOBODY else [{way: [scope.value] if scope else []} for way in _WAYS],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_key_parameter(operation)],
        "responses": {str(kind.status): success, "default": {"$ref": "#/components/responses/refused"}},
    }
    if takes is not None:
        made["requestBody"] = {"required": True, "content": {MEDIA_TYPE: {"schema": _schema(takes)}}}
    return made


def _id(operation: Operation) -> str:
    words = re.findall(r"\w+", operation.path.replace("-", "_"))
    return "_".join([operation.method.lower(), *words])


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    names = getattr(operation.handler, "query", ())
    return [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]


def _key_parameter(operation: Operation) -> list[dict[str, Any]]:
    if not heeds_key(operation):
        return []
    told = "made again with the same key within a day, the request is answered as it was, and not carried out again"
    return [{"name": FIELD, "in": "header", "description": told, "schema": {"type": "string", "maxLength": 257}}]


def _schema(takes: Any) -> Mapping[str, Any]:
    if not is_dataclass(takes):
        return dict(takes)
    known: tuple[Field[Any], ...] = fields(takes)
    return {
        "type": "object",
        "required": [wire_name(one) for one in known if one.default is MISSING],
        "properties": {wire_name(one): _property(one) for one in known},
    }


def _property(one: Field[Any]) -> dict[str, Any]:
    plain = dict(_TYPES[str(one.type)])
    if one.default is MISSING:
        return plain | ({"minLength": 1} if one.type == "str" else {})
    return plain | {"type": [plain["type"], "null"]}


def _refused() -> dict[str, Any]:
    return {
        "description": "refused: a sentence as a bare text, or for what the framework refuses an object",
        "content": {MEDIA_TYPE: {"schema": _MESSAGE}, "application/json": {"schema": _FRAMEWORK}},
    }
