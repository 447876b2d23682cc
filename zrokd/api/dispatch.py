"""From a request to an operation and back: media types, credentials, body, in this order; then the one handler call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import falcon

from zrokd.api.bodies import MEDIA_TYPE, acceptable, decode, encode, encode_large, is_json
from zrokd.api.call import EMPTY, Answer, Call, Later, Listed, Needs, Operation, Settings
from zrokd.api.once import FIELD, heeds_key, once
from zrokd.api.turns import Turns
from zrokd.errors import Invalid, NotEnough, ZrokdError
from zrokd.model.account import Credentials, Principal
from zrokd.model.audit import acting
from zrokd.model.http import LATER
from zrokd.service.services import Services

Authenticate = Callable[[Credentials], Principal | None]
Offload = Callable[[Callable[[], list[bytes]]], list[bytes]]
_NOBODY = Principal()
_BODIES = frozenset(["POST", "PATCH", "PUT", "DELETE"])


def resource_of(
    operations: Iterable[Operation],
    services: Callable[[], Services],
    authenticate: Authenticate,
    settings: Callable[[], Settings],
    turns: Turns,
) -> object:
    """A falcon resource with one responder per operation."""

    def responder(operation: Operation) -> Callable[..., None]:
        def respond(_self: object, request: falcon.Request, response: falcon.Response, **path: str) -> None:
            _check_media(request)
            now = settings()
            peer = now.client_address(request.remote_addr or "", request.get_header("X-Forwarded-For") or "")
            principal = _identify(request, operation.needs, authenticate, peer)
            call = Call(
                services=services(),
                settings=now,
                principal=principal,
                body=_body(request) if operation.takes_body else {},
                query=_query(request),
                path=path,
                peer=peer,
                may_wait=LATER in request.env,
            )
            try:
                with turns.of(principal.account_id):
                    answer = _answer(operation, call, request)
            except Later as later:
                request.env[LATER](later.wait)
            else:
                _send(response, answer, now.offload)

        return respond

    responders = {f"on_{operation.method.lower()}": responder(operation) for operation in operations}
    return type("Resource", (), responders)()


def _answer(operation: Operation, call: Call, request: falcon.Request) -> Answer:
    key = request.get_header(FIELD)
    if key is None or not heeds_key(operation):
        return _carry_out(operation, call)
    return once(operation, call, key, _token(request), lambda: _carry_out(operation, call))


def _carry_out(operation: Operation, call: Call) -> Answer:
    with acting(call.actor):
        try:
            return operation.handler(call)
        except ZrokdError as error:
            if operation.needs.changes and operation.method != "GET":
                call.services.trail.refuse(f"{operation.method} {operation.path}", error)
            raise


def _check_media(request: falcon.Request) -> None:
    if not acceptable(request.get_header("Accept")):
        raise falcon.HTTPNotAcceptable(title=f"only {MEDIA_TYPE} is offered")
    if request.method in _BODIES and request.content_length and not is_json(request.content_type):
        raise falcon.HTTPUnsupportedMediaType(title=f"send {MEDIA_TYPE}")


def _identify(request: falcon.Request, needs: Needs, authenticate: Authenticate, peer: str) -> Principal:
    if needs is Needs.NOBODY:
        return _NOBODY
    token = _token(request)
    if not token:
        raise falcon.HTTPUnauthorized(title="unauthenticated for invalid credentials")
    principal = authenticate(Credentials(token=token, peer=peer))
    if principal is None or not needs.met_by(principal):
        raise falcon.HTTPUnauthorized(title="invalid api key")
    if not needs.allowed_by(principal.scope):
        raise NotEnough(f"this takes a token of scope {needs.value}, and this one has the scope {principal.scope}")
    return principal


def _token(request: falcon.Request) -> str:
    return request.get_header("X-Token") or _bearer(request.get_header("Authorization") or "")


def _bearer(authorization: str) -> str:
    """The token of an Authorization field; "" when it is of another scheme. Source: RFC 6750 §2.1."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _body(request: falcon.Request) -> Mapping[str, Any]:
    if request.method not in _BODIES:
        return {}
    if not request.content_length:
        raise Invalid("a JSON body is missing")
    return decode(request.bounded_stream.read())


def _query(request: falcon.Request) -> dict[str, str]:
    return {key: value if isinstance(value, str) else value[0] for key, value in request.params.items()}


def _send(
    response: falcon.Response, answer: Answer, offload: Callable[[Callable[[], list[bytes]]], list[bytes]]
) -> None:
    response.status = answer.status
    if isinstance(answer, Listed):
        response.content_type = MEDIA_TYPE
        chunks = offload(lambda: encode_large(answer.document()))
        response.stream, response.content_length = iter(chunks), sum(map(len, chunks))
        return
    document = answer.document() if callable(answer.document) else answer.document
    if document is not EMPTY:
        response.content_type = MEDIA_TYPE
        response.data = encode(document)
