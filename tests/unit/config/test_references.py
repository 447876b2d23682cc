from __future__ import annotations

import fcntl
import os
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.config.parse import parse
from zrokd.config.references import Resolver, Unresolved
from zrokd.config.tree import Origin, Reference, Tree
from zrokd.errors import StartError

ENVIRON = {"NAME": "ann", "EMPTY": "", "PORT": "80", "DOLLAR": "$NAME ${NAME}"}


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "zrokd.admin").write_text("s3cret\n")
    (tmp_path / "token").write_text("s3cret\r\n\r\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "token").write_text("below")
    environ = {**ENVIRON, "CREDENTIALS_DIRECTORY": str(credentials)}
    return Resolver(tmp_path, environ, state_dir=tmp_path / "state", create=False)


FILLED = {
    "plain": "plain", "": "", "${NAME}": "ann", "a${NAME}b${PORT}": "aannb80", "${NAME:-bob}": "ann",
    "${NONE:-bob}": "bob", "${NONE:-}": "", "${EMPTY:-bob}": "bob", "$$": "$", "$${NAME}": "${NAME}", "$$$$": "$$",
    "$NAME": "$NAME", "$": "$", "${": "${", "${1X}": "${1X}", "a$": "a$", "${DOLLAR}": "$NAME ${NAME}",
    "${NONE:-http://x:${PORT}": "http://x:${PORT", "scrypt$16384$8": "scrypt$16384$8", "{host}": "{host}",
}  # fmt: skip


@pytest.mark.parametrize("text", FILLED)
def test_variables_in_a_text_are_filled_in_once(text: str, resolver: Resolver) -> None:
    assert resolver.substitute(text) == FILLED[text]


@pytest.mark.parametrize("text", ["${NONE}", "${EMPTY}", "x${NONE}y"])
def test_a_variable_without_value_and_default_is_a_mistake(text: str, resolver: Resolver) -> None:
    with pytest.raises(Unresolved, match=r"environment variable (NONE|EMPTY) is empty or not set; \$\{.*:-\.\.\.\}"):
        resolver.substitute(text)


@given(st.text())
def test_what_is_escaped_comes_out_as_it_was(text: str) -> None:
    resolver = Resolver(Path(), {}, state_dir=None, create=False)
    assert resolver.substitute(text.replace("$", "$$")) == text


FOUND = {
    "env NAME": "ann", "env NAME:-bob": "ann", "env NONE:-bob": "bob", "env NONE:-": "", "env EMPTY:-x:-y": "x:-y",
    "file token": "s3cret\r\n", "file deep/token": "below", "file ./deep/../token": "s3cret\r\n",
    "file ${NONE:-deep}/token": "below", "cred zrokd.admin": "s3cret",
}  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_references_lead_to_their_text(text: str, resolver: Resolver) -> None:
    kind, name = text.split(" ", 1)
    origin = resolver.follow(Reference(kind, name))
    assert (origin.text, origin.words) == (FOUND[text], f"!{text}")


def test_a_file_is_remembered_for_its_mode_and_an_absolute_one_is_taken_as_it_is(
    resolver: Resolver, tmp_path: Path
) -> None:
    assert resolver.follow(Reference("file", "token")).file == tmp_path / "token"
    assert resolver.follow(Reference("file", str(tmp_path / "deep/token"))).text == "below"
    assert resolver.follow(Reference("cred", "zrokd.admin")).file is None


LOST = {
    "env NONE": "the environment variable NONE is empty or not set; !env NONE:-... has a default",
    "file none": "cannot read DIR/none: no such file or directory",
    "file deep": "cannot read DIR/deep: is a directory",
    "file a\0b": "cannot read DIR/a\0b: embedded null byte",
    "file token/x": "cannot read DIR/token/x: not a directory",
    "file ${NONE}": "the environment variable NONE is empty or not set; ${NONE:-...} has a default",
    "file binary": "DIR/binary is not UTF-8 text",
    "file large": "DIR/large is larger than 64 KiB; this is no secret",
    "file empty": "DIR/empty is empty",
    "file newline": "DIR/newline is empty",
    "cred none": "cannot read DIR/credentials/none: no such file or directory",
    "cred ../token": "!cred ../token: a credential's name has letters, digits, _ . @ : and - only",
    "cred /etc/passwd": "!cred /etc/passwd: a credential's name has letters, digits, _ . @ : and - only",
    "secret a/b": "!secret a/b: a name has letters, digits, _, . and - only, and at most 64 of them",
    "env ": "!env takes one word or path",
}


@pytest.mark.parametrize("text", LOST)
def test_references_that_lead_nowhere_say_why(text: str, resolver: Resolver, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 65537)
    (tmp_path / "empty").write_text("")
    (tmp_path / "newline").write_text("\n")
    kind, name = text.split(" ", 1)
    with pytest.raises(Unresolved) as caught:
        resolver.follow(Reference(kind, name))
    assert str(caught.value).replace(str(tmp_path), "DIR") == LOST[text]


def test_a_secret_is_not_made_by_looking(resolver: Resolver, tmp_path: Path) -> None:
    first, second = (resolver.follow(Reference("secret", "admin")) for _ in range(2))
    assert first.text == second.text == "made-at-the-first-run:admin"
    assert not (tmp_path / "state").exists()


def test_a_secret_is_made_once_when_asked_to(tmp_path: Path) -> None:
    maker = Resolver(tmp_path, {}, state_dir=tmp_path / "state", create=True)
    made = maker.follow(Reference("secret", "admin"))
    assert len(made.text) >= 40
    assert made.file == tmp_path / "state/secrets/admin"
    assert maker.follow(Reference("secret", "admin")) == made
    looker = Resolver(tmp_path, {}, state_dir=tmp_path / "state", create=False)
    assert looker.follow(Reference("secret", "admin")) == made


def test_a_secret_without_a_place_to_keep_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unresolved, match="`state_dir` is wrong"):
        Resolver(tmp_path, {}, state_dir=None, create=True).follow(Reference("secret", "x"))
    (tmp_path / "file").write_text("")
    tree = parse(b"a: !secret x\nb: !secret y\n", "f.yml")
    with pytest.raises(StartError, match="cannot use the state directory .*/file: it is a file; set state_dir$"):
        Resolver(tmp_path, {}, state_dir=tmp_path / "file", create=True).resolve(tree)
    assert tree.problems == []


def test_a_tree_is_resolved_in_place_and_remembers_where_texts_came_from(resolver: Resolver) -> None:
    tree = parse(b"a: !env NAME\nb: [x, '${PORT}', '$$5']\nc: {d: 1, e: null}\n", "f.yml")
    resolver.resolve(tree)
    assert tree.data == {"a": "ann", "b": ["x", "80", "$5"], "c": {"d": 1, "e": None}}
    assert tree.origins == {("a",): Origin("!env NAME", "ann"), ("b", 1): Origin("${PORT}", "80")}
    assert tree.problems == []


def test_every_reference_that_leads_nowhere_is_told_at_its_place(resolver: Resolver) -> None:
    tree = parse(b"a: !env NONE\nb: [!file none, '${NONE}']\nc: !env NAME\n", "f.yml")
    resolver.resolve(tree)
    assert [(problem.line, problem.path) for problem in tree.problems] == [(1, "a"), (2, "b[0]"), (2, "b[1]")]
    assert [tree.is_broken(path) for path in [("a",), ("b", 0), ("c",)]] == [True, True, False]


def test_what_a_variable_says_is_not_a_reference(resolver: Resolver) -> None:
    tree = Tree(data={"a": Reference("env", "DOLLAR")})
    resolver.resolve(tree)
    assert tree.data == {"a": "$NAME ${NAME}"}


# -- what is no plain file ---


def follow(resolver: Resolver, name: str) -> str:
    return resolver.follow(Reference("file", name)).text


@pytest.mark.parametrize("mode", [os.O_RDWR, os.O_PATH], ids=["silent", "nobody"])
def test_a_pipe_that_brings_nothing_is_refused_after_a_while(
    mode: int, resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zrokd.config.references._PIPE_S", 0.02)
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", mode)
    with pytest.raises(
        Unresolved, match="cannot read .*pipe: nobody has written to this pipe, to its end, within 0.02 s"
    ):
        follow(resolver, "pipe")
    os.close(writer)


def test_what_comes_through_a_pipe_is_taken_to_its_end(resolver: Resolver) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"s3c")

    def end() -> None:
        os.write(writer, b"ret\n")
        os.close(writer)

    thread = threading.Thread(target=end)
    thread.start()
    assert follow(resolver, f"/dev/fd/{reader}") == "s3cret"
    thread.join()
    os.close(reader)


def test_what_comes_through_a_pipe_is_no_secret_when_it_is_large(resolver: Resolver) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1 << 17)
    os.write(writer, b"x" * 70_000)
    with pytest.raises(Unresolved, match="larger than 64 KiB"):
        follow(resolver, f"/dev/fd/{reader}")
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(resolver: Resolver, name: str) -> None:
    with pytest.raises(Unresolved, match=f"cannot read {name}: it is neither a file nor a pipe"):
        follow(resolver, name)


def test_a_socket_is_refused(resolver: Resolver, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
        with pytest.raises(Unresolved, match="cannot read .*sock: no such device or address"):
            follow(resolver, "sock")
