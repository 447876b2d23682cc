"""Requests with an Idempotency-Key. Source: draft-ietf-httpapi-idempotency-key-header-07."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from zrokd.api.call import EMPTY, Answer, Call, Created, Made, Needs, Operation, answer_of
from zrokd.service.receipts import parse_key

FIELD = "Idempotency-Key"


@cache
def heeds_key(operation: Operation) -> bool:
    """Whether a key counts: it creates something, for somebody who shows a token."""
    return operation.method == "POST" and operation.needs is not Needs.NOBODY and answer_of(operation).status == 201


def once(operation: Operation, call: Call, field: str, token: str, perform: Callable[[], Answer]) -> Answer:
    """What `perform` answers, or answered to the same request before. :raises Invalid: `field` holds no key.

    Raises as `Receipts.once` and `perform` do.
    """
    request = json.dumps([operation.method, operation.path, call.body], sort_keys=True).encode()

    def bytes_of_it() -> bytes:
        document = perform().document
        return b"" if document is EMPTY else json.dumps(document).encode()

    def answer_to(made: Any) -> bytes:
        tells = getattr(operation.handler, "tells", None)
        return json.dumps(tells(made)).encode() if tells else b""

    told = call.services.receipts.once(_caller(call), token, parse_key(field), request, bytes_of_it, answer_to)
    return Created(json.loads(told)) if told else Made()


def _caller(call: Call) -> str:
    principal = call.principal
    return "admin" if principal.account_id is None else f"account {principal.account_id}"
