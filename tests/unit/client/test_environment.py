import dataclasses
import json
import stat
from pathlib import Path

import pytest

from zrokd.client.environment import EnabledEnvironment, EnvironmentFile, default_folder
from zrokd.errors import StartError
from zrokd.model.environment import Identity
from zrokd.model.units import Secret

DOCUMENT = {"overlay": "local", "dir": "/run/zrokd", "id": "z1"}


@pytest.fixture
def environment():
    return EnabledEnvironment(
        controller="https://api.example.com",
        account_token=Secret("t0ken"),
        identity=Identity(z_id="z1", document=json.dumps(DOCUMENT)),
    )


@pytest.fixture
def file(tmp_path):
    return EnvironmentFile(tmp_path / "home")


def test_what_was_saved_is_loaded(file, environment):
    file.save(environment)
    loaded = file.load()
    assert loaded == environment
    assert json.loads(loaded.identity.document) == DOCUMENT


def test_the_file_is_the_one_that_is_agreed_on_and_its_owners_alone(file, environment):
    file.save(environment)
    assert json.loads(file.path.read_text()) == {
        "version": 1,
        "controller": "https://api.example.com",
        "account_token": "t0ken",
        "z_id": "z1",
        "identity": DOCUMENT,
    }
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_certificates_are_remembered_when_there_are_any(file, environment):
    with_ca = dataclasses.replace(environment, ca="/etc/ssl/own.pem")
    file.save(with_ca)
    assert file.load() == with_ca


def test_certificates_that_are_no_text_are_damage(file, environment):
    file.save(environment)
    file.path.write_text(json.dumps({**json.loads(file.path.read_text()), "ca": 1}))
    with pytest.raises(StartError, match="damaged"):
        file.load()


def test_a_host_that_is_not_enabled_has_none(file):
    assert file.load() is None


def test_deleting_is_idempotent(file, environment):
    file.save(environment)
    file.delete()
    file.delete()
    assert file.load() is None


def test_a_file_that_cannot_be_removed_is_one_sentence(file):
    file.path.mkdir(parents=True)
    with pytest.raises(StartError, match="cannot remove"):
        file.delete()


@pytest.mark.parametrize("key", ["controller", "account_token", "z_id", "identity"])
def test_a_missing_field_is_named(file, environment, key):
    file.save(environment)
    document = json.loads(file.path.read_text())
    del document[key]
    file.path.write_text(json.dumps(document))
    with pytest.raises(StartError, match=f"damaged: '{key}'.*enable this host again"):
        file.load()


@pytest.mark.parametrize("value", [None, 1, "", [], {}])
def test_a_field_of_another_kind_is_an_error(file, environment, value):
    file.save(environment)
    document = json.loads(file.path.read_text())
    document["controller"] = value
    file.path.write_text(json.dumps(document))
    with pytest.raises(StartError, match="damaged"):
        file.load()


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_another_versions_file_is_refused(file, environment, version):
    file.save(environment)
    document = json.loads(file.path.read_text())
    document["version"] = version
    file.path.write_text(json.dumps(document))
    with pytest.raises(StartError, match="another version of zrokd"):
        file.load()


def test_the_token_does_not_print(environment):
    assert "t0ken" not in repr(environment)
    assert "run/zrokd" not in repr(environment)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"ZROKD_HOME": "/srv/z"}, Path("/srv/z")),
        ({}, Path.home() / ".zrokd"),
        ({"ZROKD_HOME": ""}, Path.home() / ".zrokd"),
    ],
)
def test_where_it_is_kept(environ, folder):
    assert default_folder(environ) == folder
