"""The falcon application: the whole API on one screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon

from zrokd.api import errors, openapi
from zrokd.api.call import Needs, Operation, Settings
from zrokd.api.dispatch import Authenticate, resource_of
from zrokd.api.resources import (
    access,
    account,
    agent,
    bind,
    entrance,
    environment,
    frontend,
    listing,
    metadata,
    metrics,
    name,
    namespace,
    organization,
    privilege,
    registration,
    share,
    token,
    trail,
    upkeep,
)
from zrokd.api.turns import Turns
from zrokd.service.services import Services

_NOBODY, _FRONTEND, _ADMIN = Needs.NOBODY, Needs.FRONTEND, Needs.ADMIN
_READ, _SHARE, _ACCOUNT = Needs.READ, Needs.SHARE, Needs.ACCOUNT

BASE = "/api/v2"
DOCUMENT = "/api/openapi.json"
OPERATIONS = (
    # zrok's
    Operation("POST", "/clientVersionCheck", _NOBODY, metadata.check_client_version),
    Operation("GET", "/configuration", _NOBODY, metadata.configuration),
    Operation("GET", "/version", _NOBODY, metadata.version),
    Operation("GET", "/versions", _NOBODY, metadata.versions),
    Operation("GET", "/overview", _READ, metadata.overview),
    Operation("POST", "/enable", _SHARE, environment.enable),
    Operation("POST", "/disable", _SHARE, environment.disable),
    Operation("POST", "/share", _SHARE, share.create),
    Operation("PATCH", "/share", _SHARE, share.modify),
    Operation("DELETE", "/unshare", _SHARE, share.delete),
    Operation("GET", "/detail/share/{share_token}", _READ, share.detail),
    Operation("POST", "/access", _SHARE, access.create),
    Operation("PATCH", "/access", _SHARE, access.modify),
    Operation("DELETE", "/unaccess", _SHARE, access.delete),
    Operation("POST", "/share/name", _SHARE, name.create),
    Operation("PATCH", "/share/name", _SHARE, name.modify),
    Operation("DELETE", "/share/name", _SHARE, name.delete),
    Operation("GET", "/share/names", _READ, name.listing),
    Operation("GET", "/share/names/{namespace_token}", _READ, name.listing),
    Operation("GET", "/share/namespaces", _READ, name.namespaces),
    Operation("POST", "/regenerateAccountToken", _ACCOUNT, account.regenerate_own),
    Operation("POST", "/changePassword", _ACCOUNT, registration.change_password),
    Operation("POST", "/login", _NOBODY, registration.login),
    Operation("POST", "/invite", _NOBODY, registration.invite),
    Operation("POST", "/verify", _NOBODY, registration.verify),
    Operation("POST", "/register", _NOBODY, registration.register),
    Operation("POST", "/resetPasswordRequest", _NOBODY, registration.ask_reset),
    Operation("POST", "/resetPassword", _NOBODY, registration.reset),
    Operation("POST", "/invite/token/generate", _ADMIN, registration.generate),
    Operation("PATCH", "/account", _ADMIN, account.set_password),
    Operation("POST", "/account", _ADMIN, account.create),
    Operation("DELETE", "/account", _ADMIN, account.delete),
    Operation("POST", "/namespace", _ADMIN, namespace.create),
    Operation("PATCH", "/namespace", _ADMIN, namespace.modify),
    Operation("DELETE", "/namespace", _ADMIN, namespace.delete),
    Operation("GET", "/namespaces", _ADMIN, namespace.listing),
    Operation("POST", "/namespace/grant", _ADMIN, namespace.grant),
    Operation("DELETE", "/namespace/grant", _ADMIN, namespace.revoke),
    Operation("POST", "/namespace/frontend/mapping", _ADMIN, namespace.map_frontend),
    Operation("DELETE", "/namespace/frontend/mapping", _ADMIN, namespace.unmap_frontend),
    Operation("GET", "/namespace/frontend/mapping/{namespace_token}", _ADMIN, namespace.frontends),
    Operation("GET", "/frontend/namespace/mapping/{frontend_token}", _ADMIN, namespace.served),
    Operation("GET", "/name/{namespace_token}/{name}", _ADMIN, namespace.holder),
    Operation("POST", "/frontend", _ADMIN, entrance.create),
    Operation("PATCH", "/frontend", _ADMIN, entrance.modify),
    Operation("DELETE", "/frontend", _ADMIN, entrance.delete),
    Operation("GET", "/frontends", _ADMIN, entrance.listing),
    Operation("POST", "/frontend/grant", _ADMIN, entrance.grant),
    Operation("DELETE", "/frontend/grant", _ADMIN, entrance.revoke),
    Operation("POST", "/identity", _ADMIN, entrance.create_identity),
    Operation("DELETE", "/identity", _ADMIN, entrance.delete_identity),
    Operation("POST", "/organization", _ADMIN, organization.create),
    Operation("DELETE", "/organization", _ADMIN, organization.delete),
    Operation("GET", "/organizations", _ADMIN, organization.listing),
    Operation("POST", "/organization/add", _ADMIN, organization.add),
    Operation("POST", "/organization/remove", _ADMIN, organization.remove),
    Operation("POST", "/organization/list", _ADMIN, organization.members),
    Operation("GET", "/memberships", _READ, organization.memberships),
    Operation("GET", "/members/{organization_token}", _READ, organization.members_for_admin),
    Operation("GET", "/overview/{organization_token}/{account_email}", _READ, organization.overview_for_admin),
    Operation("POST", "/limit-class/list", _ADMIN, privilege.list_classes),
    Operation("POST", "/applied-limit-class", _ADMIN, privilege.apply),
    Operation("DELETE", "/applied-limit-class", _ADMIN, privilege.take_out),
    Operation("POST", "/applied-limit-class/list", _ADMIN, privilege.applied),
    Operation("GET", "/skip-interstitial-grant", _ADMIN, privilege.skips),
    Operation("POST", "/skip-interstitial-grant", _ADMIN, privilege.grant_skip),
    Operation("DELETE", "/skip-interstitial-grant", _ADMIN, privilege.revoke_skip),
    Operation("GET", "/environments", _READ, listing.environments),
    Operation("GET", "/shares", _READ, listing.shares),
    Operation("GET", "/accesses", _READ, listing.accesses),
    Operation("GET", "/detail/account", _READ, listing.account),
    Operation("GET", "/detail/environment/{env_z_id}", _READ, listing.environment),
    Operation("GET", "/detail/frontend/{frontend_id}", _READ, listing.access),
    Operation("GET", "/metrics/account", _READ, metrics.of_account),
    Operation("GET", "/metrics/environment/{env_z_id}", _READ, metrics.of_environment),
    Operation("GET", "/metrics/share/{share_token}", _READ, metrics.of_share),
    Operation("POST", "/sparklines", _READ, metrics.sparklines),
    Operation("POST", "/agent/enroll", _SHARE, agent.enroll),
    Operation("POST", "/agent/unenroll", _SHARE, agent.unenroll),
    Operation("POST", "/agent/ping", _READ, agent.ping),
    Operation("POST", "/agent/status", _READ, agent.status),
    Operation("POST", "/agent/share", _SHARE, agent.share),
    Operation("POST", "/agent/unshare", _SHARE, agent.unshare),
    Operation("POST", "/agent/access", _SHARE, agent.access),
    Operation("POST", "/agent/unaccess", _SHARE, agent.unaccess),
    Operation("POST", "/agent/share/http-healthcheck", _SHARE, agent.health),
    # ours
    Operation("GET", "/zrokd/mappings", _FRONTEND, frontend.mappings),
    Operation("POST", "/zrokd/usage", _FRONTEND, frontend.usage),
    Operation("POST", "/zrokd/environment/usage", _SHARE, environment.usage),
    Operation("GET", "/zrokd/identity", _FRONTEND, frontend.identity),
    Operation("GET", "/zrokd/shares/{share_token}", _READ, share.urls),
    Operation("GET", "/zrokd/binds", _READ, bind.listing),
    Operation("POST", "/zrokd/binds", _SHARE, bind.report),
    Operation("GET", "/zrokd/tokens", _ACCOUNT, token.listing),
    Operation("POST", "/zrokd/tokens", _ACCOUNT, token.create),
    Operation("DELETE", "/zrokd/tokens", _ACCOUNT, token.revoke),
    Operation("POST", "/zrokd/admin/login", _NOBODY, registration.login_admin),
    Operation("GET", "/zrokd/admin/tokens", _ADMIN, token.listing_of),
    Operation("POST", "/zrokd/admin/tokens", _ADMIN, token.create_of),
    Operation("DELETE", "/zrokd/admin/tokens", _ADMIN, token.revoke_of),
    Operation("GET", "/zrokd/accounts", _ADMIN, account.listing),
    Operation("POST", "/zrokd/accounts/token", _ADMIN, account.regenerate_any),
    Operation("GET", "/zrokd/frontends", _ADMIN, frontend.listing),
    Operation("POST", "/zrokd/limit-class", _ADMIN, privilege.create_class),
    Operation("DELETE", "/zrokd/limit-class", _ADMIN, privilege.delete_class),
    Operation("GET", "/zrokd/audit", _ADMIN, trail.listing),
    Operation("POST", "/zrokd/reconcile", _ADMIN, upkeep.reconcile, takes_body=False),
)


def create_app(
    services: Callable[[], Services], authenticate: Authenticate, settings: Callable[[], Settings]
) -> falcon.App[Any, Any]:
    """The WSGI application of a controller.

    `services` and `settings` are asked at each call, so that a reload counts at once. `authenticate` may switch
    greenlets; None from it answers 401, Unavailable 503.
    """
    app = falcon.App()
    app.resp_options.default_media_type = None  # type: ignore[assignment]  # no body, no Content-Type [zrok]
    app.req_options.strip_url_path_trailing_slash = True  # [zrok]
    errors.install(app)
    turns = Turns()
    by_path: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, []).append(operation)
    for path, operations in by_path.items():
        app.add_route(BASE + path, resource_of(operations, services, authenticate, settings, turns))
    app.add_route(DOCUMENT, openapi.Document(BASE, OPERATIONS, lambda: settings().version))
    return app
