import importlib.metadata
import subprocess
import sys

import pytest

from zrokd.contracts import SLOTS
from zrokd.errors import PluginError
from zrokd.host.registry import MissingPlugin, Registry

GATE = """
from zrokd import hookimpl
from zrokd.contracts import Gate
from zrokd.model.http import Allow

class {cls}(Gate):
    name = "{name}"
    def check(self, head, route):
        return Allow()

@hookimpl
def zrokd_provide_gates():
    return [{cls}]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """install("dist", "1.0", {"gate.x": "mod"}, mod="source"): a distribution on the path."""

    def make(dist, version, entries, **modules):
        site = tmp_path / f"site-{dist}"
        info = site / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[zrokd]", *lines, ""]))
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(str(site))
        return site

    return make


def test_an_installed_plugin_is_found_by_slot_and_name(install):
    install("zrokd-one", "1.0", {"gate.one": "mod_one"}, mod_one=GATE.format(cls="One", name="one"))
    registry = Registry()
    found = registry("gate", "one")
    assert (found.__name__, str(registry.origin(found))) == ("One", "zrokd-one 1.0")
    assert registry("gate", "one") is found


def test_where_it_comes_from_is_read_once_however_many_ask(install, monkeypatch):
    install("zrokd-one", "1.0", {"gate.one": "mod_one"}, mod_one=GATE.format(cls="One", name="one"))
    read, registry = importlib.metadata.PathDistribution.read_text, Registry()
    found, files = registry("gate", "one"), []

    def counted(distribution, name):
        files.append(name)
        return read(distribution, name)

    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", counted)
    assert {registry("gate", "one") for _ in range(100)} == {found}
    assert not files, "a file with a thousand shares asks for the same mode a thousand times"


def test_nothing_is_imported_before_somebody_asks(install):
    install("zrokd-lazy", "1.0", {"gate.lazy": "mod_lazy"}, mod_lazy="raise SystemExit('imported')")
    registry = Registry()
    assert "lazy" in registry.names("gate")
    assert ("gate", "lazy", "zrokd-lazy 1.0") in [(s, n, str(o)) for s, n, o in registry.all_names()]
    assert "mod_lazy" not in sys.modules


def test_in_tree_plugins_come_by_the_same_door():
    registry = Registry()
    cls = registry("overlay", "local")
    assert cls.__module__ == "zrokd_plugins.overlay_local"
    assert str(registry.origin(cls)).startswith("zrokd ")


def test_a_missing_plugin_is_named_with_a_close_one():
    with pytest.raises(MissingPlugin, match="no gate plugin is named 'baisc'; did you mean 'basic'") as caught:
        Registry()("gate", "baisc")
    assert caught.value.hint == "did you mean 'basic'?"


def test_without_a_close_one_the_advice_is_to_install():
    with pytest.raises(
        MissingPlugin, match="no gate plugin is named 'zzz'; there are .*basic.*; pip install"
    ) as caught:
        Registry()("gate", "zzz")
    assert "pip install" in caught.value.hint


def test_two_distributions_with_one_name_are_both_named(install):
    source = GATE.format(cls="Twin", name="twin")
    install("zrokd-left", "1.0", {"gate.twin": "mod_left"}, mod_left=source)
    install("zrokd-right", "2.1", {"gate.twin": "mod_right"}, mod_right=source)
    with pytest.raises(PluginError, match="gate.twin is offered by zrokd-left 1.0 and by zrokd-right 2.1"):
        Registry()("gate", "twin")


def test_a_module_that_cannot_be_imported_tells_why(install):
    install("zrokd-bad", "1.0", {"gate.bad": "mod_bad"}, mod_bad="import nowhere_to_be_found")
    with pytest.raises(
        PluginError, match="gate.bad of zrokd-bad 1.0 cannot be imported: ModuleNotFoundError"
    ) as caught:
        Registry()("gate", "bad")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_module_that_provides_another_name_is_refused(install):
    install("zrokd-odd", "1.0", {"gate.odd": "mod_odd"}, mod_odd=GATE.format(cls="Even", name="even"))
    with pytest.raises(PluginError, match="gate.odd of zrokd-odd 1.0: mod_odd provides gate.even, not gate.odd"):
        Registry()("gate", "odd")


def test_a_module_that_provides_nothing_is_refused(install):
    install("zrokd-void", "1.0", {"gate.void": "mod_void"}, mod_void="")
    with pytest.raises(PluginError, match="mod_void provides nothing, not gate.void"):
        Registry()("gate", "void")


def test_one_module_may_provide_several(install):
    source = GATE.format(cls="A", name="a") + GATE.format(cls="B", name="b").replace("[B]", "[A, B]")
    install("zrokd-two", "1.0", {"gate.a": "mod_two", "gate.b": "mod_two"}, mod_two=source)
    registry = Registry()
    assert {registry("gate", "a").name, registry("gate", "b").name} == {"a", "b"}


@pytest.mark.parametrize("slot", sorted(SLOTS))
def test_every_slot_has_a_plugin_in_the_tree(slot):
    assert Registry().names(slot)


# -- folders of single files ---


def test_a_file_in_a_plugin_folder_is_a_plugin(folder):
    path = folder(mine=GATE.format(cls="Mine", name="mine"))
    registry = Registry([path])
    assert registry("gate", "mine").name == "mine"
    assert ("gate", "mine", str(path / "mine.py")) in [(s, n, str(o)) for s, n, o in registry.all_names()]


def test_a_folder_added_twice_is_read_once(folder):
    path = folder(mine=GATE.format(cls="Mine", name="mine"))
    registry = Registry([path])
    found = registry("gate", "mine")
    registry.add_path(path)
    assert registry("gate", "mine") is found


def test_a_world_writable_folder_is_refused(folder):
    path = folder(mine=GATE.format(cls="Mine", name="mine"))
    path.chmod(0o777)
    with pytest.raises(PluginError, match=r"can be written by everybody; run chmod o-w"):
        Registry([path])


def test_a_world_writable_file_is_refused(folder):
    path = folder(mine=GATE.format(cls="Mine", name="mine"))
    (path / "mine.py").chmod(0o666)
    with pytest.raises(PluginError, match=r"mine.py can be written by everybody"):
        Registry([path])


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginError, match="No such file|is no folder"):
        Registry([tmp_path / name])


def test_a_broken_file_tells_why_and_leaves_no_module(folder):
    with pytest.raises(PluginError, match=r"mine.py cannot be imported: SyntaxError"):
        Registry([folder(mine="def (")])
    assert "zrokd_plugin_path.mine" not in sys.modules


def test_two_files_with_one_name_are_both_named(folder):
    source = GATE.format(cls="Mine", name="mine")
    with pytest.raises(PluginError, match=r"gate.mine is offered by .*a.py and by .*b.py"):
        Registry([folder(a=source, b=source)])


def test_a_file_does_not_hide_an_installed_plugin(folder):
    registry = Registry([folder(mine=GATE.format(cls="Mine", name="basic"))])
    with pytest.raises(PluginError, match=r"gate.basic is offered by .*mine.py and by zrokd "):
        registry("gate", "basic")


def test_the_module_does_not_pull_in_gevent():
    code = (
        "import sys, zrokd.host.registry; zrokd.host.registry.Registry().all_names(); sys.exit('gevent' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
