import errno
import os
import stat

import pytest

from zrokd.client import files
from zrokd.client.files import read_json, write_json
from zrokd.errors import StartError


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new/folder/state.json"
    write_json(path, {"a": [1, "ä"]})
    assert read_json(path) == {"a": [1, "ä"]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_file_is_nothing(tmp_path):
    assert read_json(tmp_path / "none") is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_says_what_to_do(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(StartError, match="damaged.*restore it, or remove it"):
        read_json(tmp_path / "x")


def test_a_file_of_ten_megabytes_is_not_read_whole(tmp_path):
    (tmp_path / "x").write_bytes(b"[" + b" " * (10 << 20) + b"]")
    with pytest.raises(StartError, match="damaged"):
        read_json(tmp_path / "x")


def test_a_folder_in_place_of_the_file_is_one_sentence(tmp_path):
    with pytest.raises(StartError, match="cannot read"):
        read_json(tmp_path)


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_says_so(tmp_path, monkeypatch, where):
    path = tmp_path / "state.json"
    write_json(path, {"old": True})

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if where == "write":
        monkeypatch.setattr(files, "_write_synced", full)
    elif where == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(type(path), "replace", full)
    with pytest.raises(StartError, match="No space left on device; what it held before is unchanged"):
        write_json(path, {"new": True})
    monkeypatch.undo()
    assert read_json(path) == {"old": True}
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot write"):
        write_json(tmp_path / "file/below/x", {})
