"""`zrokd login` at a real controller."""

import click
import pytest

from zrokd.client.controller import Controller
from zrokd.model.units import Secret

ZOE, GOOD = "zoe@example.com", " Correct h0rse! "


@pytest.fixture(scope="module")
def zoe(site):
    site.daemon.components.roles["controller"].services.accounts.create(ZOE, GOOD)


@pytest.fixture
def works(site):
    """works(token): whether the controller knows it."""

    def ask(token):
        controller = Controller(site.controller_url, Secret(token))
        try:
            return bool(controller.overview())
        finally:
            controller.close()

    return ask


@pytest.fixture
def file(tmp_path):
    """The password in a file, as editors write it."""
    (tmp_path / "password").write_text(f"{GOOD}\r\n")
    return tmp_path / "password"


def test_a_password_in_a_file_gets_a_token_that_works(site, zoe, shell, file, works):
    out, told = shell("login", ZOE, "--password-file", file, "--controller", site.controller_url)
    assert (out.count("\n"), told) == (1, "this is shown once\n")
    assert works(out.strip())


def test_a_password_is_asked_for_and_not_shown(site, zoe, shell, monkeypatch, works):
    asked = []
    monkeypatch.setattr(click, "prompt", lambda text, **how: asked.append((text, how)) or GOOD)
    (made,) = shell.lines("login", ZOE, "--controller", site.controller_url)
    assert asked == [("Password", {"hide_input": True, "err": True})]
    assert works(made["token"])


def test_mistakes_are_told(site, zoe, shell, tmp_path, file):
    there = ("--controller", site.controller_url)
    (tmp_path / "wrong").write_text("a-guess")
    err = shell("login", ZOE, "--password-file", tmp_path / "wrong", *there, code=1)[1]
    assert err == "zrokd: e-mail address or password are wrong\n"
    err = shell("login", ZOE, "--password-file", file, "--admin", *there, code=1)[1]
    assert err == "zrokd: e-mail address or password are wrong; or this is no administrator\n"
    assert "the password is empty" in shell("login", ZOE, "--password-file", "/dev/null", *there, code=2)[1]
    assert (
        "does not answer"
        in shell("login", ZOE, "--password-file", file, "--controller", "http://127.0.0.1:9", code=1)[1]
    )
