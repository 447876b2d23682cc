"""Components for an operator's command: where the daemon keeps them, opened and closed without one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from zrokd.config.configuration import Plan
from zrokd.config.offline import component_of, folder_of, storage_of
from zrokd.contracts import Settings, Storage
from zrokd.errors import NotFound, StartError
from zrokd.host.context import HostContext


class Disk(Storage):
    """Notes what happens to it."""

    name = "disk"
    fails = False

    def open(self):
        if self.fails:
            raise StartError("it does not open")
        self.offloaded = self.ctx.offload(lambda a, *, b: (a, b), 1, b=2)
        (self.ctx.state_dir / "opened").touch()

    def close(self):
        if self.ctx.state_dir.exists():
            (self.ctx.state_dir / "closed").touch()

    def database(self):
        return None


class Broken(Disk):
    """One that does not open."""

    fails = True


def configuration(tmp_path, component=Disk, instance="disk"):
    plan = Plan(
        slot="storage", name="disk", instance=instance, component=component, settings=Settings(), path="storage"
    )
    return SimpleNamespace(state_dir=tmp_path, storage=plan)


@pytest.mark.parametrize("instance", ["disk", "disk-2", "a/b", "../x", "ünï"])
def test_the_folder_is_the_one_that_the_daemon_uses(tmp_path, instance):
    made = configuration(tmp_path, instance=instance)
    theirs = HostContext(SimpleNamespace(state_dir=tmp_path), "storage", instance).state_dir
    assert folder_of(made, made.storage) == theirs


def test_a_storage_is_open_for_the_block_and_closed_after_it(tmp_path):
    folder = tmp_path / "storage-disk"
    with storage_of(configuration(tmp_path), make=True) as storage:
        assert storage.offloaded == (1, 2)
        assert (folder / "opened").exists()
        assert not (folder / "closed").exists()
    assert (folder / "closed").exists()
    assert folder.stat().st_mode & 0o077 == 0


def test_it_is_closed_also_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), storage_of(configuration(tmp_path), make=True):
        raise RuntimeError
    assert (tmp_path / "storage-disk" / "closed").exists()


def test_one_that_does_not_open_is_closed_and_told(tmp_path):
    with pytest.raises(StartError), storage_of(configuration(tmp_path, Broken), make=True):
        pytest.fail("it was not open")
    assert (tmp_path / "storage-disk" / "closed").exists()


def test_where_there_is_none_yet_none_is_made_unasked(tmp_path):
    with pytest.raises(NotFound, match="no database yet"), storage_of(configuration(tmp_path)):
        pytest.fail("there is none")
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_without_storage_is_told():
    with pytest.raises(NotFound, match="only a controller"), storage_of(SimpleNamespace(storage=None)):
        pytest.fail("there is none")


def test_a_component_is_made_and_not_opened(tmp_path):
    made = configuration(tmp_path)
    component = component_of(made, made.storage)
    assert component.ctx.state_dir == Path(tmp_path / "storage-disk")
    assert component.ctx.log.name == "zrokd.command.storage"
    assert list(tmp_path.iterdir()) == []
