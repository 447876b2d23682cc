"""Command lines run in this process, against a whole zrokd."""

import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import gevent
import pytest

from zrokd.cli.main import run_program
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

WAIT_S = 15


def pytest_collection_modifyitems(items):
    """A daemon that serves a whole file opens connections to its database in the middle of a test."""
    for item in items:
        if "site" in getattr(item, "fixturenames", ()) and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.leaves_behind("the site serves all tests of its file"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A controller and a frontend, for all tests of a file."""
    with Scenario(tmp_path_factory.mktemp("site")) as zrokd:
        yield zrokd


class Shell:
    """What a person has typed so far, and what was printed."""

    def __init__(self, capsys, monkeypatch):
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.out = self.err = ""
        self._running = []

    def __call__(self, *words, code=0, given=None):
        """(standard output, standard error) of one command line that ends by itself."""
        if given is not None:
            self._monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        self._read()
        self.out = self.err = ""
        ended = run_program([str(word) for word in words])
        self._read()
        assert ended == code, (words, ended, self.out, self.err)
        return self.out, self.err

    def lines(self, *words):
        """The JSON lines that a command prints."""
        return [json.loads(line) for line in self(*words, "--json")[0].splitlines()]

    def start(self, *words):
        """A command line that goes on; `until` waits for what it prints, `end` ends it."""
        self._read()
        self.out = self.err = ""
        one = gevent.spawn(run_program, [str(word) for word in words])
        self._running.append(one)
        return one

    def until(self, *texts):
        """Return what was printed as soon as all of `texts` were."""
        stop = time.monotonic() + WAIT_S
        while not all(text in self.out + self.err for text in texts):
            assert time.monotonic() < stop, (texts, self.out, self.err)
            gevent.sleep(0.01)
            self._read()
        return self.out, self.err

    def end(self, number=signal.SIGINT):
        """The exit code of what was started last, after a signal."""
        os.kill(os.getpid(), number)
        code = self._running[-1].get(timeout=WAIT_S)
        self._read()
        return code

    def close(self):
        gevent.killall(self._running)

    def _read(self):
        out, err = self._capsys.readouterr()
        self.out, self.err = self.out + out, self.err + err


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home for the environment."""
    monkeypatch.setenv("ZROKD_HOME", str(tmp_path / "home"))
    for name in ("ZROKD_CONTROLLER", "ZROK2_API_ENDPOINT", "ZROKD_CA", "ZROKD_BASIC_AUTH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def shell(home, capsys, monkeypatch):
    """shell("list", "names"): what that prints; the home is empty."""
    one = Shell(capsys, monkeypatch)
    yield one
    one.close()


@pytest.fixture
def enabled(site, shell, home, monkeypatch):
    """A shell of a person whose machine is enabled; disabled again at the end, whatever became of the test."""
    monkeypatch.setenv("ZROKD_CONTROLLER", site.controller_url)
    shell("enable", ACCOUNT_TOKEN)
    yield shell
    shell.close()
    monkeypatch.setenv("ZROKD_HOME", str(home))
    if json.loads(shell("status", "--json")[0])["enabled"]:
        shell("disable")
