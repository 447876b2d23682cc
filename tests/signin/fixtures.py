"""Fixtures of real places where people prove who they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.signin.pamrules import NoPam, matrix, start_in
from tests.signin.provider import OpenIdProvider
from tests.signin.slapd import NoSlapd, Slapd, person

ANN, ANNS_PASSWORD = "ann@example.com", "Ann's own p4ssword, with ünïcode"
ROOT, ROOTS_PASSWORD = "root@example.com", "R00t's-password"
_PEOPLE = (
    person("ann", ANN, password=ANNS_PASSWORD),
    person("root", ROOT, password=ROOTS_PASSWORD),
    person("zoe", "zoe@example.com", password="zoes-password"),
    person("twin1", "twin@example.com", password="twins-password"),
    person("twin2", "twin@example.com", password="twins-password"),
    person("many", "many@example.com", "other@example.com", password="manys-password"),
    person("nomail", password="nomails-password"),
    person("none", "none@example.com"),
    person("st*r)(", "star@example.com", password="stars-password"),
)


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    """One running directory for all tests that do not break it. Where there is none: skips, says why; in CI fails."""
    yield from _started()


@pytest.fixture
def new_slapd() -> Iterator[Callable[..., Slapd]]:
    """new_slapd(...): a running directory of the test's own, to be broken; its arguments are of `Slapd`."""
    made: list[Slapd] = []

    def make(**how: Any) -> Slapd:
        made.append(_made(**how))
        return made[-1].start()

    yield make
    for server in made:
        server.close()


def _started() -> Iterator[Slapd]:
    server = _made()
    try:
        yield server.start()
    finally:
        server.close()


def _made(**how: Any) -> Slapd:
    try:
        return Slapd(*_PEOPLE, **how)
    except NoSlapd as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def new_provider() -> Iterator[Callable[..., OpenIdProvider]]:
    """new_provider(...): a running OpenID provider; its arguments are of `OpenIdProvider`."""
    made: list[OpenIdProvider] = []

    def make(**how: Any) -> OpenIdProvider:
        made.append(OpenIdProvider(**how))
        return made[-1]

    yield make
    for provider in made:
        provider.stop()


@pytest.fixture
def provider(new_provider: Callable[..., OpenIdProvider]) -> OpenIdProvider:
    """A running OpenID provider."""
    return new_provider()


@pytest.fixture
def pam_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """pam_rules(service, *lines): the rules of a service. `zrokd` is there: Ann by her password, from a file."""
    import pam

    try:
        module = matrix()
    except NoPam as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    folder = tmp_path / "pam.d"
    folder.mkdir()
    passwords = tmp_path / "passwords"
    passwords.write_text("ann:anns-password:zrokd\nnobody:nobodys-password:zrokd\nzoe:zoes-password:zrokd\n")

    def write(service: str, *lines: str) -> None:
        (folder / service).write_text("".join(f"{line}\n" for line in lines))

    write("zrokd", *(f"{kind} required {module} passdb={passwords}" for kind in ("auth", "account")))
    pam.PamAuthenticator()  # it is loaded
    monkeypatch.setattr(pam.PamAuthenticator, "pam_start", staticmethod(start_in(folder)))
    return write
