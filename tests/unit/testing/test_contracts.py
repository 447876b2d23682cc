"""The suites can fail: each is shown a component that breaks one promise."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
BROKEN = {
    "an observer without a hook": ("Observer", "def nothing(self): pass", "test_it_listens_to_something"),
    "an observer whose hook fails": (
        "Observer",
        "@hookimpl\n    def zrokd_on_ready(self): 1 / 0",
        "test_each_of_its_hooks_can_be_called",
    ),
    "an observer that waits in a hook": (
        "Observer",
        "@hookimpl\n    def zrokd_on_exchange(self): gevent.sleep(0)",
        "test_each_of_its_hooks_can_be_called",
    ),
    "an observer with a misspelt hook": (
        "Observer",
        "@hookimpl\n    def zrokd_on_reddy(self): pass",
        "test_its_hooks_exist",
    ),
    "a sink that fails at a batch": ("Sink", "def write(self, batch): batch[0]", "test_a_batch_is_taken"),
    "a sink that leaves a descriptor": (
        "Sink",
        "def open(self): self.fds = os.pipe()\n    def write(self, batch): pass",
        "test_it_gives_everything_back",
    ),
    "a sink that works in its constructor": (
        "Sink",
        "def __init__(self, *a): super().__init__(*a); self.fds = os.pipe()\n    def write(self, batch): pass",
        "test_making_it_takes_nothing",
    ),
    "a sink whose close fails the second time": (
        "Sink",
        "def close(self): del self.settings\n    def write(self, batch): pass",
        "test_closing_twice_and_closing_unopened_is_fine",
    ),
    "a sink whose health waits": (
        "Sink",
        "def health(self): gevent.sleep(0); return Health()\n    def write(self, batch): pass",
        "test_its_health_is_told_at_once",
    ),
    "a gate that lets everybody in": (
        "Gate",
        "def check(self, head, route): return Allow()",
        "test_who_may_not_is_answered",
    ),
    "a gate that adds framing": (
        "Gate",
        "def check(self, head, route): return Respond(401, b'', ((b'Content-Length', b'0'),))",
        "test_who_may_not_is_answered",
    ),
    "a gate that raises at odd requests": (
        "Gate",
        "def check(self, head, route): head.get(b'Authorization').decode(); return Respond(401)",
        "test_odd_targets_break_nothing",
    ),
    "a filter that changes the length": (
        "Filter",
        "def on_request(self, head, route, peer): return head.without(b'Content-Length')",
        "test_it_gives_a_head_or_an_answer_at_once",
    ),
    "a filter that waits": (
        "Filter",
        "def on_request(self, head, route, peer): gevent.sleep(0); return head",
        "test_it_gives_a_head_or_an_answer_at_once",
    ),
    "a mode that does not end": (
        "Mode",
        "def serve(self, stream, caller): gevent.sleep(100)",
        "test_it_ends_when_the_visitor_leaves",
    ),
    "an authenticator that knows everybody": (
        "Authenticator",
        "def authenticate(self, c, d): return Principal(admin=True, method='x')",
        "test_it_knows_nobody_else",
    ),
    "an authenticator that trusts when the directory is away": (
        "Authenticator",
        "def authenticate(self, c, d): return None if d.__class__.__name__ == 'OneAccount' else Principal(admin=True)",
        "test_without_a_directory_it_lets_nobody_in_by_it",
    ),
}

HEAD = """
import os
import gevent
from zrokd import hookimpl
from zrokd.contracts import Authenticator, Filter, Gate, Health, Mode, Observer, Sink
from zrokd.model.account import Credentials, Principal
from zrokd.model.http import Allow, Respond
from zrokd.testing import contracts
from zrokd.testing.contracts import mode
mode.WAIT_S = 0.5
"""
CASE = """
class Broken{number}({slot}):
    name = "broken"
    {body}

class TestBroken{number}(contracts.{slot}Contract):
    Component = Broken{number}
    good = Credentials(token="ann-token")
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """The tests that failed, as `class::test`."""
    folder = tmp_path_factory.mktemp("broken")
    cases = [CASE.format(number=n, slot=slot, body=body) for n, (slot, body, _) in enumerate(BROKEN.values())]
    (folder / "test_broken.py").write_text(HEAD + "".join(cases))
    (folder / "conftest.py").write_text("from gevent import monkey\nmonkey.patch_all()\n")
    wanted = " or ".join(f"(TestBroken{n} and {test})" for n, (_, _, test) in enumerate(BROKEN.values()))
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", wanted, "test_broken.py"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 1, told.stdout + told.stderr
    return set(re.findall(r"^FAILED test_broken.py::(\w+::\w+)", told.stdout, re.MULTILINE))


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_component_fails_its_suite(failed, what):
    number = list(BROKEN).index(what)
    assert f"TestBroken{number}::{BROKEN[what][2]}" in failed
