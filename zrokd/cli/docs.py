"""The generated pages of docs/: `python -m zrokd.cli.docs [--check]`, from a checkout."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from zrokd import hookspecs
from zrokd.cli.plugins import installed_classes
from zrokd.config.reference import markdown
from zrokd.contracts import SLOTS
from zrokd.host.registry import Registry

_FILE = re.compile(r"(<!-- file: (?P<path>[\w./-]+) -->\n\n```(?P<language>\w+)\n).*?(\n```\n)", re.DOTALL)


def configure_page() -> str:
    """docs/configure.md: every key of every component that comes with zrokd."""
    return markdown([cls for cls in installed_classes(Registry()) if cls.__module__.startswith("zrokd_plugins.")])


def hooks_page() -> str:
    """docs/hooks.md: every hook, and every method of every contract."""
    families = (inspect.getdoc(hookspecs) or "").partition("\n\n")[2]
    parts = ["# Hooks and contracts\n\n", families, "\n\n## Hooks\n"]
    parts += [_entry(name, function, level=3) for name, function in _hooks()]
    parts.append("\n## Contracts\n\nAll of them live in `zrokd.contracts`. `Component` is the base of every slot.\n")
    for cls in _contracts():
        parts.append(f"\n### {cls.__name__}\n\n{inspect.getdoc(cls)}\n")
        parts += [_entry(f"{cls.__name__}.{name}", method, level=4) for name, method in _methods(cls)]
    return "".join(parts)


def _hooks() -> Iterator[tuple[str, Callable[..., object]]]:
    for name, function in vars(hookspecs).items():
        if name.startswith("zrokd_"):
            yield name, function


def _contracts() -> list[type]:
    from zrokd import contracts

    others = [contracts.Component, contracts.Stream, contracts.Listener, contracts.Node, contracts.OverlayAdmin]
    return [*others, contracts.Directory, contracts.Context, *SLOTS.values()]


def _methods(cls: type) -> Iterator[tuple[str, Callable[..., object]]]:
    for name, method in vars(cls).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            yield name, method


def _entry(name: str, function: Callable[..., object], *, level: int) -> str:
    signature = re.sub(r"\bself(, )?", "", str(inspect.signature(function))).replace("zrokd.", "").replace("'", "")
    about = inspect.getdoc(function) or ""
    return f"\n{'#' * level} `{name}`\n\n    {name.rpartition('.')[2]}{signature}\n\n{about}\n"


def with_files(text: str, root: Path) -> str:
    """A page in which each fenced block below `<!-- file: PATH -->` holds that file."""

    def one(match: re.Match[str]) -> str:
        return f"{match[1]}{(root / match['path']).read_text().rstrip()}{match[4]}"

    return _FILE.sub(one, text)


def pages(root: Path) -> dict[Path, str]:
    """What each generated page should hold."""
    plugins = root / "docs" / "plugins.md"
    return {
        root / "docs" / "configure.md": configure_page(),
        root / "docs" / "hooks.md": hooks_page(),
        plugins: with_files(plugins.read_text(), root),
    }


def write_docs(root: Path, *, check: bool) -> list[str]:
    """Write the pages, or with `check` only look; names of those that were stale."""
    stale = []
    for file, text in pages(root).items():
        if not file.exists() or file.read_text() != text:
            stale.append(str(file.relative_to(root)))
            if not check:
                file.write_text(text)
    return stale


def main(arguments: list[str]) -> int:
    """Write or check the pages below the current folder; the exit code."""
    check = "--check" in arguments
    stale = write_docs(Path.cwd(), check=check)
    for name in stale:
        sys.stdout.write(f"{name} is stale; run: python3 dev.py docs\n" if check else f"wrote {name}\n")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
