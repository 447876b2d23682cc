"""The top level of the YAML file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from zrokd.config import editor
from zrokd.contracts import AddressSetting, Component, DurationS, Settings, slot_use

Level = Literal["debug", "info", "warning", "error"]


class LogSettings(Settings):
    """What is logged, and how."""

    level: Level = Field(default="info", description="The least that is logged.")
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="`text` for people, `json` for machines; `auto` is text on a terminal."
    )


class HealthSettings(Settings):
    """Where the daemon answers `/healthz` and `/readyz`."""

    listen: AddressSetting | None = Field(
        default=None, description="An address. Left out: the UNIX socket `health.sock` in `state_dir`."
    )


class TopLevel(Settings):
    """Everything a file may hold."""

    version: Literal[1] = Field(description="The version of this format: 1.")
    log: LogSettings = Field(default_factory=LogSettings, description="Logging.")
    state_dir: str | None = Field(
        default=None,
        min_length=1,
        description="Where the daemon keeps what it must remember. Left out: `$STATE_DIRECTORY`, else "
        "`/var/lib/zrokd` for root and `~/.local/state/zrokd` for others.",
    )
    drain: DurationS = Field(default=30.0, description="How long running requests may take at the end.")
    health: HealthSettings = Field(default_factory=HealthSettings, description="Health answers.")
    plugin_path: list[str] = Field(default_factory=list, description="Folders of single-file plugins.")
    storage: slot_use("storage") | None = Field(  # type: ignore[valid-type]
        default=None, description="The database; only the controller needs one. Left out: `sqlite`."
    )
    overlay: slot_use("overlay") | None = Field(  # type: ignore[valid-type]
        default=None, description="The network. Left out: `local`."
    )
    auth: list[slot_use("auth")] | None = Field(  # type: ignore[valid-type]
        default=None, description="Who proves who asks the API, asked in this order. Left out: `token`."
    )
    sinks: list[slot_use("sink")] = Field(default_factory=list, description="Where usage goes.")  # type: ignore[valid-type]
    observers: list[slot_use("observer")] = Field(  # type: ignore[valid-type]
        default_factory=list, description="What listens to hooks, in this order."
    )
    roles: dict[str, slot_use("role")] = Field(  # type: ignore[valid-type]
        min_length=1,
        description="What this daemon does. The key is the role's name, and where `use` is left out its kind: "
        "`controller`, `frontend` or `backend`.",
    )


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Where state goes when the file does not say."""
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/zrokd")
    return Path(environ.get("HOME") or Path.home()) / ".local/state/zrokd"


def json_schema(components: Iterable[type[Component]]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a file that may use `components`, for editors."""
    return editor.json_schema(TopLevel, components)
