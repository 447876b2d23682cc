from __future__ import annotations

import re
from typing import Any

import pytest

from zrokd.config.reference import markdown
from zrokd.config.schema import TopLevel
from zrokd.contracts import Command


@pytest.fixture
def page(registry: Any) -> str:
    return markdown(registry.classes.values())


def row(page: str, section: str, key: str) -> str:
    below = page.split(f'<a id="{section}"></a>')[1]
    (line,) = [line for line in below.split("<a id=")[0].splitlines() if line.startswith(f"| `{key}` |")]
    return line


def test_every_key_of_every_component_has_a_row(page: str, registry: Any) -> None:
    for key in TopLevel.model_fields:
        assert f"| `{key}` |" in page
    for (slot, name), cls in registry.classes.items():
        for key in cls.Settings.model_fields:
            assert row(page, f"{slot}-{name}", key)


def test_a_row_tells_type_default_and_meaning(page: str) -> None:
    assert row(page, "role-frontend", "filters") == (
        "| `filters` | list of [filter](#filter) | `[forwarded]` | Filters in order. |"
    )
    assert row(page, "role-frontend", "limits") == "| `limits` | [keys](#role-frontend-limits) |  | Limits. |"
    assert row(page, "mode-web", "target") == "| `target` | text | required | The folder. |"


def test_models_inside_have_tables_of_their_own(page: str) -> None:
    assert row(page, "role-frontend-limits", "body") == "| `body` | size |  | Largest body \\| beyond: 413. |"
    assert row(page, "role-frontend-accesses", "share").startswith("| `share` | text | required |")
    assert "#### `users[]` of gate basic\n\nA user.\n" in page
    assert "#### `log` of the top level\n" in page


def test_a_component_without_keys_says_so(page: str) -> None:
    assert "### auth token\n\nThe auth called token.\n\nNo keys.\n" in page


def test_only_the_first_paragraph_of_a_docstring_is_told(page: str) -> None:
    assert "More about it" not in page


def test_every_link_has_its_anchor_and_each_anchor_stands_once(page: str) -> None:
    anchors = re.findall(r'<a id="([^"]+)"></a>', page)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(anchors)


def test_slots_follow_the_order_of_the_contracts_and_names_that_of_the_alphabet(page: str) -> None:
    slots = re.findall(r"^## Slot (\w+)$", page, re.MULTILINE)
    assert slots == ["role", "storage", "overlay", "auth", "mode", "gate", "filter", "sink", "observer"]
    roles = re.findall(r"^### role (\w+)$", page, re.MULTILINE)
    assert roles == ["backend", "controller", "frontend"]


class Odd(Command):
    """A command."""

    name = "odd"


def test_commands_have_no_keys_in_the_file_and_no_place_here(page: str, registry: Any) -> None:
    assert markdown([*registry.classes.values(), Odd]) == page


def test_the_page_is_the_same_whatever_the_order_of_the_classes(page: str, registry: Any) -> None:
    assert markdown(reversed(list(registry.classes.values()))) == page
