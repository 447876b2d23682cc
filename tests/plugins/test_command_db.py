import json
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner
from zrokd_plugins.command_db import DbCommand, zrokd_provide_commands

from zrokd.contracts import Settings
from zrokd.host.registry import Registry

NAMES = ("0001_initial", "0002_tenants")
APPLIED = "".join(f"applied {name}\n" for name in NAMES)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "zrokd.yml"
    path.write_text(f"version: 1\nstate_dir: {tmp_path}/state\nroles: {{controller: {{listen: 127.0.0.1:0}}}}\n")
    return path


@pytest.fixture
def database(tmp_path):
    return tmp_path / "state" / "storage-sqlite" / "zrokd.sqlite3"


@pytest.fixture
def run(file):
    """run(words): (exit code, output). `FILE` among the words stands for the configuration's path."""

    def invoke(words, answer=None):
        command = DbCommand(Settings(), None).configure()
        arguments = [str(file) if word == "FILE" else word for word in words.split()]
        result = CliRunner().invoke(command, arguments, obj={"registry": Registry()}, input=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return invoke


def tables(database):
    with sqlite3.connect(database) as connection:
        found = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
    connection.close()
    return found


def test_an_upgrade_makes_the_schema_and_says_what_it_did(run, database):
    assert run("upgrade FILE") == (0, APPLIED)
    assert "account" in tables(database)
    assert database.stat().st_mode & 0o077 == 0
    assert run("upgrade FILE") == (0, "nothing to do\n")


def test_status_shows_what_is_applied_and_pending(run):
    run("upgrade FILE")
    code, output = run("status FILE")
    assert (code, [line.split()[:2] for line in output.splitlines()]) == (0, [[name, "applied"] for name in NAMES])
    run("downgrade 2 FILE --yes")
    assert run("status FILE") == (0, "".join(f"{name}  pending\n" for name in NAMES))


def test_status_in_json_is_an_object_a_line(run):
    run("upgrade FILE")
    entries = [json.loads(line) for line in run("status --json FILE")[1].splitlines()]
    assert [(entry["name"], entry["known"]) for entry in entries] == [(name, True) for name in NAMES]
    assert all(entry["applied_at"] for entry in entries)
    run("downgrade 1 FILE --yes")
    assert json.loads(run("status --json FILE")[1].splitlines()[-1])["applied_at"] is None


def test_status_of_no_database_makes_none(run, database):
    code, output = run("status FILE")
    assert code == 1
    assert "there is no database yet" in output
    assert not database.parent.exists()


def test_a_downgrade_takes_back_and_asks_before(run, database):
    run("upgrade FILE")
    code, output = run("downgrade 2 FILE", answer="n\n")
    assert code == 1
    assert "is lost" in output
    assert "account" in tables(database)
    code, output = run("downgrade 2 FILE", answer="y\n")
    assert (code, output.splitlines()[-1]) == (0, f"took back {NAMES[0]}")
    assert "account" not in tables(database)
    assert run("downgrade 3 FILE --yes") == (0, "nothing to do\n")


def test_an_upgrade_may_stop_at_a_number(run):
    assert run("upgrade --to 1 FILE") == (0, f"applied {NAMES[0]}\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("upgrade --to 77 FILE", "no migration has the number 77"),
        ("status missing.yml", "does not exist"),
        ("downgrade 0 FILE --yes", "0 is not in the range"),
        ("upgrade --to x FILE", "not a valid integer"),
    ],
)
def test_mistakes_are_told(run, words, sentence):
    code, output = run(words)
    assert code in (1, 2)
    assert sentence in output


def test_a_newer_schema_is_shown_and_not_touched(run, database):
    run("upgrade FILE")
    with sqlite3.connect(database) as connection:
        connection.execute("insert into schema_migration (name, applied) values ('9999_future', '2040-01-01')")
    connection.close()
    assert "9999_future  applied 2040-01-01 00:00:00  (by a newer zrokd)" in run("status FILE")[1]
    for words in ("upgrade FILE", "downgrade 1 FILE --yes"):
        code, output = run(words)
        assert code == 1
        assert "use the zrokd that upgraded it" in output


def test_a_file_that_is_no_database_is_told_in_one_sentence(run, database):
    database.parent.mkdir(parents=True)
    database.write_bytes(b"not a database" * 100)
    code, output = run("status FILE")
    assert code == 1
    assert "cannot be used" in output
    assert "Traceback" not in output


def test_every_mistake_of_the_configuration_is_shown_with_its_place(run, file):
    file.write_text("version: 1\nrolse: {}\nstate_dir: 5\n")
    code, output = run("status FILE")
    assert code == 1
    assert f"{file}:2" in output


def test_a_configuration_without_a_controller_has_no_database(run, file, tmp_path):
    backend = "{controller: 'http://127.0.0.1:1', token: long-enough, shares: []}"
    file.write_text(f"version: 1\nstate_dir: {tmp_path}/state\nroles: {{backend: {backend}}}\n")
    code, output = run("status FILE")
    assert code == 1
    assert "only a controller keeps a database" in output


def test_its_help_needs_neither_gevent_nor_a_database_driver():
    code = (
        "import sys\n"
        "from zrokd_plugins.command_db import DbCommand\n"
        "from zrokd.contracts import Settings\n"
        "DbCommand(Settings(), None).configure()\n"
        "assert not {'gevent', 'peewee', 'falcon', 'yaml'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_commands()] == ["db"]
