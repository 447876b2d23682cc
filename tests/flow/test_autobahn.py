"""The Autobahn suite judges a websocket server the same, asked directly and through zrokd.

It is a program of Python 2.7 (on the path, or of pyenv), for which it is installed into .cache. Its parts 1 to 7 and 10
are 247 cases; 9 is of speed, 12 and 13 of compression, which is no matter of a proxy's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import ROOT, echoing
from zrokd.testing.scenario import Scenario

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.leaves_behind("the daemons are the module's; busy ones connect once more"),
]
SUITE = "autobahntestsuite==25.10.1"
PACKAGES = ROOT / ".cache" / SUITE.replace("==", "-")
PROGRAM = textwrap.dedent("""
    import site, socket, sys
    site.addsitedir(sys.argv.pop(1))
    found = socket.getaddrinfo
    def here(host, *rest):
        return found("127.0.0.1" if str(host).endswith(".localhost") else host, *rest)
    socket.getaddrinfo = here
    from autobahntestsuite.wstest import run
    run()
""")
CASES = 247
_PASSED = {"OK", "NON-STRICT"}  # which of both depends on what was quicker, the answer or the close after it


def python2() -> str:
    """An interpreter that has the suite."""
    known = [shutil.which("python2.7"), *Path.home().glob(".pyenv/versions/2.7*/bin/python2.7")]
    program = next((str(each) for each in known if each and _has_pip(str(each))), None)
    if program is None:
        pytest.skip("no Python 2.7 with pip is here, in which alone the Autobahn suite runs")
    if not PACKAGES.exists():
        fresh = PACKAGES.with_suffix(f".{os.getpid()}")
        words = [program, "-m", "pip", "install", "--quiet", "--target", str(fresh), SUITE]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        fresh.rename(PACKAGES)
    return program


def _has_pip(program: str) -> bool:
    return not subprocess.run([program, "-c", "import pip"], capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """What it says of each case, by the way it asked."""
    program, folder = python2(), tmp_path_factory.mktemp("autobahn")
    with echoing() as server:
        shares = [{"name": "app", "target": f"http://127.0.0.1:{server}"}]
        with Scenario(folder / "zrokd", shares=shares) as zrokd:
            ways = {
                "direct": f"ws://127.0.0.1:{server}",
                "zrokd": f"ws://app.share.localhost:{zrokd.frontend.port}",
            }
            return _judged(program, folder, ways)


def _judged(program: str, folder: Path, ways: dict[str, str]) -> dict[str, dict[str, Any]]:
    wanted = {
        "outdir": str(folder / "told"),
        "servers": [{"agent": agent, "url": url} for agent, url in ways.items()],
        "cases": ["*"],
        "exclude-cases": ["9.*", "12.*", "13.*"],
        "exclude-agent-cases": {},
    }
    (folder / "wanted.json").write_text(json.dumps(wanted))
    words = [program, "-c", PROGRAM, str(PACKAGES), "-m", "fuzzingclient", "-s", str(folder / "wanted.json")]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    told = folder / "told" / "index.json"
    assert told.exists(), f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return json.loads(told.read_text())


def kinds(verdict: dict[str, Any]) -> tuple[str, str, int | None]:
    """What of a verdict is the server's, however quick it was."""
    behaviour = "passed" if verdict["behavior"] in _PASSED else verdict["behavior"]
    return behaviour, verdict["behaviorClose"], verdict["remoteCloseCode"]


def test_each_case_is_judged_as_the_server_itself(verdicts):
    direct, through = verdicts["direct"], verdicts["zrokd"]
    assert len(direct) == len(through) == CASES
    assert {case: kinds(through[case]) for case in direct} == {case: kinds(told) for case, told in direct.items()}
    assert Counter(kinds(told)[0] for told in direct.values())["passed"] > 0.9 * CASES
