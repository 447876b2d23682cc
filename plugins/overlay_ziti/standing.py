"""What stands on the network for an instance of zrokd before anything is shared, and after all is taken away.

Role attributes carry the instance, so that several instances, and others, live on one network and never meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .edge import CONFIG_TYPE
from .management import Management

TAG = "zrokd"
TAG_ENVIRONMENT = "zrokdEnvironment"
TAG_SHARE = "zrokdShare"
TAG_KIND = "zrokdKind"


@dataclass(frozen=True, slots=True)
class Names:
    """How an instance calls what is its own."""

    instance: str

    @property
    def all(self) -> str:
        """Attribute of every identity and service of ours."""
        return f"zrokd-{self.instance}"

    @property
    def frontends(self) -> str:
        """Attribute of identities that may dial public shares."""
        return f"{self.all}-frontend"

    @property
    def public(self) -> str:
        """Attribute of public shares."""
        return f"{self.all}-public"

    def environment(self, z_id: str) -> str:
        """Attribute of the shares of an environment."""
        return f"{self.all}-env-{z_id}"

    def tags(self, **more: str) -> dict[str, str]:
        """Tags of an object of ours."""
        return {TAG: self.instance, **more}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was made, was there, or would be made."""

    done: str  # made, kept, would make, removed, would remove
    what: str

    def __str__(self) -> str:
        return f"{self.done} {self.what}"


@dataclass(frozen=True, slots=True)
class _Object:
    kind: str
    label: str
    name: str
    fields: dict[str, Any] = field(default_factory=dict)


def _wanted(names: Names) -> Iterator[_Object]:
    own, every = [f"#{names.all}"], ["#all"]
    yield _Object(
        "edge-router-policies",
        "edge router policy",
        names.all,
        {"semantic": "AnyOf", "edgeRouterRoles": every, "identityRoles": own},
    )
    yield _Object(
        "service-edge-router-policies",
        "service edge router policy",
        names.all,
        {"semantic": "AnyOf", "edgeRouterRoles": every, "serviceRoles": own},
    )
    yield _Object(
        "service-policies",
        "service policy",
        names.public,
        {
            "type": "Dial",
            "semantic": "AnyOf",
            "identityRoles": [f"#{names.frontends}"],
            "serviceRoles": [f"#{names.public}"],
        },
    )


def bootstrap(management: Management, names: Names, *, dry_run: bool = False) -> list[Step]:
    """Make what is missing. Idempotent. Switches greenlets. :raises OverlayError: the network refused."""
    steps = [_config_type(management, names, dry_run=dry_run)]
    for each in _wanted(names):
        what = f"{each.label} {each.name!r}"
        if management.first(each.kind, name=each.name) is not None:
            steps.append(Step("kept", what))
        elif dry_run:
            steps.append(Step("would make", what))
        else:
            management.create(each.kind, name=each.name, tags=names.tags(), **each.fields)
            steps.append(Step("made", what))
    return steps


def _config_type(management: Management, names: Names, *, dry_run: bool) -> Step:
    what = f"config type {CONFIG_TYPE!r}"
    if management.first("config-types", name=CONFIG_TYPE) is not None:
        return Step("kept", what)
    if not dry_run:
        management.create("config-types", name=CONFIG_TYPE, schema={"type": "object"}, tags=names.tags())
    return Step("would make" if dry_run else "made", what)


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
