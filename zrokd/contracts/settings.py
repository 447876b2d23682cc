"""How a component describes its YAML keys: a strict, frozen pydantic model whose field descriptions are the docs.

class Settings(zrokd.contracts.Settings):
    listen: AddressSetting = Field(description="Where to listen.")
    idle: DurationS = Field(default=75.0, description="How long an idle connection is kept.")
    gates: dict[str, slot_use("gate")] = {}
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    WithJsonSchema,
)

from zrokd.contracts.rules import Mistake
from zrokd.errors import Invalid
from zrokd.model.units import Address, Secret, parse_address, parse_duration_s, parse_size_bytes

_URL_PATTERN = r"^(https?://[^\s/?#]+[^\s]*)?$"
_URL = re.compile(_URL_PATTERN)


class Settings(BaseModel):
    """Base of every settings model. Unknown keys are errors, values are not coerced, instances compare by value."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)

    def misfit(self) -> Iterable[Mistake]:
        """What is wrong with the components named here.

        The loader asks once each `Use` holds its component: a `rule` of the model is too early for that.
        """
        return ()

    def caution(self) -> Iterable[Mistake]:
        """What an operator should hear about settings that can be used."""
        return ()


def _duration(value: object) -> float:
    if not isinstance(value, str | int | float):
        raise ValueError("write a duration like 250ms, 30s, 5m or 1h30m")
    return parse_duration_s(value)


def _size(value: object) -> int:
    if not isinstance(value, str | int):
        raise ValueError("write a size like 64KiB, 10MiB or 1GB")
    return parse_size_bytes(value)


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError("write an address like 127.0.0.1:8080 or unix:/run/x.sock")
    return parse_address(value)


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("write a text, or better a reference: !file PATH, !cred NAME, !env NAME, !secret NAME")
    return Secret(value)


def _url(value: str) -> str:
    if value and not _URL.fullmatch(value):
        raise ValueError(f"{value!r} is not a URL; write it like https://zrokd.example.com:18080")
    return value


def _network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)
    return value


def passes(check: Callable[[Any], object]) -> AfterValidator:
    """For `Annotated`: the value as it is, where `check` raises no `Invalid`; else its sentence is the mistake."""

    def checked(value: Any) -> Any:
        try:
            check(value)
        except Invalid as error:
            raise ValueError(str(error)) from error
        return value

    return AfterValidator(checked)


DurationS = Annotated[
    float, BeforeValidator(_duration), WithJsonSchema({"type": ["string", "number"], "examples": ["30s", "1h30m"]})
]
SizeBytes = Annotated[
    int, BeforeValidator(_size), WithJsonSchema({"type": ["string", "integer"], "examples": ["64KiB"]})
]
AddressSetting = Annotated[
    Address,
    BeforeValidator(_address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["127.0.0.1:8080", "unix:/run/x.sock"]}),
]
UrlSetting = Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string", "pattern": _URL_PATTERN})]
NetworkSetting = Annotated[str, AfterValidator(_network)]
SecretSetting = Annotated[
    Secret, BeforeValidator(_secret), PlainSerializer(repr, return_type=str), WithJsonSchema({"type": "string"})
]


class Use(BaseModel):
    """A component named inside another's settings: `use:` and, beside it, its own keys.

    The configuration loader resolves `use` within the slot and validates `options` with the component's own
    Settings; afterwards `component` and `settings` hold the results and `ctx.build(use)` makes the instance.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    use: str = Field(description="Name of the plugin in this slot.")
    options: dict[str, Any] = Field(default_factory=dict)
    _component: Any = PrivateAttr(default=None)
    _settings: Any = PrivateAttr(default=None)

    @property
    def component(self) -> Any:
        """The component's class, a subclass of Component. Set by the loader."""
        return self._component

    @property
    def settings(self) -> Any:
        """The component's validated settings. Set by the loader."""
        return self._settings

    def resolve(self, component: type, settings: Settings) -> None:
        """Called once by the loader."""
        self._component, self._settings = component, settings

    def __repr__(self) -> str:  # options may hold secrets
        return f"Use({self.use!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Use) and self.use == other.use and self.settings == other.settings

    __hash__ = None  # type: ignore[assignment]


class UseSlot:
    """Annotation that tells the loader which slot a Use belongs to."""

    def __init__(self, slot: str, default: str = "", *, beside: bool = False) -> None:
        self.slot, self.default, self.beside = slot, default, beside


def _split(value: object) -> object:
    if isinstance(value, Use):
        return value
    if isinstance(value, str):
        return {"use": value}
    if isinstance(value, dict):
        return {
            **({"use": value["use"]} if "use" in value else {}),
            "options": {k: v for k, v in value.items() if k != "use"},
        }
    return value


def slot_use(slot: str, default: str = "", *, beside: bool = False) -> Any:
    """The type of a settings field that holds a component of `slot`.

    With `beside`, keys of the surrounding map that the model does not name are the component's (`default` when the
    field itself is left out): `{mode: web, target: /srv}`.

    In a `dict[str, slot_use(...)]` the key is the instance's name and, where `use:` is left out, the plugin's too.
    """
    return Annotated[
        Use,
        UseSlot(slot, default, beside=beside),
        BeforeValidator(_split),
        WithJsonSchema({"type": ["object", "string"], "x-slot": slot, "x-default": default, "x-beside": beside}),
    ]
