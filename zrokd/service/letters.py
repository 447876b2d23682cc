"""What we write to people."""

from __future__ import annotations

from jinja2 import DictLoader, Environment, StrictUndefined

from zrokd.model.limits import LimitClass
from zrokd.model.site import Letter
from zrokd.model.units import format_size

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
_WARNED = """Much has gone through what {{ to }} shares: the mark of {{ most }} in {{ within }} is reached{{ whose }}.

Nothing is cut yet. At the limit visitors are sent away until less has gone through in that time.
"""
_LIMITED = """What {{ to }} shares has used up its limit of {{ most }} in {{ within }}{{ whose }}.

Visitors are sent away until less has gone through in that time. It ends by itself, and you will hear of it.
"""
_RELAXED = """What {{ to }} shares is below its limit of bytes again{{ whose }}.

Visitors are let through from now on.
"""
_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ subject }}</title></head>
<body style="font-family: sans-serif">
{% for line in text.split('\n\n') %}<p>{% if link and line.strip() == link %}<a href="{{ link }}">{{ link }}</a>
{% else %}{{ line }}{% endif %}</p>
{% endfor %}</body></html>
"""
_PLAIN = Environment(  # noqa: S701 - these become plain text
    loader=DictLoader(
        {
            "register": _REGISTER,
            "known": _KNOWN,
            "reset": _RESET,
            "warned": _WARNED,
            "limited": _LIMITED,
            "relaxed": _RELAXED,
        }
    ),
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


def to_warned(to: str, limit: LimitClass) -> Letter:
    """To somebody whose shares come near a limit of bytes."""
    return _of_bytes("warned", to, "Your shares come near their limit", limit)


def to_limited(to: str, limit: LimitClass) -> Letter:
    """To somebody whose shares have used one up."""
    return _of_bytes("limited", to, "Your shares have used up their limit", limit)


def to_relaxed(to: str, mode: str) -> Letter:
    """To somebody whose shares are below it again."""
    return _rendered("relaxed", to, "Your shares are open again", whose=_whose(mode))


def _letter(kind: str, to: str, subject: str, token: str, url: str, within_s: float) -> Letter:
    link = f"{url.rstrip('/')}/{token}" if url and token else ""
    return _rendered(kind, to, subject, link=link, token=token, within=_duration(within_s))


def _of_bytes(kind: str, to: str, subject: str, limit: LimitClass) -> Letter:
    kinds = ((limit.total_bytes, ""), (limit.rx_bytes, " from visitors"), (limit.tx_bytes, " to visitors"))
    most = ", or ".join(f"{format_size(most)}{which}" for most, which in kinds if most >= 0)
    within = _duration(limit.period_minutes * 60)
    return _rendered(kind, to, subject, most=most, within=within, whose=_whose(limit.backend_mode))


def _rendered(kind: str, to: str, subject: str, *, link: str = "", **values: str) -> Letter:
    text = _PLAIN.get_template(kind).render(to=to, link=link, **values)
    html = _MARKED_UP.from_string(_HTML).render(subject=subject, text=text, link=link)
    return Letter(to=to, subject=subject, text=text, html=html)


def _whose(mode: str) -> str:
    return f" (those of mode {mode})" if mode else ""


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 3 * 1440:
        return f"{minutes // 1440} days"
    return f"{minutes // 60} hours" if minutes >= 120 else f"{minutes} minutes"
