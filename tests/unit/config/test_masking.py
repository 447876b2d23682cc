"""No message quotes a secret, whatever is wrong beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zrokd.config.load import Lookup
from zrokd.config.load import load as load_file
from zrokd.config.masking import mask_text
from zrokd.config.render import render_problems
from zrokd.errors import ConfigError

HIDDEN = "s3cret-of-a-test"
LINES = {
    "beside an unknown key": "  frontend: {listen: 8080, token: s3cret-of-a-test, nosuch: 1}",
    "under a misspelt key": "  frontend: {listen: 8080, tokn: s3cret-of-a-test}",
    "in quotes": "  frontend: {listen: nowhere, token: 's3cret-of-a-test'}",
    "twice": "  frontend: {token: s3cret-of-a-test, token: s3cret-of-a-test}",
    "in a list": "  backend: {token: x, nosuch: 1, shares: [{target: 3000, users: ['ann:s3cret-of-a-test']}]}",
    "of a gate": "  frontend: {gates: {basic: {users: [{username: ann, hash: s3cret-of-a-test, nosuch: 1}]}}}",
    "of a component that is not there": "  frontend: {gates: {nosuch: {password: s3cret-of-a-test}}}",
    "of a role that is not there": "  nosuch: {api_key: s3cret-of-a-test, token: s3cret-of-a-test}",
    "where a map is wanted": "  frontend: {gates: {basic: {users: [token: s3cret-of-a-test]}}}",
    "in a file that is no YAML": "  frontend: {token: s3cret-of-a-test, listen: [8080}",
    "behind a tab": "  frontend: {token: s3cret-of-a-test}\n\tlisten: 8080",
}


@pytest.fixture
def said(tmp_path: Path, registry: Lookup) -> Callable[[str], str]:
    def call(text: str) -> str:
        file = tmp_path / "zrokd.yml"
        file.write_text(text)
        with pytest.raises(ConfigError) as refused:
            load_file(file, registry=registry, environ={})
        return render_problems(refused.value.problems) + str(refused.value)

    return call


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_secret_is_never_quoted(said: Callable[[str], str], line: str) -> None:
    text = said(f"version: 1\nroles:\n{line}\n")
    assert HIDDEN not in text
    assert "zrokd.yml:" in text


def test_what_is_wrong_is_still_shown(said: Callable[[str], str]) -> None:
    text = said("version: 1\nroles:\n  frontend: {token: s3cret-of-a-test, listen: nowhere}\n")
    assert "listen: nowhere}" in text
    assert "token: ****************, listen" in text


def test_the_name_of_a_reference_is_no_secret(said: Callable[[str], str]) -> None:
    assert "!env NOT_SET" in said("version: 1\nroles:\n  frontend: {token: !env NOT_SET}\n")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("token: abc", "token: ***"),
        ("  'token' : \"abc", "  'token' : ****"),
        ("a: 1, password: b c", "a: 1, password: ***"),
        ("token: !file /etc/x", "token: !file /etc/x"),
        ("tokens-per-minute: 5", "tokens-per-minute: *"),
        ("listen: 8080", "listen: 8080"),
    ],
)
def test_a_line_that_cannot_be_read_hides_what_looks_like_a_secret(line: str, shown: str) -> None:
    assert mask_text(line) == shown
