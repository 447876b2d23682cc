"""Find a person in a directory, and see whether the password is theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ldap3
from ldap3.core import results
from ldap3.core.exceptions import LDAPException, LDAPInvalidFilterError
from ldap3.operation.search import parse_filter
from ldap3.protocol.sasl.sasl import validate_simple_password
from ldap3.utils.conv import escape_filter_chars

from zrokd.errors import Denied, StartError

from .servers import Trouble
from .settings import LOGIN, LdapSettings

_AGAIN = frozenset(
    [
        results.RESULT_OPERATIONS_ERROR,
        results.RESULT_PROTOCOL_ERROR,
        results.RESULT_TIME_LIMIT_EXCEEDED,
        results.RESULT_STRONGER_AUTH_REQUIRED,
        results.RESULT_CONFIDENTIALITY_REQUIRED,
        results.RESULT_REFERRAL,
        results.RESULT_BUSY,
        results.RESULT_UNAVAILABLE,
        results.RESULT_OTHER,
    ]
)  # of a bind: says nothing about the password


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who knew the password."""

    email: str
    admin: bool


def check_filter(template: str) -> None:
    """Return when it is one. :raises StartError: says why not."""
    try:
        parse_filter(filter_for(template, "x"), None, True, True, None, False)  # ldap3 has no names for these
    except LDAPInvalidFilterError as error:
        raise StartError(f"auth ldap: {template!r} is no LDAP filter: {error}") from error


def filter_for(template: str, login: str) -> str:
    """The filter that finds who is called so, whatever characters the name has. Source: RFC 4515 §3."""
    return template.replace(LOGIN, escape_filter_chars(login))


def prove(settings: LdapSettings, login: str, password: str) -> Callable[[ldap3.Connection], Person | None]:
    """A question for `Servers.ask`: who that is; None: nobody is called so.

    It raises Denied: that is not the password, or it cannot be told who it is; the text is for the log.
    """
    proof = _prepared(password)

    def question(connection: ldap3.Connection) -> Person | None:
        if settings.bind_dn:
            _bind_as_ourselves(connection, settings)
        entry = _find(connection, settings, login)
        if entry is None:
            _bind(connection, f"cn=nobody,{settings.base}", proof)  # so that it takes as long as a wrong password
            return None
        email = _email(entry, settings.email, login)
        admin = any(_is_member(connection, group, entry["dn"]) for group in settings.admin_groups)
        if not _bind(connection, entry["dn"], proof):
            raise Denied(f"that is not the password of {entry['dn']}, or the directory refuses it")
        return Person(email, admin)

    return question


def _prepared(password: str) -> bytes:
    """What is sent. :raises Denied: characters that no password has; or nothing is left, which would prove nothing.

    Source: RFC 4513 §5.1.2 (a bind with a name and no password succeeds, and is anonymous), RFC 4013.
    """
    try:
        proof: bytes = validate_simple_password(password)
    except LDAPException as error:
        raise Denied(f"that is no password: {error}") from error
    if not proof:
        raise Denied("that is no password: nothing is left of it")
    return proof


def _bind_as_ourselves(connection: ldap3.Connection, settings: LdapSettings) -> None:
    if not connection.rebind(settings.bind_dn, settings.bind_password.reveal(), read_server_info=False):
        raise Trouble(f"it refuses our own bind as {settings.bind_dn}: {_reason(connection)}")


def _bind(connection: ldap3.Connection, dn: str, proof: bytes) -> bool:
    done: bool = connection.rebind(dn, proof, ldap3.SIMPLE, read_server_info=False)
    if connection.result["result"] in _AGAIN:
        raise Trouble(_reason(connection))
    return done


def _find(connection: ldap3.Connection, settings: LdapSettings, login: str) -> dict[str, Any] | None:
    connection.search(
        settings.base,
        filter_for(settings.filter, login),
        attributes=[settings.email],
        dereference_aliases=ldap3.DEREF_NEVER,
        size_limit=2,
        time_limit=int(settings.timeout),
    )
    entries = [one for one in connection.response or [] if one["type"] == "searchResEntry" and one["dn"]]
    code = connection.result["result"]
    if len(entries) > 1 or code == results.RESULT_SIZE_LIMIT_EXCEEDED:
        raise Denied(f"more than one person is called {login!r}; make `filter` find one")
    if code != results.RESULT_SUCCESS:
        raise Trouble(f"the search below {settings.base} failed: {_reason(connection)}")
    return entries[0] if entries else None


def _email(entry: dict[str, Any], attribute: str, login: str) -> str:
    """Of several addresses the one that was typed. :raises Denied: none, or that leaves it open."""
    values: list[bytes] = entry["raw_attributes"].get(attribute, [])
    found = [value.decode(errors="replace").strip().lower() for value in values]
    chosen = [email for email in found if email == login.lower()] or found
    if len(chosen) != 1:
        raise Denied(f"{entry['dn']} has {len(found)} values of {attribute}; log in with one of them")
    return chosen[0]


def _is_member(connection: ldap3.Connection, group: str, dn: str) -> bool:
    who = escape_filter_chars(dn)
    members = f"(|(member={who})(uniqueMember={who}))"
    connection.search(group, members, ldap3.BASE, ldap3.DEREF_NEVER, attributes=["1.1"])
    if connection.result["result"] != results.RESULT_SUCCESS:
        raise Trouble(f"the group {group} cannot be read: {_reason(connection)}")
    return any(one["type"] == "searchResEntry" for one in connection.response or [])


def _reason(connection: ldap3.Connection) -> str:
    result = connection.result
    return f"{result['description']} {result['message'] or ''}".strip()
