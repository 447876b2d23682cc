"""slot.name -> class. Entry points are read once and loaded only when somebody asks for their name."""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from zrokd.contracts import Component
from zrokd.errors import PluginError
from zrokd.host.modules import classes_of
from zrokd.host.owned import refuse_strangers

GROUP = "zrokd"


class MissingPlugin(PluginError):
    """No such plugin. `hint` is what to do."""

    def __init__(self, slot: str, name: str, known: Sequence[str]) -> None:
        close = difflib.get_close_matches(name, known, 1)
        self.hint = f"did you mean {close[0]!r}?" if close else "pip install the distribution that provides it"
        there = f"; there are {', '.join(known)}" if known and not close else ""
        super().__init__(f"no {slot} plugin is named {name!r}{there}; {self.hint}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plugin comes from."""

    distribution: str
    version: str
    module: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


class Registry:
    """Finds component classes by slot and name. Calling it is the look-up that the configuration uses."""

    def __init__(self, plugin_path: Sequence[Path] = ()) -> None:
        self._entries: dict[str, list[importlib.metadata.EntryPoint]] | None = None
        self._offered: dict[str, list[tuple[importlib.metadata.EntryPoint, Origin]]] = {}  # of who was asked for
        self._loaded: set[str] = set()  # entry point values and files
        self._classes: dict[tuple[str, str], type[Component]] = {}
        self._origins: dict[type[Component], Origin] = {}
        for folder in plugin_path:
            self.add_path(folder)

    def __call__(self, slot: str, name: str) -> type[Component]:
        """The class of `slot.name`. May import its module. :raises PluginError: missing, doubled or broken."""
        entry = self._entry(slot, name)
        if entry is not None:
            self._load(entry, f"{slot}.{name}")
        found = self._classes.get((slot, name))
        if found is not None:
            return found
        if entry is None:
            raise MissingPlugin(slot, name, self.names(slot))
        mine = [f"{s}.{n}" for (s, n), cls in self._classes.items() if self._origins[cls].module == entry.module]
        provided = ", ".join(mine) or "nothing"
        raise PluginError(f"{slot}.{name} of {_origin(entry)}: {entry.module} provides {provided}, not {slot}.{name}")

    def names(self, slot: str) -> list[str]:
        """Names known in a slot, sorted, without importing anything."""
        known = {key.partition(".")[2] for key in self._read() if key.startswith(f"{slot}.")}
        return sorted(known | {name for kind, name in self._classes if kind == slot})

    def all_names(self) -> list[tuple[str, str, Origin]]:
        """(slot, name, origin) of all that is installed or in a plugin folder, sorted, without importing anything."""
        installed = {(*_split(key), origin) for key in self._read() for _, origin in self._offers(key)}
        seen = {(slot, name) for slot, name, _ in installed}
        return sorted(
            installed | {(*key, self._origins[cls]) for key, cls in self._classes.items() if key not in seen},
            key=lambda item: (item[0], item[1], str(item[2])),
        )

    def origin(self, component: type[Component]) -> Origin | None:
        """Where a class came from, or None for a stranger."""
        return self._origins.get(component)

    def add_path(self, folder: Path) -> None:
        """Import every single-file plugin of a folder, once. :raises PluginError: unsafe, missing or broken."""
        try:
            mode = folder.stat().st_mode
        except OSError as error:
            raise PluginError(f"the plugin folder {folder} cannot be read: {error.strerror}") from error
        if not stat.S_ISDIR(mode):
            raise PluginError(f"the plugin folder {folder} is no folder")
        refuse_strangers(folder, "the plugin folder", PluginError)
        for file in sorted(folder.glob("*.py")):
            self._add_file(file)

    def _add_file(self, file: Path) -> None:
        key = str(file.resolve())
        if key in self._loaded:
            return
        refuse_strangers(file, "the plugin", PluginError)
        self._add(_import_file(file), Origin(str(file), "", file.stem), str(file))
        self._loaded.add(key)

    def _read(self) -> dict[str, list[importlib.metadata.EntryPoint]]:
        if self._entries is None:
            found: dict[str, list[importlib.metadata.EntryPoint]] = {}
            for entry in importlib.metadata.entry_points(group=GROUP):
                found.setdefault(entry.name, []).append(entry)
            self._entries = found
        return self._entries

    def _entry(self, slot: str, name: str) -> importlib.metadata.EntryPoint | None:
        found = self._offers(f"{slot}.{name}")
        offers = [str(origin) for _, origin in found]
        if found and (known := self._classes.get((slot, name))) is not None and known.__module__.startswith(_PATH):
            offers.append(str(self._origins[known]))
        if len(offers) > 1:
            raise PluginError(f"{slot}.{name} is offered by {' and by '.join(sorted(offers))}; remove one of them")
        return found[0][0] if found else None

    def _offers(self, key: str) -> list[tuple[importlib.metadata.EntryPoint, Origin]]:
        """What is installed under a name. A thousand shares ask for the same: to tell an origin reads and parses files.

        One that a distribution shows twice, as an editable install does, is one.
        """
        if key not in self._offered:
            found = [(entry, _origin(entry)) for entry in self._read().get(key, [])]
            distinct = {(str(origin), entry.value): (entry, origin) for entry, origin in found}
            self._offered[key] = list(distinct.values())
        return self._offered[key]

    def _load(self, entry: importlib.metadata.EntryPoint, key: str) -> None:
        if entry.value in self._loaded:
            return
        origin = _origin(entry)
        try:
            module = entry.load()
        except (Exception, SystemExit) as error:
            raise PluginError(f"{key} of {origin} cannot be imported: {type(error).__name__}: {error}") from error
        self._add(module, origin, f"{key} of {origin}")
        self._loaded.add(entry.value)

    def _add(self, module: ModuleType, origin: Origin, who: str) -> None:
        classes = classes_of(module, who)
        for cls in classes:
            other = self._classes.get((cls.slot, cls.name))
            if other is not None and other is not cls:
                offers = " and by ".join(sorted([str(self._origins[other]), str(origin)]))
                raise PluginError(f"{cls.slot}.{cls.name} is offered by {offers}; remove one of them")
        # Replaced, not changed: a reload loads in a thread, while the daemon looks up what it has.
        self._origins = {**self._origins, **dict.fromkeys(classes, origin)}
        self._classes = {**self._classes, **{(cls.slot, cls.name): cls for cls in classes}}


_PATH = "zrokd_plugin_path."


def _split(key: str) -> tuple[str, str]:
    slot, _, name = key.partition(".")
    return slot, name


def _origin(entry: importlib.metadata.EntryPoint) -> Origin:
    dist = entry.dist
    return Origin(dist.name if dist else "?", dist.version if dist else "?", entry.module)


def _import_file(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{_PATH}{file.stem}", file)
    if spec is None or spec.loader is None:
        raise PluginError(f"the plugin {file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise PluginError(f"the plugin {file} cannot be imported: {type(error).__name__}: {error}") from error
    return module
