from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from zrokd.config.sources import read, reason


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "zrokd.yml"
    file.write_text("version: 1\ndrain: 5s\nauth: [token]\n")
    return file


def part(file: Path, name: str, text: str) -> Path:
    folder = file.parent / "conf.d"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_a_file_alone_is_read(file: Path) -> None:
    tree, files = read(file)
    assert tree.data == {"version": 1, "drain": "5s", "auth": ["token"]}
    assert (tree.problems, tree.warnings, files) == ([], [], (file,))


def test_parts_follow_in_the_order_of_their_names(file: Path) -> None:
    second = part(file, "20-b.yml", "auth: [b]\n")
    first = part(file, "10-a.yml", "auth: [a]\nlog: {level: debug}\n")
    tree, files = read(file)
    assert files == (file, first, second)
    assert tree.data == {"version": 1, "drain": "5s", "auth": ["token", "a", "b"], "log": {"level": "debug"}}
    assert tree.values["auth", 2].file == str(second)


def test_parts_that_hold_nothing_are_fine(file: Path) -> None:
    part(file, "10-a.yml", "# switched off\n")
    part(file, "20-b.yml", "")
    assert read(file)[0].problems == []


def test_hidden_files_and_other_names_are_no_parts(file: Path) -> None:
    part(file, ".10-a.yml", "drain: 6s\n")
    part(file, "10-a.yml~", "drain: 6s\n")
    part(file, "README", "drain: 6s\n")
    tree, files = read(file)
    assert (tree.problems, tree.warnings, files) == ([], [], (file,))


def test_a_name_that_only_looks_right_is_a_warning(file: Path) -> None:
    wrong = part(file, "10-a.yaml", "drain: 6s\n")
    tree, _ = read(file)
    (warning,) = tree.warnings
    assert (warning.file, warning.message) == (str(wrong), "this file is not read: names end in .yml here")


def test_a_broken_part_is_told_with_its_own_name(file: Path) -> None:
    broken = part(file, "10-a.yml", "a: [\n")
    (problem,) = read(file)[0].problems
    assert (problem.file, problem.line) == (str(broken), 2)


def test_mistakes_of_all_files_are_told(file: Path) -> None:
    file.write_text("a: @\n")
    part(file, "10-a.yml", "b: @\n")
    part(file, "20-b.yml", "c: 1\nc: 2\n")
    assert [Path(problem.file).name for problem in read(file)[0].problems] == ["zrokd.yml", "10-a.yml", "20-b.yml"]


def test_a_file_that_nobody_may_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "zrokd.yml"
    file.write_text("version: 1\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "open", refuse)
    (problem,) = read(file)[0].problems
    assert (problem.file, problem.message) == (str(file), "the file cannot be read: permission denied")


UNREADABLE = {
    "nothing": "the file cannot be read: no such file or directory",
    "folder": "this is a folder; name the file in it",
    "below a file": "the file cannot be read: not a directory",
    "socket": "this is not a regular file",
    "pipe": "this is not a regular file",
    "loop": "the file cannot be read: too many levels of symbolic links",
    "nul": "the file cannot be read: embedded null byte",
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_file_is_told_in_one_sentence(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "x"
    if kind == "folder":
        place.mkdir()
    elif kind == "below a file":
        place.write_text("")
        place = place / "y"
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place))
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "nul":
        place = tmp_path / "a\0b"
    (problem,) = read(place)[0].problems
    assert (problem.file, problem.message) == (str(place), UNREADABLE[kind])


def test_parts_that_cannot_be_listed_are_a_mistake_not_a_silence(file: Path) -> None:
    (file.parent / "conf.d").write_text("no folder")
    (problem,) = read(file)[0].problems
    assert (problem.file, problem.message) == (
        str(file.parent / "conf.d"),
        "the folder cannot be read: not a directory",
    )


def test_a_part_that_is_a_folder_is_a_mistake(file: Path) -> None:
    (file.parent / "conf.d" / "x.yml").mkdir(parents=True)
    assert [problem.message for problem in read(file)[0].problems] == ["this is a folder; name the file in it"]


def test_reasons_are_short_and_low() -> None:
    assert reason(OSError(28, "No space left on device", "/x")) == "no space left on device"
    assert reason(ValueError("Odd")) == "odd"
