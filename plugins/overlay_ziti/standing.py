"""What stands on the network for an instance of zrokd before anything is shared, and after all is taken away.

Role attributes carry the instance, so that several instances, and others, live on one network and never meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zrokd.contracts import Step
from zrokd.errors import OverlayError

from .api import Refused
from .edge import CONFIG_TYPE
from .management import Management

TAG = "zrokd"
TAG_ENVIRONMENT = "zrokdEnvironment"
TAG_SHARE = "zrokdShare"
TAG_KIND = "zrokdKind"
TAG_FRONTEND = "zrokdFrontend"
WOULD_MAKE = "would make"


@dataclass(frozen=True, slots=True)
class Names:
    """How an instance calls what is its own. No instance has a dot in it, so no name of one is a name of another."""

    instance: str

    @property
    def all(self) -> str:
        """Attribute of every identity and service of ours."""
        return f"zrokd.{self.instance}"

    @property
    def frontends(self) -> str:
        """Attribute of identities that may dial public shares."""
        return f"{self.all}.frontend"

    @property
    def public(self) -> str:
        """Attribute of public shares."""
        return f"{self.all}.public"

    @property
    def controllers(self) -> str:
        """Attribute of identities that may dial agents."""
        return f"{self.all}.controller"

    def environment(self, z_id: str) -> str:
        """Attribute of the shares of an environment."""
        return f"{self.all}.env.{z_id}"

    def tags(self, **more: str) -> dict[str, str]:
        """Tags of an object of ours."""
        return {TAG: self.instance, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    kind: str
    label: str
    name: str
    fields: dict[str, Any]
    ours: str = ""  # the field that says whom it is about: a policy of the network's own with #all there will do


def _wanted(names: Names) -> Iterator[_Object]:
    own, every = [f"#{names.all}"], ["#all"]
    yield _Object(kind="config-types", label="config type", name=CONFIG_TYPE, fields={"schema": {"type": "object"}})
    yield _Object(
        kind="edge-router-policies",
        label="edge router policy",
        name=names.all,
        fields={"semantic": "AnyOf", "edgeRouterRoles": every, "identityRoles": own},
        ours="identityRoles",
    )
    yield _Object(
        kind="service-edge-router-policies",
        label="service edge router policy",
        name=names.all,
        fields={"semantic": "AnyOf", "edgeRouterRoles": every, "serviceRoles": own},
        ours="serviceRoles",
    )
    who, what = [f"#{names.frontends}"], [f"#{names.public}"]
    yield _Object(
        kind="service-policies",
        label="service policy",
        name=names.public,
        fields={"type": "Dial", "semantic": "AnyOf", "identityRoles": who, "serviceRoles": what},
    )


def bootstrap(management: Management, names: Names, *, dry_run: bool = False) -> list[Step]:
    """Make what is missing. Idempotent. Switches greenlets.

    :raises OverlayError: the network refused, or has something of that name that is not ours.
    """
    return [_stand(management, names, each, dry_run=dry_run) for each in _wanted(names)]


def _stand(management: Management, names: Names, wanted: _Object, *, dry_run: bool) -> Step:
    found = _existing(management, names, wanted)
    what = f"{wanted.label} {found or repr(wanted.name)}"
    if found:
        return Step("kept", what)
    if dry_run:
        return Step(WOULD_MAKE, what)
    try:
        management.create(wanted.kind, name=wanted.name, tags=names.tags(), **wanted.fields)
    except Refused as error:
        if error.taken and _existing(management, names, wanted):
            return Step("kept", what)  # another daemon of ours was faster
        raise
    return Step("made", what)


def _existing(management: Management, names: Names, wanted: _Object) -> str:
    """How what will do is called, quoted; "" when there is none."""
    found = management.first(wanted.kind, name=wanted.name)
    if found is not None:
        if wanted.kind != "config-types" and (found.get("tags") or {}).get(TAG) != names.instance:
            raise OverlayError(f"the network has a {wanted.label} {wanted.name!r} that is not of this instance")
        return repr(wanted.name)
    if wanted.ours:
        for each in management.list(f"/{wanted.kind}"):
            if "#all" in (each.get(wanted.ours) or ()) and each.get("edgeRouterRoles"):
                return f"{each['name']!r}, the network's own"
    return ""


# Services before what they use, and policies before identities, so that nobody is let in half.
_KINDS = {
    "services": "service",
    "configs": "config",
    "service-policies": "service policy",
    "service-edge-router-policies": "service edge router policy",
    "edge-router-policies": "edge router policy",
    "identities": "identity",
}


def unbootstrap(management: Management, names: Names, *, dry_run: bool = False) -> list[Step]:
    """Take away all that carries our tag, shares and identities too. The config type stays: others may use it."""
    steps = []
    for kind, label in _KINDS.items():
        for found in list(management.find(kind, tag_zrokd=names.instance)):
            if not dry_run:
                management.delete(kind, str(found["id"]))
            steps.append(Step("would remove" if dry_run else "removed", f"{label} {found['name']!r}"))
    return steps
