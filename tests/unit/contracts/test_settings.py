from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import Field, ValidationError

import zrokd.contracts
from zrokd.contracts import AddressSetting, DurationS, Gate, SecretSetting, SizeBytes, Use, slot_use
from zrokd.contracts.settings import UseSlot
from zrokd.model.units import Address, Secret


class Inner(zrokd.contracts.Settings):
    number: int = 1


class Settings(zrokd.contracts.Settings):
    number: int = 0
    truth: bool = False
    text: str = ""
    duration: DurationS = 1.0
    size: SizeBytes = 1
    address: AddressSetting | None = None
    secret: SecretSetting = Secret("")
    gate: slot_use("gate") | None = None
    gates: dict[str, slot_use("gate")] = Field(default={})
    filters: list[slot_use("filter", "usual")] = Field(default=["usual"], validate_default=True)
    inner: Inner = Inner()


def test_unknown_keys_are_errors() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Settings.model_validate({"nmber": 1})


@pytest.mark.parametrize("data", [{"number": "1"}, {"number": 1.0}, {"truth": 1}, {"truth": "yes"}, {"text": 1}])
def test_values_are_not_coerced(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(data)


def test_settings_cannot_change_and_compare_by_value() -> None:
    settings = Settings(number=1)
    with pytest.raises(ValidationError, match="frozen"):
        settings.number = 2  # type: ignore[misc]
    assert settings == Settings(number=1)
    assert settings != Settings(number=2)


UNITS: list[tuple[str, Any, Any]] = [
    ("duration", "1h30m", 5400.0), ("duration", 5, 5.0), ("duration", 0.25, 0.25), ("size", "64KiB", 65536),
    ("size", 4096, 4096), ("address", "127.0.0.1:80", Address("127.0.0.1", 80)),
    ("address", 80, Address("127.0.0.1", 80)), ("address", Address(path="/x"), Address(path="/x")),
    ("address", "unix:/x", Address(path="/x")), ("address", None, None),
    ("secret", "s3cret", Secret("s3cret")), ("secret", Secret("s3cret"), Secret("s3cret")),
]  # fmt: skip


@pytest.mark.parametrize(("key", "given", "expected"), UNITS)
def test_units_are_read(key: str, given: Any, expected: Any) -> None:
    assert getattr(Settings.model_validate({key: given}), key) == expected


NOT_UNITS: list[tuple[str, Any, str]] = [
    ("duration", "soon", "is not a duration"), ("duration", None, "write a duration like"),
    ("duration", [1], "write a duration like"), ("duration", True, "is not a duration"),
    ("size", "big", "is not a size"),
    ("size", 1.5, "write a size like"), ("size", None, "write a size like"), ("address", "x", "is not an address"),
    ("address", True, "write an address like"), ("address", 1.5, "write an address like"),
    ("secret", 12345, "write a text, or better a reference"), ("secret", None, "write a text"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "given", "words"), NOT_UNITS)
def test_what_is_none_is_refused_with_an_example(key: str, given: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate({key: given})


def test_a_secret_is_in_no_text_of_the_settings() -> None:
    settings = Settings(secret=Secret("s3cret"), address=Address("h", 1))
    shown = [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]
    assert "s3cret" not in "".join(shown)
    assert '"address":"h:1"' in shown[3]


def test_a_refused_secret_is_not_in_our_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"secret": 987654})
    assert "987654" not in str(caught.value.errors()[0]["ctx"]["error"])


USES: list[tuple[Any, str, dict[str, Any]]] = [
    ("basic", "basic", {}),
    ({"use": "basic"}, "basic", {}),
    ({"use": "basic", "users": [1], "options": 2}, "basic", {"users": [1], "options": 2}),
    (Use(use="basic", options={"a": 1}), "basic", {"a": 1}),
]


@pytest.mark.parametrize(("given", "use", "options"), USES)
def test_a_component_is_named_with_its_keys_beside(given: Any, use: str, options: dict[str, Any]) -> None:
    gate: Any = Settings.model_validate({"gate": given}).gate
    assert (gate.use, gate.options) == (use, options)


@pytest.mark.parametrize("given", [5, ["basic"], {}, {"users": []}, {"use": 5}, True])
def test_what_names_no_component_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"gate": given})


def test_components_may_stand_in_maps_and_lists() -> None:
    settings = Settings.model_validate({"gates": {"a": "x", "b": {"use": "y", "k": 1}}, "filters": ["p", {"use": "q"}]})
    assert [gate.use for gate in settings.gates.values()] == ["x", "y"]
    assert [use.use for use in settings.filters] == ["p", "q"]
    assert [use.use for use in Settings().filters] == ["usual"]


class AnyGate(Gate):
    name = "any"


def test_a_component_is_resolved_once_by_the_loader() -> None:
    use = Use(use="any")
    assert (use.component, use.settings) == (None, None)
    use.resolve(AnyGate, Inner(number=5))
    assert (use.component, use.settings) == (AnyGate, Inner(number=5))


def test_components_are_equal_when_their_settings_are() -> None:
    first, second, third = Use(use="any"), Use(use="any", options={"number": 1}), Use(use="any")
    first.resolve(AnyGate, Inner())
    second.resolve(AnyGate, Inner(number=1))
    third.resolve(AnyGate, Inner(number=2))
    assert first == second
    assert first != third
    assert first != Use(use="other")
    assert first != "any"
    with pytest.raises(TypeError):
        hash(first)


def test_the_keys_of_a_component_do_not_print() -> None:
    use = Use(use="any", options={"token": "s3cret"})
    assert (str(use), repr(use)) == ("Use('any')", "Use('any')")
    assert "s3cret" not in repr(Settings(gate=use))


def test_a_copy_of_a_component_keeps_what_it_was_resolved_to() -> None:
    use = Use(use="any")
    use.resolve(AnyGate, Inner())
    assert copy.deepcopy(use).settings == Inner()


def test_an_annotation_tells_the_slot() -> None:
    (mark,) = [item for item in slot_use("mode", "proxy", beside=True).__metadata__ if isinstance(item, UseSlot)]
    assert (mark.slot, mark.default, mark.beside) == ("mode", "proxy", True)
    (mark,) = [item for item in slot_use("gate").__metadata__ if isinstance(item, UseSlot)]
    assert (mark.slot, mark.default, mark.beside) == ("gate", "", False)


class Described(zrokd.contracts.Settings):
    duration: DurationS = 1.0
    size: SizeBytes = 1
    gates: dict[str, slot_use("gate")] = Field(default={})
    filters: list[slot_use("filter", "usual")] = Field(default=[])


def test_schemas_tell_units_and_slots() -> None:
    properties = Described.model_json_schema()["properties"]
    assert properties["duration"]["type"] == ["string", "number"]
    assert properties["size"]["examples"] == ["64KiB"]
    assert properties["gates"]["additionalProperties"]["x-slot"] == "gate"
    assert properties["filters"]["items"]["x-default"] == "usual"
