"""What dev.py does before there is anything but python3."""

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def dev(tmp_path, monkeypatch):
    """dev.py as a module, working in an empty checkout."""
    spec = importlib.util.spec_from_file_location("dev_under_test", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("setup.cfg", "pyproject.toml"):
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "CACHE", tmp_path / ".cache")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv/bin/python")
    return module


@pytest.fixture
def commands(dev, monkeypatch, tmp_path):
    """The commands that it ran; none of them really runs. Making the environment makes its python."""
    ran = []

    def run(command, _sentence, cwd=None):
        ran.append([str(part) for part in command])
        if "venv" in command:
            dev.PYTHON.parent.mkdir(parents=True, exist_ok=True)
            dev.PYTHON.touch()

    monkeypatch.setattr(dev, "run_quietly", run)
    monkeypatch.setattr(dev.subprocess, "run", lambda *_a, **_k: subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(dev.subprocess, "call", lambda command, **_k: ran.append([str(p) for p in command]) or 0)
    return ran


def test_it_needs_nothing_but_the_standard_library():
    code = "import runpy, sys; runpy.run_path('dev.py'); print([m for m in sys.modules if 'site-packages' in m])"
    clean = [sys.executable, "-S", "-I", "-c", code]
    assert subprocess.run(clean, cwd=ROOT, capture_output=True, timeout=20).returncode == 0


def test_the_first_time_sets_up_and_the_second_does_nothing(dev, commands):
    dev.ensure("test")
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"]]
    assert commands[1][-1] == ".[test]"
    commands.clear()
    dev.ensure("test")
    assert commands == []


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml"])
def test_it_installs_again_when_the_packages_changed(dev, commands, tmp_path, name):
    dev.ensure("test")
    (tmp_path / name).write_text("two")
    commands.clear()
    dev.ensure("test")
    assert [command[1:3] for command in commands] == [["-m", "pip"]]


def test_other_extras_are_installed_when_they_are_asked_for(dev, commands):
    dev.ensure("test")
    commands.clear()
    dev.ensure("lint", "test")
    assert commands[-1][-1] == ".[lint,test]"


def test_an_installation_that_failed_is_done_again(dev, commands, monkeypatch):
    def fail(command, sentence, cwd=None):
        raise dev.SetupError(sentence)

    dev.ensure("tui")
    with monkeypatch.context() as patch:
        patch.setattr(dev, "run_quietly", fail)
        with pytest.raises(dev.SetupError, match="package index"):
            dev.ensure("test")
    commands.clear()
    dev.ensure("test")
    assert commands != []


@pytest.mark.parametrize(
    ("words", "further"),
    [
        (["test", "-q"], ["-q"]),
        (["test", "-m", "slow", "tests/flow"], ["-m", "slow", "tests/flow"]),
        (["test", "tests/unit", "-k", "a and b", "-h"], ["tests/unit", "-k", "a and b", "-h"]),
    ],
)
def test_arguments_of_test_go_to_pytest(dev, commands, words, further):
    assert dev.main(words) == 0
    assert commands[-1][1:] == ["-m", "pytest", *further]


@pytest.mark.parametrize("codes", [(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 3), (5, 1, 0)])
def test_all_tests_run_in_parts_and_each_may_fail(dev, tmp_path, monkeypatch, capfd, codes):
    python = tmp_path / "python"
    claim = 'mkdir "${3#--claim=}'
    claims = "\n".join(f'{claim}/{number}" && echo {number} && exit {code}' for number, code in enumerate(codes))
    python.write_text(f"#!/bin/sh\nexec 2>/dev/null\n{claims}\nexit 9\n")
    python.chmod(0o755)
    monkeypatch.setattr(dev, "PYTHON", str(python))
    monkeypatch.setattr(dev, "ensure", lambda *_: None)
    monkeypatch.setattr(dev.os, "cpu_count", lambda: 2)
    assert dev.main(["test"]) in (set(codes) - {0} or {0})
    assert sorted(capfd.readouterr().out.split()) == ["0", "1", "2"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_each_file_is_run_by_one_part_and_no_part_without_one_fails(tmp_path):
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text("def test_one():\n    pass\n\ndef test_two():\n    pass\n")
    claims = tmp_path / "claims"
    claims.mkdir()
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", f"--claim={claims}", "-c", "/dev/null"]
    taken = [str(tmp_path / "test_a.py"), str(tmp_path)]
    ends = [
        subprocess.run([*command, "-p", "no:schemathesis", path], cwd=ROOT, capture_output=True, text=True, timeout=60)
        for path in [*taken, str(tmp_path)]
    ]
    assert [(end.returncode, end.stdout.count("passed"), "2 passed" in end.stdout) for end in ends] == [
        (0, 1, True),
        (0, 1, True),
        (0, 0, False),
    ], ends


def test_processes_may_keep_what_they_compiled(dev, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setitem(dev.COMMANDS, "lint", lambda _arguments: "PYTHONDONTWRITEBYTECODE" in dev.os.environ)
    assert not dev.main(["lint"])


@pytest.mark.parametrize(("second", "outcome"), [(0, 0), (1, 1), (5, 5)], ids=["passes", "fails", "is not found"])
def test_what_failed_in_a_part_is_run_once_more_alone(dev, tmp_path, monkeypatch, capfd, second, outcome):
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@"\ncase "$*" in *last-failed*) exit {second} ;; *2-3*) exit 1 ;; esac\nexit 0\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(dev, "PYTHON", str(python))
    monkeypatch.setattr(dev, "ensure", lambda *_: None)
    assert dev.main(["test", "--again", "--parts", "3"]) == outcome
    told = [line for line in capfd.readouterr().out.splitlines() if line.startswith("-m")]
    assert told[3:] == ["-m pytest -o cache_dir=.pytest_cache/2-3 --last-failed --last-failed-no-failures none"]


@pytest.mark.parametrize("words", [[], ["nothing"], ["demo", "--twice"], ["lint", "-x"]])
def test_other_wrong_arguments_are_refused(dev, words):
    with pytest.raises(SystemExit) as refused:
        dev.main(words)
    assert refused.value.code == 2


def test_an_old_python_is_named(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev, "OLDEST", (99, 0))
    assert dev.main(["test"]) == 1
    assert "zrokd needs 99.0 or newer" in capsys.readouterr().err


def test_a_failing_command_shows_its_end_and_no_traceback(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev, "make_venv", lambda: dev.run_quietly([sys.executable, "-c", "1/0"], "it fails"))
    assert dev.main(["test"]) == 1
    err = capsys.readouterr().err
    assert "dev.py: it fails" in err
    assert "ZeroDivisionError" in err


def test_the_wheel_that_the_system_keeps_is_found(dev, tmp_path):
    assert dev.find_pip_wheel(tmp_path) is None
    folder = tmp_path / "usr/share/python-wheels"
    folder.mkdir(parents=True)
    (folder / "pip-1-py3-none-any.whl").touch()
    assert dev.find_pip_wheel(tmp_path) == folder / "pip-1-py3-none-any.whl"


def test_without_pip_and_without_apt_it_says_what_to_install(dev, monkeypatch):
    monkeypatch.setattr(dev.shutil, "which", lambda _name: None)
    with pytest.raises(dev.SetupError, match="no pip and no ensurepip"):
        dev.download_pip_wheel()


def test_a_taken_port_is_passed_by(dev):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert dev.free_port(port) not in (0, port)
    assert dev.free_port(port) == port


def test_clean_removes_what_can_be_made_again(dev, tmp_path):
    for name in (".venv/bin", ".cache", "zrokd"):
        (tmp_path / name).mkdir(parents=True)
    assert dev.main(["clean"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml", "setup.cfg", "zrokd"]
