import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zrokd import __version__
from zrokd.__main__ import _let_go, _needs_hub
from zrokd.cli import main
from zrokd.errors import ConfigError, Problem, ZrokdError

HEAVY = ("gevent", "pydantic", "requests", "falcon", "peewee", "yaml")


def test_help_of_every_command_imports_nothing_heavy():
    program = f"""
import sys, io, contextlib
from zrokd.cli.main import run_program, _COMMANDS
ours = [[name, "--help"] for name in [*_COMMANDS, "admin", "db"]]
for words in [[], ["--help"], ["--version"], ["version"], ["completion", "bash"], *ours]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run_program(words)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
@pytest.mark.blocks_hub("waits for processes")
def test_who_reads_no_further_is_told_nothing():
    """As `zrokd ... | head -1` does, once head has ended."""
    lines = ("--help", "share public --help", "check --schema", "check --effective conf/demo.yml", "plugins", "status")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        for line in (*lines, "completion bash", "version", "db --help", "admin audit --help"):
            words = [sys.executable, "-m", "zrokd", *line.split()]
            done = subprocess.run(words, stdout=output, stderr=subprocess.PIPE, text=True, timeout=20)
            assert (line, done.returncode, done.stderr) == (line, 128 + signal.SIGPIPE, "")


@pytest.mark.parametrize(
    ("words", "patched"),
    [
        ([], False),
        (["run", "x.yml"], True),
        (["share", "public", "3000"], True),
        (["access", "private", "t"], True),
        (["share", "--help"], False),
        (["run", "-h"], False),
        (["list", "shares"], False),
        (["status"], False),
    ],
)
def test_only_what_runs_a_daemon_is_patched(words, patched, monkeypatch):
    monkeypatch.delenv("_ZROKD_COMPLETE", raising=False)
    assert _needs_hub(words) is patched


def test_a_completion_is_not_patched(monkeypatch):
    monkeypatch.setenv("_ZROKD_COMPLETE", "bash_complete")
    assert not _needs_hub(["run"])


def test_help_names_every_command_and_those_of_plugins(shell):
    out, _ = shell("--help")
    assert all(f"  {name} " in out for name in main._COMMANDS)
    assert "Commands of plugins" in out
    assert all(f"  {name} " in out for name in ("admin", "db"))


@pytest.mark.parametrize("name", main._COMMANDS)
def test_every_command_has_help(shell, name):
    assert shell(name, "--help")[0].startswith(f"Usage: zrokd {name}")


def test_the_version_is_told_twice_alike(shell):
    assert shell("--version")[0] == shell("version")[0] == f"zrokd {__version__}\n"


@pytest.mark.parametrize(("word", "meant"), [("shar", "share"), ("enabel", "enable"), ("admn", "admin")])
def test_a_misspelt_command_is_met_with_the_right_one(shell, word, meant):
    assert f"Did you mean {meant!r}?" in shell(word, code=2)[1]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("access", "my-port"), "Did you mean: zrokd access private my-port?"),
        (("share", "3000"), "share public 3000"),
        (("share", "publc", "3000"), "Did you mean: zrokd share public 3000?"),
    ],
)
def test_a_kind_that_was_left_out_is_told_of(shell, words, meant):
    assert meant in shell(*words, code=2)[1]


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_file_that_was_left_out_is_told_of_alike(shell, command):
    assert shell(command, code=2)[1].startswith("zrokd: Missing argument 'FILE'.\n")


@pytest.mark.parametrize("name", ["share", "access", "delete", "list", "token", "admin", "db"])
def test_the_help_of_a_group_cuts_no_sentence(shell, name):
    assert "..." not in shell(name, "--help")[0].replace("[ARGS]...", "")


def test_a_word_that_is_no_command_is_met_with_help(shell):
    assert "See zrokd --help" in shell("xyzzy", code=2)[1]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ZrokdError("it is so"), 1, "zrokd: it is so\n"),
        (ConfigError([Problem("a.b is wrong")]), 2, "a.b"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failures_have_their_exit_codes(monkeypatch, capsys, error, code, said):
    def fail(*_args, **_how):
        raise error

    monkeypatch.setattr(main.program, "main", fail)
    assert main.run_program([]) == code
    assert said in capsys.readouterr().err


def test_a_plugin_command_is_run(shell):
    assert "Usage: zrokd db" in shell("db", "--help")[0]


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_completion_scripts_call_us_back(shell, kind):
    assert "_ZROKD_COMPLETE" in shell("completion", kind)[0]


def test_an_unknown_shell_is_refused_on_one_line(shell):
    for words in (["completion"], ["completion", "tcsh"]):
        sentence, hint = shell(*words, code=2)[1].splitlines()
        assert "SHELL" in sentence
        assert "bash" in sentence
        assert hint == "help: zrokd completion --help"


@pytest.mark.parametrize("words", [(), ("share",), ("list",), ("admin", "create"), ("db",)], ids=" ".join)
def test_half_a_command_is_met_with_its_help_alone(shell, words):
    out, err = shell(*words, code=2)
    assert out == ""
    assert err.startswith(" ".join(["Usage: zrokd", *words]))
    assert "help: zrokd" not in err


@pytest.mark.parametrize(
    ("answer", "shown"),
    [("n\n", "zrokd: nothing was done\n"), ("", "\nzrokd: nothing was done\n")],
    ids=["no", "the end of standard input"],
)
def test_a_no_to_a_question_is_no_interruption(shell, tmp_path, answer, shown):
    (tmp_path / "z.yml").write_text("version: 1\n")
    out, err = shell("db", "downgrade", tmp_path / "z.yml", "1", given=answer, code=1)
    assert err.removeprefix("What the tables hold is lost, and a running controller fails. Go on? [y/N]: ") == shown
    assert out == ""


IMPORTED = """
import importlib.abc, os, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

import zrokd.__main__
sys.meta_path.insert(0, Finder())
sys.argv = ["zrokd", "share", "public", "3000"]
zrokd.__main__.main()
"""


@pytest.mark.parametrize("module", ["gevent.monkey", "zrokd.cli.main", "zrokd.cli.share", "zrokd.host.registry"])
def test_ctrl_c_while_it_starts_is_quiet(module, home):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(module=module)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode in (-signal.SIGINT, main.INTERRUPTED)
    assert done.stdout == ""
    assert done.stderr.strip() in ("", "zrokd: interrupted")


PATCHED = """
import importlib.metadata
importlib.metadata.entry_points = None
import zrokd.__main__
zrokd.__main__._patch()
from gevent.monkey import is_module_patched
print(is_module_patched("socket"), is_module_patched("threading"))
"""


def test_a_start_patches_without_asking_what_is_installed():
    done = subprocess.run([sys.executable, "-c", PATCHED], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == ("True True\n", "")


def test_an_output_without_room_is_one_sentence():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zrokd", "version"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20
        )
    assert (done.returncode, done.stderr) == (1, "zrokd: the output cannot be written: No space left on device\n")


def test_what_nobody_reads_any_more_does_not_fail_the_end():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        stream.write("the drain goes on\n")
        os.close(reader)
        _let_go(stream)


def test_an_output_that_was_closed_needs_nothing():
    with Path(os.devnull).open("w") as stream:
        pass
    _let_go(stream)
    _let_go(None)
