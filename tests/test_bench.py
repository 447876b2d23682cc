"""What runs the benchmarks goes on when one fails, and says so."""

import pytest

from tests.bench import table
from tests.bench.table import Bench

ROW = "print('| 1 KiB | zrokd | 1/s | | |', flush=True)\n"
FAILED = "| `dev.py bench it` | failed: "


@pytest.fixture
def bench(tmp_path):
    """Makes one of these lines."""

    def make(lines: str, *arguments: str) -> Bench:
        file = tmp_path / "bench_it.py"
        file.write_text(lines)
        return Bench("it", file, arguments)

    return make


def test_one_that_fails_keeps_its_rows_and_says_so(bench, capfd):
    one = bench(f"{ROW}raise SystemExit('no nginx here')")
    assert [row.startswith(FAILED) for row in one.rows()] == [False, True]
    assert one.fault == "exit code 1 after 1 rows"
    assert "no nginx here" in capfd.readouterr().err


def test_one_that_measures_nothing_failed(bench):
    one = bench("print('load 1')")
    assert [row.startswith(FAILED) for row in one.rows()] == [True]


def test_rows_come_as_they_are_printed_and_one_that_does_not_end_is_told_to(bench, monkeypatch, capfd):
    monkeypatch.setattr(table, "LIMIT_S", 0.5)
    lines = f"import time\n{ROW}try:\n    time.sleep(60)\nfinally:\n    print('cleaned up', flush=True)"
    one = bench(lines)
    rows = one.rows()
    assert next(rows) == "| `dev.py bench it` | 1 KiB | zrokd | 1/s | | |\n"
    assert not one.fault, "it waits no longer than for the row"
    assert [row.startswith(FAILED) for row in rows] == [True]
    assert one.fault == "not done within 0.5 s"
    assert "cleaned up" in capfd.readouterr().out


def test_what_follows_a_failed_one_is_measured_and_the_exit_code_tells(tmp_path, monkeypatch, capsys):
    for name, lines in (("one", "raise SystemExit(3)"), ("two", ROW + "import sys; print(sys.argv[1:])")):
        (tmp_path / f"bench_{name}.py").write_text(lines)
    monkeypatch.setattr(table, "HERE", tmp_path)
    monkeypatch.setattr(table, "TABLE", tmp_path / "bench.md")
    monkeypatch.setattr(table, "QUICK", {"two": ["1"]})
    assert table.main(["--quick"]) == 1
    written = (tmp_path / "bench.md").read_text()
    assert "| `dev.py bench one` | failed: exit code 3 after 0 rows |" in written
    assert "| `dev.py bench two` | 1 KiB |" in written
    said = capsys.readouterr().out
    assert "['1']" in said
    assert said.rstrip().endswith("failed: one")
    assert table.main(["two"]) == 0


def test_an_unknown_one_is_named():
    with pytest.raises(SystemExit, match="no benchmark is called nonsense; there are bounded, control"):
        table.main(["nonsense"])


def test_every_short_one_exists():
    assert set(table.QUICK) <= {file.stem.removeprefix("bench_") for file in table.HERE.glob("bench_*.py")}
