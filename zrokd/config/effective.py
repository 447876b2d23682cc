"""What is in force, as YAML, with secrets hidden."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zrokd.config.configuration import Configuration
from zrokd.config.schema import TopLevel
from zrokd.contracts import Use
from zrokd.model.units import Secret


def effective(configuration: Configuration) -> str:
    """YAML of everything, defaults and what other places said included. It loads again, apart from secrets: ***."""
    tree = _settings(configuration.top)
    tree["state_dir"] = _escaped(str(configuration.state_dir))
    tree["plugin_path"] = [_escaped(str(path)) for path in configuration.plugin_path]
    tree = {key: tree[key] for key in TopLevel.model_fields if key in tree}
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _settings(model: BaseModel) -> dict[str, Any]:
    """A model as a file would hold it. Values of types that plugins bring along are written as their models say."""
    dumped = model.model_dump(mode="json", fallback=str, warnings=False)
    fields = {key: (field, getattr(model, key)) for key, field in type(model).model_fields.items()}
    return {key: _plain(value, dumped[key]) for key, (field, value) in fields.items() if not _is_left_out(field, value)}


def _is_left_out(field: FieldInfo, value: Any) -> bool:
    return value is None and field.get_default(call_default_factory=True) is None


def _plain(value: Any, dumped: Any) -> Any:
    if isinstance(value, Use):
        return {"use": value.use, **_settings(value.settings)}
    if isinstance(value, BaseModel):
        return _settings(value)
    if isinstance(value, dict):
        return {key: _plain(item, dumped[key]) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, text) for item, text in zip(value, dumped, strict=True)]
    if isinstance(value, Secret):
        return str(value) if value else ""
    return _escaped(dumped)


def _escaped(value: Any) -> Any:
    """`value` with each dollar doubled, or else it would be filled in once more."""
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Always: equal lists are written out."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """In double quotes where a text holds more than YAML keeps without."""
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)
