import json
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from zrokd_plugins.command_db import zrokd_provide_commands

from tests.postgres.fixtures import BOTH, only_sqlite, settings
from zrokd.host.registry import Registry
from zrokd.model.audit import Chain
from zrokd.store import accounts, audit, base, meta, migrate

NAMES = sorted(path.stem for path in (Path(migrate.__file__).parent / "migrations").glob("0*.py"))
APPLIED = "".join(f"applied {name}\n" for name in NAMES)
TEXT = "version: 1\nstate_dir: {}/state\nroles: {{controller: {{listen: 127.0.0.1:0}}}}\n{}"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "zrokd.yml"
    path.write_text(TEXT.format(tmp_path, ""))
    return path


@pytest.fixture(params=BOTH)
def kind(request):
    """Which database `both` names."""
    return request.param


@pytest.fixture
def both(kind, request, file, tmp_path):
    """The configuration, on either database."""
    if kind == "postgres":
        server = request.getfixturevalue("postgres")
        storage = json.dumps({"use": "postgres"} | settings(server, server.create()))
        file.write_text(TEXT.format(tmp_path, f"storage: {storage}\n"))
    return file


@pytest.fixture
def database(tmp_path):
    return tmp_path / "state" / "storage-sqlite" / "zrokd.sqlite3"


@pytest.fixture
def run(file, typed):
    """run(words): (exit code, output). `FILE` among the words stands for the configuration's path."""

    def invoke(words, answer=None):
        arguments = (str(file) if word == "FILE" else word for word in words.split())
        code, _, _, output = typed("db", *arguments, given=answer)
        return code, output

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
    run(f"downgrade FILE {len(NAMES)} --yes")
    assert run("status FILE") == (0, "".join(f"{name}  pending\n" for name in NAMES))


def test_status_in_json_is_an_object_a_line(run):
    run("upgrade FILE")
    entries = [json.loads(line) for line in run("status --json FILE")[1].splitlines()]
    assert [(entry["name"], entry["known"]) for entry in entries] == [(name, True) for name in NAMES]
    assert all(entry["applied_at"] for entry in entries)
    run("downgrade FILE 1 --yes")
    assert json.loads(run("status --json FILE")[1].splitlines()[-1])["applied_at"] is None


def test_status_of_no_database_makes_none(run, database):
    code, output = run("status FILE")
    assert code == 1
    assert "there is no database yet" in output
    assert not database.parent.exists()


def test_a_downgrade_takes_back_and_asks_before(run, database):
    run("upgrade FILE")
    code, output = run(f"downgrade FILE {len(NAMES)}", answer="n\n")
    assert code == 1
    assert "is lost" in output
    assert "account" in tables(database)
    code, output = run(f"downgrade FILE {len(NAMES)}", answer="y\n")
    assert (code, output.splitlines()[-1]) == (0, f"took back {NAMES[0]}")
    assert "account" not in tables(database)
    assert run("downgrade FILE 3 --yes") == (0, "nothing to do\n")


@pytest.mark.parametrize("number", ["0009", "9"])
def test_a_downgrade_may_go_down_to_a_number(run, number):
    run("upgrade FILE")
    after = [name for name in NAMES if name > "0009_~"]
    assert run(f"downgrade FILE --to {number} --yes") == (0, "".join(f"took back {name}\n" for name in after[::-1]))
    assert run(f"downgrade FILE --to {number} --yes") == (0, "nothing to do\n")
    code, output = run("downgrade FILE --to 77 --yes")
    assert (code, "no migration has the number 77" in output) == (1, True)


def test_an_upgrade_may_stop_at_a_number(run):
    assert run("upgrade --to 1 FILE") == (0, f"applied {NAMES[0]}\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("upgrade --to 77 FILE", "no migration has the number 77"),
        ("status missing.yml", "does not exist"),
        ("downgrade FILE 0", "STEPS is how many migrations to take back, from 1 on, not '0'"),
        ("downgrade FILE many", "STEPS is how many migrations to take back, from 1 on, not 'many'"),
        ("downgrade FILE 0011", "0011 is a migration's number; write --to 0011 to keep it, or how many steps"),
        ("downgrade FILE 0011_interstitial", "; write --to 0011 to keep it, or how many steps"),
        ("downgrade FILE", "say how many STEPS to take back, or --to N"),
        ("downgrade FILE 1 --to 0011", "say how many STEPS to take back, or --to N"),
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
    for words in ("upgrade FILE", "downgrade FILE 1 --yes"):
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
    assert code == 2
    assert f"{file}:2" in output


def test_a_configuration_without_a_controller_has_no_database(run, file, tmp_path):
    backend = "{controller: 'http://127.0.0.1:1', token: long-enough, shares: []}"
    file.write_text(f"version: 1\nstate_dir: {tmp_path}/state\nroles: {{backend: {backend}}}\n")
    code, output = run("status FILE")
    assert code == 1
    assert "only a controller keeps a database" in output


# -- on both databases ---


def in_store(file, function, *args):
    from zrokd.config.load import load
    from zrokd.config.offline import storage_of
    from zrokd.store.database import Store

    with storage_of(load(file, registry=Registry())) as storage:
        return Store(storage.database()).write(function, *args)


def test_the_schema_goes_up_and_down(run, both):
    assert run("upgrade FILE")[1].startswith(APPLIED)
    assert run("upgrade FILE") == (0, "nothing to do\n")
    names = [line.split()[0] for line in run("status FILE")[1].splitlines()]
    assert run("downgrade FILE 1 --yes") == (0, f"took back {names[-1]}\n")
    assert run("status FILE")[1].splitlines()[-1] == f"{names[-1]}  pending"


def test_a_backup_is_private_and_brings_back_what_was_there(run, both, tmp_path):
    run("upgrade FILE")
    in_store(both, accounts.add, "ann@example.com", "", 1)
    in_store(both, meta.ensure_epoch)
    epoch = in_store(both, meta.epoch)
    code, output = run(f"backup FILE {tmp_path}/backup")
    assert (code, output) == (0, f"{tmp_path}/backup: {(tmp_path / 'backup').stat().st_size} bytes\n")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    in_store(both, accounts.add, "bob@example.com", "", 1)

    code, output = run(f"restore FILE {tmp_path}/backup", answer="n\n")
    assert code == 1 and "is lost" in output and len(in_store(both, accounts.every)) == 2
    code, output = run(f"restore FILE {tmp_path}/backup --yes")
    assert code == 0 and "restored" in output
    assert [account.email for account in in_store(both, accounts.every)] == ["ann@example.com"]
    assert in_store(both, meta.epoch) != epoch, "frontends ask for all names again"


def test_what_is_no_backup_is_refused_and_nothing_is_lost(run, both, tmp_path):
    run("upgrade FILE")
    in_store(both, accounts.add, "ann@example.com", "", 1)
    (tmp_path / "letter").write_text("dear aunt")
    code, output = run(f"restore FILE {tmp_path}/letter --yes")
    assert code == 1 and "is no backup of" in output
    assert len(in_store(both, accounts.every)) == 1


def test_a_backup_does_not_write_over_a_file_and_leaves_nothing_half(run, both, tmp_path):
    run("upgrade FILE")
    (tmp_path / "old").write_text("old")
    assert run(f"backup FILE {tmp_path}/old") == (
        2,
        f"zrokd: {tmp_path}/old exists; name a new file\nhelp: zrokd db backup --help\n",
    )
    assert run(f"backup FILE {tmp_path}/no/folder")[0] == 1
    assert not list(tmp_path.glob(".*unfinished"))


@only_sqlite
def test_a_restore_makes_the_database_where_there_is_none(run, both, tmp_path, database):
    run("upgrade FILE")
    run(f"backup FILE {tmp_path}/backup")
    for each in database.parent.iterdir():
        each.unlink()
    database.parent.rmdir()
    assert run(f"restore FILE {tmp_path}/backup --yes")[0] == 0
    assert "account" in tables(database)


@only_sqlite
def test_a_damaged_backup_is_refused(run, both, tmp_path):
    run("upgrade FILE")
    run(f"backup FILE {tmp_path}/backup")
    whole = (tmp_path / "backup").read_bytes()
    (tmp_path / "backup").write_bytes(whole[: len(whole) // 2])
    code, output = run(f"restore FILE {tmp_path}/backup --yes")
    assert code == 1 and ("damaged" in output or "is no backup" in output)


# -- backups while somebody writes, and restores while somebody runs ---

WRITER = """
import pathlib
import sys
from zrokd.config.load import load
from zrokd.config.offline import storage_of
from zrokd.host.registry import Registry
from zrokd.store import accounts, audit
from zrokd.store.database import Store
def work(number):
    accounts.add(f"a{number}@example.com", "", 1)
    audit.note("account.created", account=f"a{number}@example.com")
with storage_of(load(pathlib.Path(sys.argv[1]), registry=Registry())) as storage:
    store = Store(storage.database())
    for number in range(1_000_000):
        store.write(work, number)
        print(number, flush=True)
"""


@pytest.fixture
def writer(both):
    """A process that makes accounts as fast as it can, each with its record in the audit trail."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(both)], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline()
        yield child
        child.kill()
        child.stdout.read()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_backup_of_a_running_controller_is_of_one_moment(run, both, request, tmp_path):
    run("upgrade FILE")
    request.getfixturevalue("writer")
    for number in range(3):
        assert run(f"backup FILE {tmp_path}/{number}")[0] == 0
    request.getfixturevalue("writer").kill()
    request.getfixturevalue("writer").wait()
    counts = []
    for number in range(3):
        code, output = run(f"restore FILE {tmp_path}/{number} --yes")
        assert code == 0, output
        counts.append(in_store(both, whole))
    assert counts == sorted(counts) and counts[0] < counts[2]


def whole():
    """How many accounts there are, each with its record; the chain holds."""
    chain, found = Chain(meta.audit_checkpoint()), audit.page(0, 1_000_000)
    for record in found:
        chain.take(record)
    chain.end(meta.audit_head())
    assert found[-1].event == "database.restored"
    emails = [account.email for account in accounts.every()]
    assert sorted(emails) == sorted(record.account for record in found[:-1])
    return len(emails)


def test_a_backup_to_standard_output_is_the_same(both, run, tmp_path):
    run("upgrade FILE")
    in_store(both, accounts.add, "ann@example.com", "", 1)
    command = [sys.executable, "-m", "zrokd", "db", "backup", str(both), "-"]
    ended = subprocess.run(command, capture_output=True, check=True, timeout=60)
    (tmp_path / "backup").write_bytes(ended.stdout)
    in_store(both, accounts.add, "bob@example.com", "", 1)
    assert run(f"restore FILE {tmp_path}/backup --yes")[0] == 0
    assert [account.email for account in in_store(both, accounts.every)] == ["ann@example.com"]


def test_a_full_disk_is_told_and_leaves_nothing_half(both, run, tmp_path):
    run("upgrade FILE")
    command = [sys.executable, "-m", "zrokd", "db", "backup", str(both)]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([*command, "-"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (
        1,
        "zrokd: the backup cannot be written: No space left on device\n",
    )

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    target = tmp_path / "backups" / "backup"
    target.parent.mkdir()
    ended = subprocess.run(
        [*command, str(target)], capture_output=True, text=True, check=False, timeout=60, preexec_fn=small_files
    )
    assert ended.returncode == 1 and ended.stderr.startswith("zrokd: "), ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(target.parent.iterdir()) == []


def test_a_newer_backup_is_refused_and_nothing_is_lost(run, both, tmp_path):
    run("upgrade FILE")
    in_store(both, pretend_newer)
    run(f"backup FILE {tmp_path}/backup")
    in_store(both, forget_newer)
    in_store(both, accounts.add, "ann@example.com", "", 1)
    code, output = run(f"restore FILE {tmp_path}/backup --yes")
    assert code == 1 and "has schema 9999_future, and this zrokd knows none after" in output
    assert len(in_store(both, accounts.every)) == 1


def pretend_newer():
    base.database.execute_sql("insert into schema_migration (name, applied) values ('9999_future', '2040-01-01')")


def forget_newer():
    base.database.execute_sql("delete from schema_migration where name = '9999_future'")


def test_an_older_backup_is_brought_up_to_date(run, both, tmp_path):
    run("upgrade --to 2 FILE")
    run(f"backup FILE {tmp_path}/backup")
    code, output = run(f"restore FILE {tmp_path}/backup --yes")
    assert (code, output.count("applied")) == (0, len(NAMES) - 2)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_nothing_is_restored_over_a_running_controller(run, both, tmp_path):
    run("upgrade FILE")
    run(f"backup FILE {tmp_path}/backup")
    with subprocess.Popen(
        [sys.executable, "-m", "zrokd", "run", str(both)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as daemon:
        for line in daemon.stderr:
            if "the API answers" in line:
                break
        code, output = run(f"restore FILE {tmp_path}/backup --yes")
        assert code == 1 and ("is in use; stop its controller first" in output or "controllers run on this" in output)
        assert run(f"backup FILE {tmp_path}/another")[0] == 0, "a backup may be made meanwhile"
        daemon.kill()
        daemon.stderr.read()
    assert run(f"restore FILE {tmp_path}/backup --yes")[0] == 0


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
