"""The keys of storage.postgres."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zrokd.contracts import DurationS, SecretSetting, Settings
from zrokd.model.units import Secret


class PostgresSettings(Settings):
    """Settings of storage.postgres. Its limits hold every request under two seconds while the database is away."""

    host: str = Field(
        default="/run/postgresql",
        min_length=1,
        description="A host name or address, or the folder of the server's UNIX socket. Several, joined by commas, are "
        "tried in turn; the one that takes writes is used.",
    )
    port: int = Field(
        default=5432, ge=1, le=65535, description="The server's port; it is part of a socket's name, too."
    )
    database: str = Field(default="zrokd", min_length=1, description="The database. An empty one must be there.")
    user: str = Field(default="zrokd", min_length=1, description="Who owns the tables.")
    password: SecretSetting = Field(default=Secret(""), description="Left out: as the server lets the user in without.")
    tls: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer",
        description="Whether the way to the server is encrypted and its certificate checked, in libpq's words "
        "(`sslmode`). Over a network write verify-full.",
    )
    ca: str = Field(default="", description="A file with the certificates that sign the server's, for verify-*.")
    connect: DurationS = Field(default=1.0, gt=0, le=60, description="How long making a connection may take.")
    statement: DurationS = Field(default=1.2, gt=0, le=600, description="How long one statement may take.")
    lock: DurationS = Field(
        default=1.0, gt=0, le=600, description="How long a statement waits for a lock, such as the one of all writers."
    )
    idle_transaction: DurationS = Field(
        default=5.0, gt=0, le=600, description="When the server ends the transaction of a controller that fell silent."
    )
    leisure: DurationS = Field(
        default=600.0, gt=0, le=86400, description="How long a statement of an upgrade, backup or restore may take."
    )
    retry: DurationS = Field(
        default=0.5, gt=0, le=5, description="How long a database that was away is not asked again."
    )
