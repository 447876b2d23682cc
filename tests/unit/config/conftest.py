"""Components to be configured, a look-up that knows them, and files to write."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, field_validator, model_validator

import zrokd.contracts
from zrokd.config.load import Configuration
from zrokd.config.load import load as load_file
from zrokd.contracts import AddressSetting, Component, DurationS, SecretSetting, SizeBytes, slot_use
from zrokd.errors import ConfigError, PluginError, Problem
from zrokd.model.units import Secret


class Base(zrokd.contracts.Settings):
    pass


class LimitSettings(Base):
    """What visitors may take."""

    fields: int = Field(default=100, gt=0, le=1000, description="Most fields.")
    idle: DurationS = Field(default=75.0, description="Longest pause.")
    body: SizeBytes | None = Field(default=None, description="Largest body | beyond: 413.")
    step: int = Field(default=10, multiple_of=5, description="A step.")
    ratio: float = Field(default=0.5, ge=0, lt=1, description="A ratio.")


class AccessSettings(Base):
    """A private listener."""

    share: str = Field(min_length=3, max_length=12, description="Token of the share.")
    listen: AddressSetting = Field(description="Where to listen.")


class FrontendSettings(Base):
    """Settings of role.frontend."""

    listen: AddressSetting | None = Field(default=None, description="Where visitors come in.")
    controller: str = Field(default="", pattern="^(https?://.+)?$", description="URL of the controller.")
    token: SecretSetting = Field(default=Secret(""), description="Token of this frontend.")
    gates: dict[str, slot_use("gate")] = Field(default={}, description="Gates by name.")
    filters: list[slot_use("filter")] = Field(
        default=["forwarded"], validate_default=True, description="Filters in order."
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="Limits.")
    accesses: list[AccessSettings] = Field(default=[], max_length=3, description="Accesses.")
    workers: int | None = Field(default=None, description="Processes.")
    strict: bool = Field(default=True, description="Whether to be strict.")
    labels: dict[str, str] = Field(default={}, description="Labels.")
    key: int | str = Field(default=0, description="A number or a word.")

    @model_validator(mode="after")
    def _complete(self) -> FrontendSettings:
        if self.listen is not None and not self.controller:
            raise ValueError("`listen` needs the `controller`")
        return self


class ShareSettings(Base):
    """One share; other keys belong to its mode."""

    name: str = Field(default="", description="Its name.")
    private: bool = Field(default=False, description="Whether it is private.")
    mode: slot_use("mode", "proxy", beside=True) = Field(description="What answers.")
    users: list[SecretSetting] = Field(default=[], description="Visitors as user:password.")

    @field_validator("users")
    @classmethod
    def _colon(cls, value: list[Secret]) -> list[Secret]:
        if not all(":" in user.reveal() for user in value):
            raise ValueError("write each visitor as user:password")
        return value


class BackendSettings(Base):
    """Settings of role.backend."""

    token: SecretSetting | None = Field(default=None, description="Account token.")
    shares: list[ShareSettings] = Field(default=[], description="What is shared.")
    description: str = Field(default="", description="What it is for.")


def _known_user(name: str) -> str:
    if name != "ann":
        raise ValueError(f"nobody is called {name}")
    return name


class UserSettings(Base):
    """A user."""

    username: Annotated[str, AfterValidator(_known_user)] = Field(description="Its name.")
    hash: SecretSetting = Field(description="Its password's hash.")


class BasicSettings(Base):
    users: list[UserSettings] = Field(default=[], description="Who may pass.")
    then: slot_use("gate") | None = Field(default=None, description="Who is asked next.")


class WebSettings(Base):
    target: str = Field(description="The folder.")
    listing: bool = Field(default=True, description="Whether to list.")


class ProxySettings(Base):
    target: AddressSetting = Field(description="The server.")
    host_header: Literal["keep", "target"] = Field(default="keep", description="Host seen.")


class SecretsSettings(Base):
    secrets: list[SecretSetting] = Field(min_length=1, description="Administrators' secrets.")


class FileSettings(Base):
    path: str = Field(default="", description="The file.")


_SLOTS = zrokd.contracts.SLOTS
_KNOWN: dict[tuple[str, str], type[Base]] = {
    ("role", "controller"): Base,
    ("role", "frontend"): FrontendSettings,
    ("role", "backend"): BackendSettings,
    ("storage", "sqlite"): FileSettings,
    ("overlay", "local"): FileSettings,
    ("auth", "token"): Base,
    ("auth", "secret"): SecretsSettings,
    ("mode", "proxy"): ProxySettings,
    ("mode", "web"): WebSettings,
    ("gate", "basic"): BasicSettings,
    ("filter", "forwarded"): FileSettings,
    ("sink", "log"): FileSettings,
    ("observer", "access_log"): FileSettings,
}


def _component(slot: str, name: str, settings: type[Base]) -> type[Component]:
    doc = f"The {slot} called {name}.\n\nMore about it."
    return type(f"{name.title()}{slot.title()}", (_SLOTS[slot],), {"name": name, "Settings": settings, "__doc__": doc})


class FakeRegistry:
    """As the host's: raises PluginError with a hint; learns from folders."""

    def __init__(self) -> None:
        self.classes = {key: _component(*key, settings) for key, settings in _KNOWN.items()}
        self.folders: list[Path] = []

    def __call__(self, slot: str, name: str) -> type[Component]:
        try:
            return self.classes[slot, name]
        except KeyError:
            names = [known for kind, known in self.classes if kind == slot]
            close = difflib.get_close_matches(name, names, 1)
            error = PluginError(f"no {slot} plugin is named {name!r}")
            if close:
                error.hint = f"did you mean {close[0]!r}?"  # type: ignore[attr-defined]
            raise error from None

    def add_path(self, folder: Path) -> None:
        if not folder.is_dir():
            raise PluginError(f"{folder} is not a folder")
        self.folders.append(folder)


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def load(tmp_path: Path, registry: FakeRegistry) -> Callable[..., Configuration]:
    """load(text, **arguments): the configuration of a file with this text."""

    def call(text: str | bytes, **arguments: Any) -> Configuration:
        file = tmp_path / "zrokd.yml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(0o600)
        arguments.setdefault("environ", {"HOME": str(tmp_path)})
        return load_file(file, registry=registry, **arguments)

    return call


@pytest.fixture
def mistakes(load: Callable[..., Configuration]) -> Callable[..., tuple[Problem, ...]]:
    """mistakes(text, **arguments): what is wrong with it."""

    def call(text: str | bytes, **arguments: Any) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as caught:
            load(text, **arguments)
        return caught.value.problems

    return call
