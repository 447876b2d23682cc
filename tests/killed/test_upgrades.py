"""An upgrade of the database, killed with SIGKILL before each of its statements: run again, it finishes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres.fixtures import BOTH
from zrokd.store import migrate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HERE = Path(__file__).parent
ALL = sorted(path.stem for path in (Path(migrate.__file__).parent / "migrations").glob("0*.py"))


@pytest.fixture(params=BOTH)
def place(request, tmp_path):
    """Which database, and where."""
    if request.param == "postgres":
        return "postgres", str(request.getfixturevalue("postgres").folder)
    return "sqlite", str(tmp_path)


def test_an_upgrade_killed_at_any_statement_finishes_when_run_again(place, capsys):
    command = [sys.executable, str(HERE / "upgrade_child.py"), *place]
    environ = {"PYTHONPATH": str(HERE.parents[1]), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=environ)
    assert ended.returncode == 0, ended.stderr
    deaths = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(deaths) > 40
    for death in deaths:
        assert death["ended"] == 9 and death["whole"], death
        assert death["found"] == ALL[: len(death["found"])], "each migration is there as a whole, or not at all"
        assert not death["differences"] and death["emails"] == ["ann@example.com"], death
    halves = {len(death["found"]) for death in deaths}
    assert halves | {len(ALL)} == set(range(1, len(ALL) + 1)), "it died in each of them but the first"
    with capsys.disabled():
        print(f"\n{place[0]}: killed at {len(deaths)} statements", end=" ")
