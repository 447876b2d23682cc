"""Versions, configuration, overview."""

from __future__ import annotations

import re
from typing import Any

from zrokd.api.call import OK, Call, Done, Found, Listed, reads
from zrokd.errors import Invalid
from zrokd.service.overview import Overview
from zrokd.wire import answers
from zrokd.wire.requests import CheckClientVersion

# Source: zrok controller/config, compatibility.version_patterns
_CLIENTS = re.compile(r"^(refs/(heads|tags)/)?v2\.0|^zrokd ")
_FOR_OLD_CLIENTS = "this controller speaks zrok v2; please upgrade your client"


@reads(CheckClientVersion)
def check_client_version(_call: Call, asked: CheckClientVersion) -> Done:
    """POST /clientVersionCheck."""
    version = asked.client_version
    if not _CLIENTS.match(version):
        raise Invalid(f"a client of version {version[:60]!r} cannot work with this controller; it wants v2.0")
    return OK


def version(_call: Call) -> Found:
    """GET /version."""
    return Found(_FOR_OLD_CLIENTS)


def versions(call: Call) -> Found:
    """GET /versions."""
    return Found(answers.versions_to_wire(call.settings.version))


def configuration(call: Call) -> Found:
    """GET /configuration."""
    return Found(answers.configuration_to_wire(call.settings.version, call.settings.site))


def overview(call: Call) -> Listed:
    """GET /overview."""
    found = call.services.overviews.of(call.principal)
    return Listed(lambda: overview_document(found))


def overview_document(found: Overview) -> dict[str, Any]:
    """Everything of one account."""
    environments = [
        answers.resources_to_wire(view.environment, view.shares, view.accesses) for view in found.environments
    ]
    return answers.overview_to_wire(environments, found.names, found.namespaces, limited=found.limited)
