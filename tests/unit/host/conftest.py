"""Plugins in a folder, configurations in memory, and a daemon that is stopped at the end."""

import textwrap

import pytest

from zrokd.config.load import from_tree
from zrokd.host.components import Components
from zrokd.host.daemon import LOG, Daemon
from zrokd.host.registry import Registry
from zrokd.host.sockets import Sockets

# Every component writes its life into DIARY; `fail` names the step that raises.
PLUGIN = """
from pydantic import Field
from zrokd import hookimpl
from zrokd.contracts import Authenticator, Health, Mode, Observer, Role, Settings, Sink, Storage, slot_use
from zrokd.errors import RestartNeeded, StartError
from zrokd.model.limits import Refusal

DIARY = []

class Keys(Settings):
    fail: str = Field(default="", description="Step that fails.")
    note: str = Field(default="", description="Anything.")
    frozen: str = Field(default="", description="Cannot change.")

class Life:
    Settings = Keys
    def step(self, name):
        DIARY.append(f"{self.slot}.{self.settings.note or self.name} {name}")
        if self.settings.fail == name:
            raise StartError(f"{name} failed on purpose")
        if self.settings.fail == f"{name} badly":
            raise ZeroDivisionError("oops")
    def open(self):
        self.step("open")
    def close(self):
        self.step("close")
    def health(self):
        self.settings.fail == "health badly" and 1 / 0
        return Health(ok=self.settings.fail != "health", detail=self.settings.note)

class Desk(Life, Role):
    name = "desk"
    gate = None
    def serve(self):
        self.step("serve")
    def drain(self, deadline_s):
        self.step(f"drain {deadline_s:g}")
        if self.gate is not None:
            self.gate.wait()
    def reload(self, settings):
        if settings.frozen != self.settings.frozen:
            raise RestartNeeded([f"roles.{self.ctx.label.partition('.')[2]}.frozen"])
        if settings.fail == "reload":
            raise StartError("the new port is taken")
        self.settings = settings
        self.step("reload")
    @hookimpl
    def zrokd_on_ready(self):
        self.step("ready")
    @hookimpl
    def zrokd_on_draining(self):
        self.step("draining")

class Shelf(Desk):
    name = "shelf"

class Cellar(Life, Storage):
    name = "cellar"
    def database(self):
        return None

class Badge(Life, Authenticator):
    name = "badge"
    def authenticate(self, credentials, directory):
        return None

class Drain(Life, Sink):
    name = "drain"
    def write(self, batch):
        pass

class Ear(Life, Observer):
    name = "ear"
    @hookimpl
    def zrokd_on_share_lost(self, token, reason):
        self.step(f"heard {token}")
    @hookimpl
    def zrokd_review_share(self, draft):
        self.step("reviewed")
        return Refusal(reason=self.settings.note) if self.settings.note.startswith("no") else None

class Holder(Settings):
    inner: slot_use("mode") = Field(description="A mode.")

class Parent(Role):
    name = "parent"
    Settings = Holder
    def open(self):
        DIARY.append("parent open")
        self.child = self.ctx.build(self.settings.inner, "child")
    def close(self):
        DIARY.append("parent close")
    def serve(self):
        pass
    def drain(self, deadline_s):
        pass

class Child(Life, Mode):
    name = "child"
    def serve(self, stream, caller):
        pass

@hookimpl
def zrokd_provide_roles():
    return [Desk, Shelf, Parent]
@hookimpl
def zrokd_provide_storages():
    return [Cellar]
@hookimpl
def zrokd_provide_auths():
    return [Badge]
@hookimpl
def zrokd_provide_sinks():
    return [Drain]
@hookimpl
def zrokd_provide_observers():
    return [Ear]
@hookimpl
def zrokd_provide_modes():
    return [Child]
"""


@pytest.fixture
def folder(tmp_path):
    """folder(name=text): a plugin folder with these files."""

    def make(**files):
        path = tmp_path / "plugins"
        path.mkdir(exist_ok=True)
        for name, text in files.items():
            (path / f"{name}.py").write_text(textwrap.dedent(text))
        return path

    return make


@pytest.fixture
def registry(folder):
    """A registry that knows the test's plugins, and those installed."""
    return Registry([folder(life=PLUGIN)])


@pytest.fixture
def diary(registry):
    """What the test's components did, in order."""
    lines = __import__("sys").modules["zrokd_plugin_path.life"].DIARY
    lines.clear()
    return lines


@pytest.fixture
def configure(registry, tmp_path):
    """configure(roles=..., ...): a configuration; the state directory is in the test's folder."""

    def make(**tree):
        tree = {"version": 1, "state_dir": str(tmp_path / "s"), "roles": {"desk": {}}, **tree}
        return from_tree(tree, registry=registry, environ={})

    return make


@pytest.fixture
def components(registry, tmp_path):
    made = Components(tmp_path / "state", registry, Sockets(), LOG)
    yield made
    made.end_all()


@pytest.fixture
def daemon(configure, registry):
    """daemon(roles=...): a Daemon, not started; `daemon.next` is the tree that a reload finds."""
    made = []

    def make(**tree):
        def load():
            return configure(**one.next)

        one = Daemon(configure(**tree), registry, load=load)
        one.next = tree
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop(0)
