"""What is said to agents as protocol buffers, and back. Source: zrok v2's agent.proto, whose fields these are.

Needs the package `protobuf`. Fields are numbered as they stand, from 1 on.
"""

from __future__ import annotations

import functools
import typing
from dataclasses import fields
from typing import Any, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from zrokd.errors import Invalid
from zrokd.model import agent
from zrokd.wire.keys import camel

T = TypeVar("T")
#: message -> its fields: a text, where no type is written; `*` says that there may be several.
_MESSAGES = {
    "AccessDetail": "frontendToken token bindAddress responseHeaders:string* status failure:Failure",
    "AccessPrivateRequest": (
        "token bindAddress autoMode:bool autoAddress autoStartPort:uint32 autoEndPort:uint32 responseHeaders:string*"
    ),
    "AccessPrivateResponse": "frontendToken",
    "Failure": "id count:int32 lastError nextRetry:Timestamp",
    "NameSelection": "namespaceToken name",
    "ReleaseAccessRequest": "frontendToken",
    "ReleaseAccessResponse": "",
    "ReleaseShareRequest": "token",
    "ReleaseShareResponse": "",
    "ShareDetail": (
        "token shareMode backendMode frontendEndpoint:string* backendEndpoint closed:bool status failure:Failure"
    ),
    "ShareHttpHealthcheckRequest": "token httpVerb endpoint expectedHttpResponse:uint32 timeoutMs:uint64",
    "ShareHttpHealthcheckResponse": "healthy:bool error",
    "SharePrivateRequest": "target privateShareToken backendMode insecure:bool closed:bool accessGrants:string*",
    "SharePrivateResponse": "token",
    "SharePublicRequest": (
        "target basicAuth:string* nameSelections:NameSelection* backendMode insecure:bool oauthProvider"
        " oauthEmailDomains:string* oauthRefreshInterval closed:bool accessGrants:string*"
    ),
    "SharePublicResponse": "token frontendEndpoints:string*",
    "StatusRequest": "",
    "StatusResponse": "accesses:AccessDetail* shares:ShareDetail*",
    "Timestamp": "seconds:int64 nanos:int32",  # google.protobuf.Timestamp, field by field
    "VersionRequest": "",
    "VersionResponse": "v consoleEndpoint",
}
#: The calls: what each is given, and what it answers.
METHODS: dict[str, tuple[type, type]] = {
    f"/Agent/{name}": (getattr(agent, f"{name}Request"), getattr(agent, f"{name}Response"))
    for name in (
        "AccessPrivate",
        "ReleaseAccess",
        "ReleaseShare",
        "ShareHttpHealthcheck",
        "SharePrivate",
        "SharePublic",
        "Status",
        "Version",
    )
}
_METHOD_OF = {asked: method for method, (asked, _) in METHODS.items()}


def method_of(asked: object) -> str:
    """The call that a request is for."""
    return _METHOD_OF[type(asked)]


def pack(message: Any) -> bytes:
    """A message as bytes. :raises Invalid: a number in it is too large."""
    try:
        data: bytes = _filled(message).SerializeToString()
    except (ValueError, TypeError) as error:
        raise Invalid(f"an agent cannot be told this: {error}") from error
    return data


def unpack(kind: type[T], data: bytes) -> T:
    """The message of a kind in bytes; what nobody knows is passed over. :raises Invalid: they hold none."""
    try:
        return _read(kind, _classes()[kind.__name__].FromString(data))
    except DecodeError as error:
        raise Invalid(f"this is no {kind.__name__}: {error}") from error


def _filled(message: Any) -> Any:
    values = {camel(field.name): getattr(message, field.name) for field in fields(message)}
    return _classes()[type(message).__name__](**{name: _out(value) for name, value in values.items()})


def _out(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_out(item) for item in value]
    return value if value is None or isinstance(value, str | int) else _filled(value)


def _read(kind: type[T], message: Any) -> T:
    hints, values = typing.get_type_hints(kind), dict[str, Any]()
    for field in fields(kind):  # type: ignore[arg-type]
        name, hint = camel(field.name), hints[field.name]
        if typing.get_origin(hint) is tuple:
            values[field.name] = tuple(_in(typing.get_args(hint)[0], item) for item in getattr(message, name))
        elif typing.get_args(hint):
            inner = getattr(message, name) if message.HasField(name) else None
            values[field.name] = inner if inner is None else _read(typing.get_args(hint)[0], inner)
        else:
            values[field.name] = getattr(message, name)
    return kind(**values)


def _in(kind: Any, item: Any) -> Any:
    return item if kind is str else _read(kind, item)


@functools.cache
def _classes() -> dict[str, Any]:
    """The message classes by their names."""
    file = descriptor_pb2.FileDescriptorProto(name="zrokd/agent.proto", syntax="proto3")
    for name, text in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(text.split(), 1):
            _declare(message, number, *field.partition(":")[::2])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in _MESSAGES}


def _declare(message: Any, number: int, name: str, kind: str) -> None:
    form = descriptor_pb2.FieldDescriptorProto
    plain = kind.rstrip("*") or "string"
    label = form.LABEL_REPEATED if kind.endswith("*") else form.LABEL_OPTIONAL
    if plain in _MESSAGES:
        message.field.add(name=name, number=number, label=label, type=form.TYPE_MESSAGE, type_name=f".{plain}")
    else:
        message.field.add(name=name, number=number, label=label, type=getattr(form, f"TYPE_{plain.upper()}"))
