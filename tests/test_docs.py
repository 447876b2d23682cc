"""The documentation says what the code does, and the code keeps to the house's sizes."""

import ast
import inspect
import re
import statistics
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from zrokd_plugins.role_frontend.settings import FrontendSettings, LimitSettings

from zrokd import hookspecs
from zrokd.cli import docs
from zrokd.cli.plugins import installed_classes
from zrokd.config.schema import TopLevel
from zrokd.host.registry import Registry
from zrokd.net.tls.settings import TlsSettings

ROOT = Path(__file__).parent.parent
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted(p for top in ("zrokd", "plugins") for p in (ROOT / top).rglob("*.py"))
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def test_the_generated_pages_are_up_to_date():
    stale = docs.write_docs(ROOT, check=True)
    assert stale == [], "run: python3 dev.py docs"


def test_a_stale_page_is_found_and_written(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "plugins.md").write_text("<!-- file: a.py -->\n\n```python\nold\n```\n")
    (tmp_path / "a.py").write_text("new = 1\n")
    assert "docs/plugins.md" in docs.write_docs(tmp_path, check=True)
    docs.write_docs(tmp_path, check=False)
    assert "new = 1" in (tmp_path / "docs" / "plugins.md").read_text()
    assert docs.write_docs(tmp_path, check=True) == []


@pytest.mark.parametrize("name", [name for name in vars(hookspecs) if name.startswith("zrokd_")])
def test_every_hook_says_when_it_came(name):
    assert re.search(r"Since \d+\.\d+\.", inspect.getdoc(getattr(hookspecs, name)) or "")


@pytest.mark.parametrize("cls", docs._contracts(), ids=lambda cls: cls.__name__)
def test_every_contract_and_its_methods_are_documented(cls):
    assert inspect.getdoc(cls)
    assert [name for name, method in docs._methods(cls) if not method.__doc__] == []


@pytest.mark.parametrize("cls", installed_classes(Registry()), ids=lambda cls: f"{cls.slot}.{cls.name}")
def test_every_key_says_what_it_means(cls):
    if not cls.__module__.startswith("zrokd_plugins."):
        return
    silent = [key for key, field in cls.Settings.model_fields.items() if not field.description]
    assert silent == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    broken = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_modules_and_functions_keep_to_their_sizes():
    lines = {file: len(file.read_text().splitlines()) for file in SOURCES}
    assert [str(file) for file, count in lines.items() if count > 400] == []
    long = [
        f"{file}:{node.lineno} {node.name}"
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []
    assert statistics.median(lines.values()) <= 110


def told_limits() -> dict[str, str]:
    """The table of limits in docs/operate.md: default by key."""
    table = (ROOT / "docs" / "operate.md").read_text().partition("| limit | key | default |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {key.split("`")[1]: default for _, key, default, _ in cells}


def meant(field: FieldInfo, default: str) -> object:
    """What a default means that stands on a page."""
    if default == "none":
        return None
    kind = TypeAdapter(Annotated[field.annotation, *field.metadata])
    return kind.validate_python(int(default) if default.isdigit() else default)


def test_the_page_tells_every_limit_and_its_default():
    fields = {
        **LimitSettings.model_fields,
        "tls.handshake_time": TlsSettings.model_fields["handshake_time"],
        "dial_timeout": FrontendSettings.model_fields["dial_timeout"],
        "drain": TopLevel.model_fields["drain"],
    }
    told = told_limits()
    assert told.keys() == fields.keys()
    assert {key: meant(fields[key], told[key]) for key in fields} == {key: fields[key].default for key in fields}
