"""Two backend daemons that serve one share: both get requests, one may die at any time, and it comes back by itself."""

from __future__ import annotations

import dataclasses
import shutil
import signal
from collections import Counter

import gevent
import pytest

from tests.flow.conftest import HOST, Process, Target, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
BACK_WITHIN_S = 15.0


@pytest.fixture
def second_target():
    made = Target()
    yield made
    made.stop()


@pytest.fixture
def second(three, second_target):
    """A second backend of the same environment, with the same share and another target; not started."""
    folder = three.folder / "state" / "second"
    shutil.copytree(three.backend.state, folder, ignore=shutil.ignore_patterns("*.sock", "*.lock", "holds"))
    person = three.people["backend"]
    for path in (folder, *folder.rglob("*")):
        if person.uid is not None:
            shutil.chown(path, person.uid, person.gid)
    (three.folder / "etc" / "second.yml").write_text(three.backend.file.read_text())
    environ = {**three.backend.environ, "STATE_DIRECTORY": str(folder), "ZROKD_TARGET": second_target.url}
    made = dataclasses.replace(three.backend, name="second", environ=environ, child=None, said=[])
    yield made
    made.close()


def who(three) -> str:
    """Which target answers a new visitor."""
    with three.visitor() as visitor:
        answer = visitor.get("/")
    return answer.body.split()[1].decode() if answer.status == 200 else str(answer.status)


def left_out(three) -> list[str]:
    return [record["message"] for record in three.frontend.records() if "terminator" in record["message"]]


def test_both_serve_and_when_one_is_killed_no_visitor_notices(three, second: Process, target, second_target):
    second.start()
    both = {str(target.port), str(second_target.port)}
    eventually(lambda: {who(three) for _ in range(4)} == both, three.logs)
    assert set(Counter(who(three) for _ in range(20)).values()) == {10}
    second.kill()
    assert {who(three) for _ in range(30)} == {str(target.port)}
    second.start()
    eventually(lambda: {who(three) for _ in range(2)} == both, three.logs, BACK_WITHIN_S)


def test_a_target_that_is_down_behind_one_of_them_is_left_out_and_comes_back(three, second, target, second_target):
    both = {str(target.port), str(second_target.port)}
    second_target.stop()
    second.start()
    eventually(lambda: "1 of 1 shares" in second.detail("role.backend"), second.text)
    answers = Counter(who(three) for _ in range(30))
    eventually(lambda: who(three) and left_out(three), three.logs)
    assert answers == {str(target.port): 30}, "nobody noticed"
    second_target.start()
    eventually(lambda: {who(three) for _ in range(2)} == both, three.logs, BACK_WITHIN_S)
    told = left_out(three)
    assert len(told) == 2
    assert "is left out until it answers again, after 3 failures in a row: its target fails" in told[0]
    assert told[1].endswith("answers again")


def test_one_that_hangs_costs_three_requests_at_most_and_is_back_when_it_goes_on(three, second, target, second_target):
    three.frontend.file.write_text(
        three.frontend.file.read_text() + "    limits: {first_byte: 1s, terminator_rest: 1s}\n"
    )
    three.frontend.reload()
    second.start()
    both = {str(target.port), str(second_target.port)}
    eventually(lambda: {who(three) for _ in range(4)} == both, three.logs)
    second.child.send_signal(signal.SIGSTOP)
    try:
        answers = Counter(who(three) for _ in range(20))
    finally:
        second.child.send_signal(signal.SIGCONT)
    assert answers["504"] <= 4, answers
    assert answers[str(target.port)] >= 16
    eventually(lambda: {who(three) for _ in range(2)} == both, three.logs, BACK_WITHIN_S)
    gevent.sleep(0)
    assert three.status(HOST) == 200
