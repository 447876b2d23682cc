"""A YAML file -> a Configuration, or every mistake in it."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from zrokd.config import overrides as overriding
from zrokd.config import sources
from zrokd.config.check import Lookup, check
from zrokd.config.configuration import Configuration, Plan, plan, plans
from zrokd.config.exposure import secrets_in, warnings_for
from zrokd.config.masking import masked
from zrokd.config.partners import warn_of_strangers
from zrokd.config.references import Resolver
from zrokd.config.schema import TopLevel, default_state_dir
from zrokd.config.together import refuse_ports_taken_twice, warn_of_gates_unknown, warn_of_plain_urls
from zrokd.config.tree import Tree
from zrokd.errors import ConfigError, PluginError, Problem

__all__ = ["Configuration", "Lookup", "Plan", "from_tree", "load", "thaw"]
_MOST = 200  # mistakes


@runtime_checkable
class _TakesFolders(Protocol):
    def add_path(self, folder: Path) -> None:
        """Also look into a folder of single-file plugins. :raises PluginError: it cannot be used."""


def load(
    path: Path,
    *,
    registry: Lookup,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
    create_secrets: bool = False,
) -> Configuration:
    """The configuration of a file and its `conf.d/*.yml`. Reads files; imports the plugins that they name.

    `overrides` are dotted keys from the command line; they beat environment variables, which beat the files.
    With `create_secrets`, what `!secret` names is made where it does not exist yet.
    :raises ConfigError: with all mistakes. :raises StartError: secrets cannot be kept in `state_dir`.
    """
    tree, files = sources.read(path)
    if tree.problems and not tree.data:
        raise ConfigError(masked(tree.problems, tree))
    overriding.apply(tree, environ, overrides or {})
    state_dir = _early_state_dir(tree, path.parent, environ)
    Resolver(path.parent, environ, state_dir=state_dir, create=create_secrets).resolve(tree)
    return _build(tree, registry, path.parent, environ, files)


def from_tree(data: Mapping[str, Any], *, registry: Lookup, environ: Mapping[str, str] = os.environ) -> Configuration:
    """The configuration of a tree made in memory: as a file would hold it, but texts are taken as they are.

    :raises ConfigError: with all mistakes.
    """
    return _build(Tree(data=copy.deepcopy(dict(data))), registry, Path.cwd(), environ, ())


def thaw(frozen: bytes, *, registry: Lookup, environ: Mapping[str, str] = os.environ) -> Configuration:
    """The configuration that another process of this daemon runs by, whatever became of its file.

    `frozen` comes from that process alone: it is code.
    """
    tree, folder, files = pickle.loads(frozen)  # noqa: S301
    return _build(tree, registry, folder, environ, files)


def _build(
    tree: Tree, registry: Lookup, folder: Path, environ: Mapping[str, str], files: tuple[Path, ...]
) -> Configuration:
    frozen = pickle.dumps((tree, folder, files))
    _imply(tree.data)
    _add_plugin_path(registry, folder, tree)
    top, _ = check(TopLevel, tree.data, (), tree, registry)
    refuse_ports_taken_twice(top, tree)
    if tree.problems:
        raise ConfigError(masked(_sorted(tree.problems), tree))
    warn_of_gates_unknown(top.roles, tree)
    warn_of_plain_urls(top.roles, tree)
    warn_of_strangers(top.roles, tree)
    return _configuration(top, tree, folder, environ, files, frozen)


def _configuration(
    top: TopLevel, tree: Tree, folder: Path, environ: Mapping[str, str], files: tuple[Path, ...], frozen: bytes
) -> Configuration:
    secrets = list(secrets_in(top))
    roles = {name: plan("role", use, f"roles.{name}", name) for name, use in top.roles.items()}
    return Configuration(
        version=top.version,
        log=top.log,
        state_dir=_under(folder, top.state_dir) if top.state_dir else default_state_dir(environ),
        drain_s=top.drain,
        health=top.health,
        plugin_path=tuple(_under(folder, part) for part in top.plugin_path),
        storage=plan("storage", top.storage, "storage"),
        overlay=plan("overlay", top.overlay, "overlay"),
        auth=plans("auth", "auth", top.auth or []),
        sinks=plans("sink", "sinks", top.sinks),
        observers=plans("observer", "observers", top.observers),
        roles={name: role for name, role in roles.items() if role is not None},
        secrets=frozenset(secret for _, secret in secrets),
        files=files,
        warnings=tuple(masked([*tree.warnings, *warnings_for(tree, secrets)], tree)),
        frozen=frozen,
        top=top,
    )


def _early_state_dir(tree: Tree, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """`state_dir` before anything else is resolved: `!secret` needs it. None when it is wrong."""
    given = tree.data.get("state_dir")
    if given is None:
        return default_state_dir(environ)
    early = Tree(data={"state_dir": given})
    Resolver(folder, environ, state_dir=None, create=False).resolve(early)
    text = early.data["state_dir"]
    return _under(folder, text) if isinstance(text, str) and text and not early.problems else None


def _under(folder: Path, text: str) -> Path:
    """A path of the file's: relative ones begin at its folder, `~` is the home of who runs us."""
    home = os.path.expanduser(text) if text.startswith("~") else text  # noqa: PTH111  # never raises
    return Path(os.path.abspath(folder / home))  # noqa: PTH100  # resolve() would follow links


def _imply(data: dict[str, Any]) -> None:
    """The overlay, storage and auth that nobody needs to write."""
    roles = data.get("roles")
    if not isinstance(roles, dict) or not roles:
        return
    data.setdefault("overlay", {"use": "local"})
    uses = [role.get("use", name) if isinstance(role, dict) else role or name for name, role in roles.items()]
    if "controller" in uses:
        data.setdefault("storage", {"use": "sqlite"})
        data.setdefault("auth", [{"use": "token"}])


def _add_plugin_path(registry: Lookup, folder: Path, tree: Tree) -> None:
    paths = tree.data.get("plugin_path")
    for index, part in enumerate(paths if isinstance(paths, list) else ()):
        try:
            if isinstance(registry, _TakesFolders) and isinstance(part, str):
                registry.add_path(_under(folder, part))
        except PluginError as error:
            tree.refuse(str(error), ("plugin_path", index))


def _sorted(problems: list[Problem]) -> list[Problem]:
    """In the order of the files, lines and columns; each once."""
    unique = dict.fromkeys(problems)
    ordered = sorted(unique, key=lambda problem: (problem.file, problem.line, problem.column))
    return [*ordered[:_MOST], *([Problem(f"and {len(ordered) - _MOST} more mistakes")] if ordered[_MOST:] else [])]
