"""The error tree as statuses. An `errorMessage` is a bare JSON string [zrok]; the framework's own are objects."""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any

import falcon

from zrokd.api.bodies import MEDIA_TYPE
from zrokd.errors import (
    AgentAway,
    BadName,
    Conflict,
    Denied,
    Invalid,
    KeyReused,
    LimitReached,
    NotEnough,
    NotFound,
    StoreUnfit,
    TooMany,
    Unavailable,
    WeakPassword,
    ZrokdError,
)
from zrokd.wire.fields import NotOneOf

LOG = logging.getLogger("zrokd.api")
_STATUS: tuple[tuple[type[ZrokdError], int], ...] = (
    (WeakPassword, 422),  # [zrok]
    (BadName, 409),  # [zrok]: its programs show the words of no other status here
    (KeyReused, 422),
    (Invalid, 400),
    (NotEnough, 403),
    (Denied, 401),
    (NotFound, 404),
    (Conflict, 409),
    (LimitReached, 409),
    (TooMany, 429),
    (AgentAway, 502),
    (Unavailable, 503),
)


def install(app: falcon.App[Any, Any]) -> None:
    """Make `app` answer errors our way."""
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(ZrokdError, _ours)
    app.add_error_handler(NotOneOf, _not_one_of)
    app.add_error_handler(falcon.HTTPError, _framework)


def say(response: falcon.Response, status: int, message: str, code: int = 0) -> None:
    """An answer of the framework's kind: {"code", "message"}; `code` is the status unless given."""
    response.status = status
    response.content_type = "application/json"
    response.data = json.dumps({"code": code or status, "message": message}).encode()


def _ours(request: falcon.Request, response: falcon.Response, error: ZrokdError, _params: Any) -> None:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if status is None:
        return _unexpected(request, response, error, _params)
    response.status = status
    response.content_type = MEDIA_TYPE
    response.data = json.dumps(str(error)).encode()
    if isinstance(error, Unavailable | TooMany):
        response.set_header("Retry-After", str(max(1, round(error.retry_after_s))))
    if isinstance(error, Unavailable) and not isinstance(error, StoreUnfit):  # the store tells that, once
        LOG.warning("%s %s: %s", request.method, request.uri_template or "?", error)
    return None


def _not_one_of(_request: falcon.Request, response: falcon.Response, error: NotOneOf, _params: Any) -> None:
    say(response, 422, str(error), error.code)


def _framework(_request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, _params: Any) -> None:
    headers = error.headers or {}
    for name, value in dict(headers).items():
        response.set_header(name, value)
    say(response, error.status_code, error.title or "refused")


def _unexpected(request: falcon.Request, response: falcon.Response, error: Exception, _params: Any) -> None:
    number = secrets.token_hex(4)
    LOG.error("%s %s failed [%s]", request.method, request.uri_template or "?", number, exc_info=error)
    say(response, 500, f"this controller failed; its log has more under {number}")
