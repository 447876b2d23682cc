"""A file a backend, for who asks on this host."""

import json
import subprocess
import sys

import pytest

from zrokd.client.binds import BindsFile, binds_folder, read_binds

DOCUMENT = {"version": 1, "shares": []}


_DIE = """
import os, pathlib, sys
from zrokd.client.binds import BindsFile
BindsFile(pathlib.Path(sys.argv[1]), "a").write({"version": 1, "shares": []})
os._exit(9)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "binds"


def test_what_is_written_is_read_until_it_is_taken_away(folder):
    one, other = BindsFile(folder, "a"), BindsFile(folder, "b")
    one.write(DOCUMENT)
    other.write(DOCUMENT | {"process": 2})
    one.write(DOCUMENT | {"process": 1})
    assert [document["process"] for document in read_binds(folder)] == [1, 2]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    for each in (one, other, one):
        each.remove()
    assert list(folder.iterdir()) == []


def test_without_backends_there_is_nothing(folder):
    assert read_binds(folder) == []
    BindsFile(folder, "a").remove()
    assert not folder.exists()


@pytest.mark.blocks_hub("waits for a process")
def test_what_one_that_died_left_is_swept(folder):
    words = [sys.executable, "-c", _DIE, str(folder)]
    assert subprocess.run(words, check=False).returncode == 9
    assert (folder / "a.json").exists()
    assert read_binds(folder) == []
    assert list(folder.iterdir()) == []


def test_what_is_damaged_is_left_out(folder):
    one = BindsFile(folder, "a")
    one.write(DOCUMENT)
    (folder / "a.json").write_text(json.dumps(DOCUMENT)[:-3])
    assert read_binds(folder) == []
    one.remove()


def test_where_it_cannot_be_written_that_is_told(tmp_path):
    (tmp_path / "binds").write_text("no folder")
    with pytest.raises(OSError, match="binds"):
        BindsFile(tmp_path / "binds", "a").write(DOCUMENT)


def test_they_are_beside_the_environment_when_that_can_be_written(tmp_path):
    assert binds_folder(tmp_path, tmp_path / "own") == tmp_path / "binds"
    assert binds_folder(tmp_path / "nowhere", tmp_path / "own") == tmp_path / "own" / "binds"


def test_what_is_written_while_it_is_taken_away_does_not_stay(folder, monkeypatch):
    file = BindsFile(folder, "k3y")
    real = json.dump

    def dump(document, out):
        file.remove()  # as another thread may
        real(document, out)

    monkeypatch.setattr(json, "dump", dump)
    file.write({"pid": 1})
    file.write({"pid": 2})
    assert list(folder.iterdir()) == []
