"""Typed calls to the controller's API. Source: zrok's REST API v2, and /zrokd for what is ours alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from zrokd.client.transport import Transport
from zrokd.errors import Unavailable
from zrokd.model.account import Token
from zrokd.model.bind import BindReport, Standing
from zrokd.model.environment import Identity
from zrokd.model.limits import UsageSample
from zrokd.model.naming import MappingChanges, Name, Namespace
from zrokd.model.share import ShareDraft
from zrokd.model.units import Secret
from zrokd.wire import client as wire
from zrokd.wire.binds import report_to_wire


class Controller:
    """The API of one controller, in the name of one token: an account's, a frontend's or an administrator's.

    Every call may switch greenlets. Every call raises: Denied (the token is not good for this), NotFound (no such
    thing, or not ours), Conflict (taken, or in use), Invalid (breaks a rule), LimitReached, and Unavailable (the
    controller cannot be reached, or not do it now); each with a sentence that names the URL or comes from there.
    """

    def __init__(self, url: str, token: Secret, *, timeout_s: float = 30.0, verify: bool | str = True) -> None:
        """`verify`: trust the system's certificates, none (False), or those in a file. :raises Invalid: no URL."""
        self._transport = Transport(url, token, timeout_s=timeout_s, verify=verify)
        self._call = self._transport.call

    @property
    def url(self) -> str:
        """Where it is."""
        return self._transport.url

    def close(self) -> None:
        """Give the connections back. Idempotent."""
        self._transport.close()

    # -- environments ---

    def enable(self, description: str, host: str) -> Identity:
        """A new environment for this host."""
        return wire.enabled_from_wire(self._call("POST", "/enable", wire.body(description=description, host=host)))

    def disable(self, z_id: str) -> None:
        """End an environment with all its shares and accesses."""
        self._call("POST", "/disable", wire.body(identity=z_id))

    # -- agents ---

    def enroll_agent(self, z_id: str) -> str:
        """Let the controller command the agent of an environment: the service that the agent is to bind."""
        return wire.agent_token_from_wire(self._call("POST", "/agent/enroll", wire.body(env_z_id=z_id)))

    def unenroll_agent(self, z_id: str) -> None:
        """Take that back."""
        self._call("POST", "/agent/unenroll", wire.body(env_z_id=z_id))

    def is_agent_enrolled(self, z_id: str) -> bool:
        """Whether the environment has an agent that the controller may command."""
        found = self._call("GET", "/environments", query={"remoteAgent": "true"})
        return z_id in wire.listed_environments_from_wire(found)

    def agent_status(self, z_id: str) -> dict[str, Any]:
        """What the agent of an environment shares and has opened, as the wire has it."""
        return _object(self._call("POST", "/agent/status", wire.body(env_z_id=z_id)))

    # -- shares ---

    def share(self, draft: ShareDraft) -> tuple[str, tuple[str, ...]]:
        """The token of the share, new or (same environment, same name or token) found again, and its host names."""
        return wire.share_from_wire(self._call("POST", "/share", wire.draft_to_wire(draft)))

    def unshare(self, z_id: str, token: str) -> None:
        """End a share. Reserved names stay with the account."""
        self._call("DELETE", "/unshare", wire.body(env_z_id=z_id, share_token=token))

    def share_detail(self, token: str) -> dict[str, Any]:
        """One of the account's shares, as the wire has it."""
        return _object(self._call("GET", f"/detail/share/{quote(token, safe='')}"))

    def find_share(self, token: str) -> tuple[str, tuple[str, ...]]:
        """The environment that a share of the account's is of, and its host names."""
        return wire.detail_from_wire(self._call("GET", f"/detail/share/{quote(token, safe='')}"))

    def share_urls(self, token: str) -> tuple[str, ...]:
        """Where visitors find a share of the account's."""
        return wire.urls_from_wire(self._call("GET", f"/zrokd/shares/{quote(token, safe='')}"))

    def report_binds(self, report: BindReport) -> bool:
        """Tell what of the shares of an environment is reached; whether all is to be told again."""
        return wire.again_from_wire(self._call("POST", "/zrokd/binds", report_to_wire(report)))

    def list_binds(self) -> tuple[Standing, ...]:
        """Of each share of the account's, whether visitors reach it."""
        return wire.standings_from_wire(self._call("GET", "/zrokd/binds"))

    def report_environment(
        self, z_id: str, reporter: str, batch: str, samples: Sequence[UsageSample]
    ) -> frozenset[str]:
        """As `report_usage`, of shares of an environment. Which of all its shares let nobody in now."""
        document = {"envZId": z_id, **wire.usage_to_wire(reporter, batch, samples)}
        return wire.limited_from_wire(self._call("POST", "/zrokd/environment/usage", document))

    # -- accesses ---

    def access(self, z_id: str, share_token: str, bind_address: str, description: str) -> tuple[str, str]:
        """Leave to reach a private share: the token of the access, and the share's mode."""
        body = wire.body(env_z_id=z_id, share_token=share_token, bind_address=bind_address, description=description)
        return wire.access_from_wire(self._call("POST", "/access", body))

    def modify_access(self, access_token: str, bind_address: str, description: str) -> None:
        """Say where an access listens."""
        body = wire.body(access_token=access_token, bind_address=bind_address, description=description)
        self._call("PATCH", "/access", body)

    def unaccess(self, z_id: str, share_token: str, access_token: str) -> None:
        """Give an access back."""
        body = wire.body(env_z_id=z_id, share_token=share_token, access_token=access_token)
        self._call("DELETE", "/unaccess", body)

    # -- names ---

    def create_name(self, namespace: str, name: str) -> None:
        """Reserve a name."""
        self._call("POST", "/share/name", wire.body(namespace=namespace, name=name))

    def modify_name(self, namespace: str, name: str, *, reserved: bool) -> None:
        """Whether a name outlives the share that uses it."""
        self._call("PATCH", "/share/name", wire.body(namespace=namespace, name=name, reserved=reserved))

    def delete_name(self, namespace: str, name: str) -> None:
        """Give a name back."""
        self._call("DELETE", "/share/name", wire.body(namespace=namespace, name=name))

    def list_names(self, namespace: str = "") -> tuple[Name, ...]:
        """The account's names, of one namespace or of all."""
        path = f"/share/names/{quote(namespace, safe='')}" if namespace else "/share/names"
        return wire.names_from_wire(self._call("GET", path))

    def list_namespaces(self) -> tuple[Namespace, ...]:
        """Namespaces in which the account may have names."""
        return wire.namespaces_from_wire(self._call("GET", "/share/namespaces"))

    # -- tokens ---

    def login(self, email: str, password: Secret) -> str:
        """A new token for who has this address and password. Needs no token."""
        return _text(self._call("POST", "/login", wire.body(email=email, password=password.reveal())))

    def login_admin(self, email: str, password: Secret) -> tuple[str, int]:
        """A new token of an administrator, and when it ends (Unix milliseconds). Needs no token."""
        document = wire.body(email=email, password=password.reveal())
        token, secret = wire.created_token_from_wire(self._call("POST", "/zrokd/admin/login", document))
        return secret, token.expires_at_ms

    def create_token(self, name: str, scope: str, expires_in_s: int) -> tuple[Token, str]:
        """A new token of the account, and its secret, shown this once. 0 seconds: it does not end."""
        document = wire.body(name=name, scope=scope, expires_in_s=expires_in_s)
        return wire.created_token_from_wire(self._call("POST", "/zrokd/tokens", document))

    def list_tokens(self) -> tuple[Token, ...]:
        """The account's tokens."""
        return wire.tokens_from_wire(self._call("GET", "/zrokd/tokens"))

    def revoke_token(self, name: str) -> None:
        """End the account's tokens of this name, now."""
        self._call("DELETE", "/zrokd/tokens", wire.body(name=name))

    # -- what there is ---

    def overview(self) -> dict[str, Any]:
        """Everything of the account's, as the wire has it."""
        return _object(self._call("GET", "/overview"))

    def environments(self) -> set[str]:
        """The account's environments, by their Ziti ids."""
        return wire.environments_from_wire(self.overview())

    def version(self) -> str:
        """The controller's version."""
        return wire.version_from_wire(self._call("GET", "/versions"))

    # -- for frontends ---

    def mappings(self, epoch: str, since: int, wait_s: float) -> MappingChanges:
        """What changed since version `since` of `epoch`, as soon as something did; nothing after `wait_s` seconds."""
        query: dict[str, str | int] = {"epoch": epoch, "since": since, "wait_s": int(wait_s)}
        return wire.changes_from_wire(self._call("GET", "/zrokd/mappings", query=query, wait_s=wait_s))

    def identity(self) -> Identity:
        """The frontend's own overlay identity."""
        return wire.identity_from_wire(self._call("GET", "/zrokd/identity"))

    def report_usage(self, reporter: str, batch: str, samples: Sequence[UsageSample]) -> None:
        """What this frontend counted since its last report, at most 1000 shares.

        The last `batch` of a `reporter` can be told again until it is answered: the controller counts it once.
        """
        self._call("POST", "/zrokd/usage", wire.usage_to_wire(reporter, batch, samples))

    # -- for administrators ---

    def create_account(self, email: str, password: str) -> str:
        """A new account; its token, shown this once."""
        return wire.account_token_from_wire(self._call("POST", "/account", wire.body(email=email, password=password)))

    def delete_account(self, email: str) -> None:
        """End an account with all that is its own."""
        self._call("DELETE", "/account", wire.body(email=email))

    def list_accounts(self) -> list[Any]:
        """All accounts, as the wire has them."""
        document = self._call("GET", "/zrokd/accounts")
        accounts = document.get("accounts", []) if isinstance(document, dict) else document
        return accounts if isinstance(accounts, list) else []

    def regenerate_token(self, email: str) -> str:
        """A new token for the caller's own account; the old one is void at once."""
        return wire.account_token_from_wire(
            self._call("POST", "/regenerateAccountToken", wire.body(email_address=email))
        )


def _text(document: Any) -> str:
    if not isinstance(document, str):
        raise Unavailable("the controller's answer makes no sense: it is no text")
    return document


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Unavailable("the controller's answer makes no sense: it is no object")
    return document
