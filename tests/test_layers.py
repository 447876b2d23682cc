"""Who imports whom: the table of docs/onboarding.md, held against every import in the tree."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_01 = {"errors", "model", "contracts", "hookspecs", "wire"}
# package -> what of ours it may import; its own modules always
MAY = {
    "errors": {"model"},
    "model": {"errors"},
    "contracts": {"errors", "model"},
    "hookspecs": {"errors", "model", "contracts"},
    "wire": {"errors", "model"},
    "config": _01,
    "net": _01,
    "store": _01,
    "proxy": _01 | {"net"},
    "client": _01 | {"net"},
    "service": _01 | {"store"},
    "api": _01 | {"service"},
    "host": _01 | {"config", "net", "hookspecs"},
    "cli": _01 | {"config", "net", "store", "proxy", "client", "service", "api", "host"},
    "testing": _01 | {"config", "net", "store", "proxy", "client", "service", "api", "host"},
    "__main__": {"cli"},
}
SLOT_PLUGIN = {"errors", "model", "contracts", "hookspecs", "wire", "net"}
ROLE_PLUGIN = SLOT_PLUGIN | {"config", "store", "proxy", "client", "service", "api"}
# library -> packages that may import it; plugins by the prefix of their name
DOORS = {
    "yaml": {"config"},
    "gevent": {"net", "host", "__main__", "testing", "overlay_", "storage_"},
    "peewee": {"store", "storage_"},
    "playhouse": {"store", "storage_"},
    "psycopg": {"storage_"},
    "falcon": {"api"},
    "openziti": {"overlay_"},
    "h2": {"net"},
    "google": {"wire"},
    "plugins": set(),
}


@dataclass(frozen=True)
class Import:
    """One import statement: where it stands, and what it names."""

    file: str
    line: int
    home: str  # the package or plugin it stands in
    plugin: bool
    name: str


def imports_of(text: str, file: str) -> Iterator[Import]:
    parts = Path(file).with_suffix("").parts
    plugin, home = parts[0] == "plugins", parts[1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, home, plugin, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield Import(file, node.lineno, home, plugin, f"{node.module}.{alias.name}")


def offence(found: Import) -> str:
    """Why an import may not be, or ""."""
    top, *rest = found.name.split(".")
    if top == "zrokd":
        return _inner_offence(found, rest)
    if top == "zrokd_plugins":
        own = found.plugin and rest[:1] == [found.home]
        return "" if own else "nothing but its own package imports a plugin"
    doors = DOORS.get(top)
    open_here = doors is None or any(
        found.home == door or (found.plugin and door.endswith("_") and found.home.startswith(door)) for door in doors
    )
    return "" if open_here else f"{top} has other doors"


def _inner_offence(found: Import, rest: list[str]) -> str:
    target = rest[0] if rest else ""
    if target in ("hookimpl", "hookspec", "__version__", "") or (target == found.home and not found.plugin):
        return ""
    if found.plugin:
        allowed = ROLE_PLUGIN if found.home.startswith(("role_", "command_")) else SLOT_PLUGIN
    elif found.home == "__init__":
        allowed = set()
    else:
        allowed = MAY[found.home]
    return "" if target in allowed else f"{found.home} may not import zrokd.{target}"


def _tree() -> Iterator[Import]:
    for folder in ("zrokd", "plugins"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield from imports_of(file.read_text(), str(file.relative_to(ROOT)))


def test_everybody_imports_only_what_the_table_allows():
    found = [f"{i.file}:{i.line}: {i.name}: {why}" for i in _tree() if (why := offence(i))]
    assert not found, "\n" + "\n".join(found)


def test_pluggy_is_managed_by_the_host_alone():
    managers = [i for i in _tree() if i.name.split(".")[0] == "pluggy" and i.home not in ("host", "__init__")]
    assert not managers


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("zrokd/model/share.py", "from zrokd.net import stream"),
        ("zrokd/proxy/route.py", "def f():\n    from zrokd.service.shares import Shares"),
        ("zrokd/api/app.py", "import zrokd.host.daemon"),
        ("zrokd/service/shares.py", "import gevent"),
        ("zrokd/cli/run.py", "import falcon"),
        ("plugins/mode_tcp.py", "from zrokd.client.controller import Controller"),
        ("plugins/role_backend/office.py", "from zrokd_plugins.mode_tcp import TcpMode"),
        ("plugins/role_backend/office.py", "from zrokd.host import daemon"),
        ("plugins/gate_basic.py", "import peewee"),
        ("zrokd/cli/run.py", "import plugins.mode_tcp"),
    ],
)
def test_an_import_across_the_table_is_found(file, line):
    assert any(offence(found) for found in imports_of(line, file))


def test_imports_within_the_table_are_not():
    lines = [
        ("plugins/role_backend/office.py", "from zrokd.client.controller import Controller"),
        ("plugins/storage_sqlite.py", "import peewee"),
        ("zrokd/net/stream.py", "import gevent.socket"),
        ("zrokd/cli/run.py", "from zrokd.host.daemon import Daemon"),
    ]
    assert not [offence(found) for file, line in lines for found in imports_of(line, file) if offence(found)]
