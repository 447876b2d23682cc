from __future__ import annotations

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
