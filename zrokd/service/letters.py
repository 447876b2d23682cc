"""What we write to people."""

from __future__ import annotations

from jinja2 import DictLoader, Environment, StrictUndefined

from zrokd.model.site import Letter

_REGISTER = """Somebody, probably you, asked for an account for {{ to }}.
{% if link %}
Open this to choose a password:

{{ link }}
{% else %}
Your registration token is {{ token }}
{% endif %}

It is good for {{ within }}. If it was not you, do nothing: no account is made.
"""
_KNOWN = """Somebody, probably you, asked for an account for {{ to }}, and there is one already.

If you forgot its password, ask for a new one. If it was not you, do nothing.
"""
_RESET = """Somebody, probably you, asked for a new password for {{ to }}.
{% if link %}
Open this to choose one:

{{ link }}
{% else %}
Your reset token is {{ token }}
{% endif %}

It is good for {{ within }}. If it was not you, do nothing: the old password stays.
"""
_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ subject }}</title></head>
<body style="font-family: sans-serif">
{% for line in text.split('\n\n') %}<p>{% if link and line.strip() == link %}<a href="{{ link }}">{{ link }}</a>
{% else %}{{ line }}{% endif %}</p>
{% endfor %}</body></html>
"""
_PLAIN = Environment(  # noqa: S701 - these become plain text
    loader=DictLoader({"register": _REGISTER, "known": _KNOWN, "reset": _RESET}),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_MARKED_UP = Environment(autoescape=True, undefined=StrictUndefined)


def to_register(to: str, token: str, url: str, within_s: float) -> Letter:
    """With the link (or, without a URL, the token) by which an address is proven."""
    return _letter("register", to, "Your new account", token, url, within_s)


def to_known(to: str) -> Letter:
    """To somebody who has an account and asks for one."""
    return _letter("known", to, "Your account", "", "", 0.0)


def to_reset(to: str, token: str, url: str, within_s: float) -> Letter:
    """With the link (or the token) by which a password is changed that nobody remembers."""
    return _letter("reset", to, "Your new password", token, url, within_s)


def _letter(kind: str, to: str, subject: str, token: str, url: str, within_s: float) -> Letter:
    link = f"{url.rstrip('/')}/{token}" if url and token else ""
    text = _PLAIN.get_template(kind).render(to=to, link=link, token=token, within=_duration(within_s))
    html = _MARKED_UP.from_string(_HTML).render(subject=subject, text=text, link=link)
    return Letter(to=to, subject=subject, text=text, html=html)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} hours" if minutes >= 120 else f"{minutes} minutes"
