from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from zrokd.config.kinds import default_of, kind_of, models_in
from zrokd.contracts import AddressSetting, DurationS, SecretSetting, Settings, SizeBytes, Use, slot_use
from zrokd.model.units import Address, Secret


class Inner(Settings):
    x: int = 1


class Odd:
    pass


class All(Settings):
    text: str = "a"
    empty: str = ""
    needed: str
    number: int = 5
    ratio: float = 0.5
    truth: bool = False
    duration: DurationS = 90.0
    tiny: DurationS = 0.25
    maybe_duration: DurationS | None = None
    size: SizeBytes = 64 * 1024
    odd_size: SizeBytes = 1000
    huge: SizeBytes = 3 * 2**30
    no_size: SizeBytes = 0
    address: AddressSetting = Address(host="127.0.0.1", port=80)
    maybe_address: AddressSetting | None = None
    secret: SecretSetting = Secret("x")
    secrets: list[SecretSetting] = Field(default=[])
    choice: Literal["a", "b"] = "a"
    either: int | str = 0
    words: list[str] = Field(default=["a", "b"])
    labels: dict[str, int] = Field(default={})
    storage: slot_use("storage") | None = None
    mode: slot_use("mode", "proxy", beside=True)
    filters: list[slot_use("filter")] = Field(default=["forwarded"])
    gates: dict[str, slot_use("gate")] = Field(default_factory=dict)
    inner: Inner = Inner()
    inners: list[Inner] = Field(default=[])
    odd: Odd | None = None


KINDS = {
    "text": ("text", "`a`"),
    "empty": ("text", ""),
    "needed": ("text", "required"),
    "number": ("integer", "`5`"),
    "ratio": ("number", "`0.5`"),
    "truth": ("true or false", "`false`"),
    "duration": ("duration", "`90s`"),
    "tiny": ("duration", "`0.25s`"),
    "maybe_duration": ("duration", ""),
    "size": ("size", "`64KiB`"),
    "odd_size": ("size", "`1000`"),
    "huge": ("size", "`3GiB`"),
    "no_size": ("size", "`0`"),
    "address": ("address", "`127.0.0.1:80`"),
    "maybe_address": ("address", ""),
    "secret": ("secret", ""),
    "secrets": ("list of secret", "`[]`"),
    "choice": ("`a` \\| `b`", "`a`"),
    "either": ("integer or text", "`0`"),
    "words": ("list of text", "`[a, b]`"),
    "labels": ("map to integer", "`{}`"),
    "storage": ("[storage](#storage)", ""),
    "mode": ("[mode](#mode)", "`proxy`"),
    "filters": ("list of [filter](#filter)", "`[forwarded]`"),
    "gates": ("map to [gate](#gate)", "`{}`"),
    "inner": ("keys", ""),
    "inners": ("list of keys", "`[]`"),
    "odd": ("text", ""),
}


@pytest.mark.parametrize("name", All.model_fields)
def test_each_field_has_a_type_and_a_default_in_words(name: str) -> None:
    field = All.model_fields[name]
    assert (kind_of(field), default_of(field)) == KINDS[name]


MODELS: list[tuple[Any, list[str]]] = [
    (Inner, ["at"]), (list[Inner], ["at[]"]), (dict[str, Inner], ["at.*"]), (dict[str, list[Inner]], ["at.*[]"]),
    (Inner | None, ["at"]), (str, []), (Use, []), (list[str], []),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "places"), MODELS)
def test_models_inside_a_field_are_found_with_their_places(annotation: Any, places: list[str]) -> None:
    assert list(models_in(annotation, "at")) == [(place, Inner) for place in places]
