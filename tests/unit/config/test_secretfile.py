from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from zrokd.config import secretfile
from zrokd.errors import Invalid, StartError


def test_a_secret_is_long_random_and_ours_alone(tmp_path: Path) -> None:
    first, second = (secretfile.place(tmp_path, name) for name in ("a", "b"))
    for file in (first, second):
        secretfile.make(file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(file.read_text().strip()) >= 40
    assert first.read_text() != second.read_text()
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in first.parent.iterdir()) == ["a", "b"]


def test_a_mask_cannot_open_it_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secretfile.make(secretfile.place(tmp_path, "a"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secrets/a").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_a_secret_that_is_there_stays(tmp_path: Path) -> None:
    file = secretfile.place(tmp_path, "a")
    secretfile.make(file)
    before = file.read_text()
    secretfile.make(file)
    assert file.read_text() == before


def test_of_two_that_make_it_at_once_the_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = secretfile.place(tmp_path, "a")
    write = secretfile._write

    def be_second(fresh: Path, text: str) -> None:
        file.write_text("first\n")
        write(fresh, text)

    monkeypatch.setattr(secretfile, "_write", be_second)
    secretfile.make(file)
    assert file.read_text() == "first\n"
    assert [path.name for path in file.parent.iterdir()] == ["a"]


def test_a_full_disk_leaves_nothing_behind_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    file = secretfile.place(tmp_path, "a")
    with pytest.raises(StartError, match=rf"^cannot use .* {tmp_path}: the disk is full; free some space$"):
        secretfile.make(file)
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("state_dir", ["file", "nul\0"])
def test_a_place_that_cannot_be_says_so(state_dir: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot use the state directory .*; set state_dir"):
        secretfile.make(secretfile.place(tmp_path / state_dir, "a"))


@pytest.mark.parametrize("name", ["a", "A-1", "frontend.token", "x_y", "9", "a" * 64])
def test_names_are_plain_words(name: str, tmp_path: Path) -> None:
    assert secretfile.place(tmp_path, name) == tmp_path / "secrets" / name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a", "a b", "a\n", "a\0", "ä", "a" * 65, "-a"])
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="a name has letters"):
        secretfile.place(tmp_path, name)
