"""No message quotes a secret, whatever is wrong beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zrokd.config.load import Lookup
from zrokd.config.load import load as load_file
from zrokd.config.masking import mask_text, mask_urls
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
    "under an unknown tag": "  frontend: {token: !secrett s3cret-of-a-test}",
    "in a list under an unknown tag": "  frontend: {token: !secrett [s3cret-of-a-test]}",
    "under a tag that does not fit": "  frontend: {token: !!int s3cret-of-a-test}",
    "as a key": "  frontend: {token: {s3cret-of-a-test: 5}}",
    "behind a colon without a blank": "  frontend: {listen: 8080, token:s3cret-of-a-test}",
    "twice behind such a colon": "  frontend: {token:s3cret-of-a-test, token:s3cret-of-a-test}",
    "in a list, as a key": "  backend: {token: x, shares: [{target: 80, users: [ann:s3cret-of-a-test: y]}]}",
    "below a key that is none": "  frontend: {[x]: {token: s3cret-of-a-test}}",
    "below a merge": "  frontend: {<<: {token: s3cret-of-a-test}}",
    "in a list of a file that is no YAML": "  backend: {token: x, shares: [{users: [\n - ann:s3cret-of-a-test: y: z",
    "in a URL under an unknown key": "  frontend: {nosuch: 'postgres://ann:s3cret-of-a-test@db/x'}",
    "in a URL that is none": "  frontend: {controller: 'ftp://ann:s3cret-of-a-test@x'}",
    "in a URL, with blanks": "  frontend: {controller: 'ftp://ann:a b s3cret-of-a-test@x'}",
    "in a long URL": f"  frontend: {{controller: 'ftp://ann:s3cret-of-a-test{'x' * 99}@x'}}",
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


PARTS = {
    "in another file": ("{frontend: {token: a}}", "{frontend: {token: s3cret-of-a-test}}"),
    "in a list": ("{backend: {shares: []}}", "{backend: {shares: [{users: ['ann:s3cret-of-a-test']}]}}"),
    "below a list": ("{frontend: {accesses: []}}", "{frontend: {accesses: [{key: s3cret-of-a-test}]}}"),
    "in a map beside a value": ("{frontend: 5}", "{frontend: {gates: {basic: {users: [{hash: s3cret-of-a-test}]}}}}"),
    "twice in the other file": ("{frontend: {}}", "{frontend: {token: a, token: s3cret-of-a-test}}"),
    "below what stands twice there": ("{frontend: {}}", "{frontend: {}, frontend: {users: [s3cret-of-a-test]}}"),
    "as a key of it": ("{frontend: {token: a}}", "{frontend: {token: {s3cret-of-a-test: 5}}}"),
}


@pytest.mark.parametrize(("main", "part"), PARTS.values(), ids=PARTS)
def test_what_stands_twice_in_two_files_is_not_quoted_either(
    said: Callable[[str], str], tmp_path: Path, main: str, part: str
) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/a.yml").write_text(f"roles: {part}\n")
    text = said(f"version: 1\nroles: {main}\n")
    assert HIDDEN not in text
    assert "a.yml:1:" in text


def test_a_port_is_no_password() -> None:
    line = "{controller: http://127.0.0.1:80, email: ann@example.com, url: 'https://a:b@c'}"
    assert mask_urls(line) == line.replace("a:b", "a:*")


def test_of_a_url_the_password_alone_is_hidden(said: Callable[[str], str]) -> None:
    text = said("version: 1\nroles: {frontend: {controller: 'ftp://ann:hunter2@x'}}\n")
    assert text.count("ftp://ann:*******@x") == 3


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
        ("a: 1, password: b c", "a: *, password: ***"),
        ("token: !file /etc/x", "token: !file /etc/x"),
        ("tokens-per-minute: 5", "tokens-per-minute: *"),
        ("listen: 8080", "listen: ****"),
        ("token: !secrett abc", "token: ************"),
        ("  - ann:hunter2: y: z", "  - ***:*******: *: *"),
        ("  - {use: web, target: !env PORT}", "  - {use: ***, target: !env PORT}"),
    ],
)
def test_a_line_that_cannot_be_read_hides_what_looks_like_a_secret(line: str, shown: str) -> None:
    assert mask_text(line) == shown
