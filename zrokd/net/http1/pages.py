"""The small pages visitors see in place of an answer. They say nothing about us and repeat nothing of theirs."""

from __future__ import annotations

import html
from http import HTTPStatus

from zrokd.model.http import Fields, Respond

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\
<meta name="color-scheme" content="light dark"><title>{title}</title>\
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1rem}}\
p{{opacity:.75}}small{{opacity:.5}}</style></head>
<body><h1>{title}</h1><p>{message}</p><small>{status}</small></body></html>
"""

_TEXTS = {
    400: ("Bad request", "The request cannot be understood."),
    404: ("Nothing here", "There is nothing under this address."),
    405: ("Not allowed", "This method is not served here."),
    408: ("Too slow", "The request did not arrive in time."),
    413: ("Too large", "The request is larger than what is taken here."),
    414: ("Address too long", "The address is longer than what is taken here."),
    417: ("Not met", "What the request expects is not offered here."),
    421: ("Another door", "This connection was made for another name."),
    431: ("Header too large", "The header of the request is larger than what is taken here."),
    500: ("Something broke", "The request could not be handled."),
    501: ("Not known", "The request asks for something that is not known here."),
    502: ("Nobody answers", "The name is known, and what is shared under it does not answer now."),
    503: ("Not now", "The way to what is shared here is not open now. Try again in a moment."),
    504: ("No answer in time", "What is shared here did not answer in time."),
    505: ("Another HTTP", "HTTP/1.1 is spoken here."),
    508: ("Going in circles", "The request came back to where it started."),
}


def page(status: int, title: str, message: str, *fields: tuple[bytes, bytes]) -> Respond:
    """A valid, small HTML page. `title` and `message` are escaped; `fields` are added to the answer's."""
    body = _PAGE.format(status=status, title=html.escape(title), message=html.escape(message)).encode()
    return Respond(status, body, (*_FIELDS, *fields))


def standard_page(status: int, *fields: tuple[bytes, bytes]) -> Respond:
    """The page of a status, in our own words; where we have none, in those of the standard."""
    title, message = _TEXTS.get(status) or (_phrase(status), "The request was not served.")
    return page(status, title, message, *fields)


def used_up_page(*fields: tuple[bytes, bytes]) -> Respond:
    """The page of a share that has had all the bytes it may have for now."""
    told = "What is shared here has had all the traffic it may have. Come back later."
    return page(503, "Used up for now", told, *fields)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Not served"


_FIELDS: Fields = ((b"Content-Type", b"text/html; charset=utf-8"), (b"Cache-Control", b"no-store"))
