"""docs/configure.md, from the settings models."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from zrokd.config.kinds import default_of, kind_of, models_in
from zrokd.config.schema import TopLevel
from zrokd.contracts import SLOTS, Component

_HEAD = """# Configure

This page is made from the code: `zrokd check FILE` knows exactly these keys.

## The file

One YAML file, and beside it `conf.d/*.yml` in the order of their names. A key that stands in two files is an error, but
the lists under `auth`, `sinks`, `observers` and `plugin_path` are joined. Unknown and doubled keys are errors, too.
`zrokd check FILE` names every mistake with its place; `zrokd check FILE --effective` prints what is in force, and
`zrokd check --schema` a JSON Schema for editors.

A flag beats an environment variable, which beats the file, which beats the default: `--set log.level=debug`,
`ZROKD_LOG__LEVEL=debug` (two underscores between keys; places in lists are numbers: `ZROKD_AUTH__0__USE=token`).

- Durations: `250ms`, `30s`, `5m`, `1h30m`, or a number of seconds.
- Sizes: `64KiB`, `10MiB`, `1GB`, or a number of bytes.
- Addresses: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/x.sock`; a bare port is on loopback.
- `state_dir`, `plugin_path` and `!file` begin at the folder of the YAML file; `~` is your home.

## Values from elsewhere

| written | is |
|---|---|
| `!env NAME`, `!env NAME:-default` | an environment variable |
| `!file PATH` | what a file holds, or a pipe brings within two seconds, without its last line break |
| `!cred NAME` | a systemd credential (`LoadCredential=` in the unit) |
| `!secret NAME` | a random secret, made at the first run and kept in `state_dir/secrets/NAME` |
| `${NAME}`, `${NAME:-default}` inside a text | an environment variable; `$$` is a dollar |

Secrets are never printed or logged. A secret that stands in a file which others can read is a warning.

## Components

A component is named by `use:` and takes its own keys beside it: `{use: secret, secrets: [!cred admin]}`; one without
keys may be written as its name alone. In a map of components the key is the instance's name and, where `use:` is left
out, the plugin's too.
"""


_TITLES = {"top": "the top level"}


def markdown(components: Iterable[type[Component]]) -> str:
    """The whole page: the top level, then one section for each component that YAML can name."""
    classes = sorted((cls for cls in components if cls.slot != "command"), key=_order)
    parts = [_HEAD, _contents(classes), "\n## Top level\n\n", *_tables(TopLevel, "top")]
    slot = ""
    for cls in classes:
        if cls.slot != slot:
            slot = cls.slot
            parts.append(f'\n<a id="{slot}"></a>\n## Slot {slot}\n\n{_about(inspect.getmodule(SLOTS[slot]))}\n')
        parts.append(f'\n<a id="{slot}-{cls.name}"></a>\n### {slot} {cls.name}\n\n{_about(cls)}\n\n')
        parts += _tables(cls.Settings, f"{slot}-{cls.name}")
    return "".join(parts)


def _order(cls: type[Component]) -> tuple[int, str]:
    return list(SLOTS).index(cls.slot), cls.name


def _contents(classes: Iterable[type[Component]]) -> str:
    by_slot: dict[str, list[str]] = {}
    for cls in classes:
        by_slot.setdefault(cls.slot, []).append(f"[{cls.name}](#{cls.slot}-{cls.name})")
    return "\n" + "".join(f"- [{slot}](#{slot}): {', '.join(links)}\n" for slot, links in by_slot.items())


def _about(cls: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def _tables(model: type[BaseModel], anchor: str) -> Iterator[str]:
    """A model's table, then one for each model in it."""
    yield _table(model, anchor) if model.model_fields else "No keys.\n"
    for name, field in model.model_fields.items():
        for where, inner in models_in(field.annotation, name):
            below = _anchor(anchor, where)
            title = f"`{where}` of {_TITLES.get(anchor, anchor.replace('-', ' '))}"
            yield f'\n<a id="{below}"></a>\n#### {title}\n\n{_about(inner)}\n\n'
            yield from _tables(inner, below)


def _table(model: type[BaseModel], anchor: str) -> str:
    rows = []
    for name, field in model.model_fields.items():
        kind = kind_of(field)
        for where, _ in models_in(field.annotation, name):
            kind = f"[{kind}](#{_anchor(anchor, where)})"
        about = (field.description or "").replace("|", "\\|").replace("\n", " ")
        rows.append(f"| `{name}` | {kind} | {default_of(field)} | {about} |\n")
    return "| key | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _anchor(anchor: str, where: str) -> str:
    return f"{anchor}-{re.sub(r'[^a-z0-9_]+', '', where)}"
