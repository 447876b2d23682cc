import dataclasses
import fcntl
import json
import logging
import os
import platform
import subprocess
import sys

import gevent
import pytest

from zrokd.client import holds
from zrokd.client.holds import Hold, Holds, holds_folder
from zrokd.errors import NotFound, Unavailable

SHARE = Hold(z_id="env", share="tok", key="public:1")
ACCESS = Hold(z_id="env", share="theirs", access="acc")


class Books:
    """A controller: what it was told to end, and what it raises."""

    def __init__(self):
        self.ended, self.fails = [], None

    def unshare(self, z_id, token):
        self._end((z_id, token))

    def unaccess(self, z_id, share_token, access_token):
        self._end((z_id, share_token, access_token))

    def _end(self, what):
        if self.fails:
            raise self.fails
        self.ended.append(what)


@pytest.fixture
def books():
    return Books()


@pytest.fixture
def process(tmp_path, books):
    """process(): the holds of one more process; each has descriptors of its own, which is all that a lock knows."""
    made = []

    def start():
        made.append(Holds(tmp_path / "holds", books, logging.getLogger("test.holds")))
        return made[-1]

    yield start
    for one in made:
        one.close()


def take(one, *wanted):
    for hold in wanted:
        with one.offering():
            one.take(hold)


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "holds").iterdir() if path.name != ".gate")


def test_what_a_process_left_is_ended_by_the_next(process, books, tmp_path):
    one = process()
    take(one, SHARE, ACCESS)
    one.close()
    assert len(files(tmp_path)) == 2
    ended = process().settle("env")
    assert sorted(books.ended) == [("env", "theirs", "acc"), ("env", "tok")]
    assert {dataclasses.replace(hold, host="") for hold in ended} == {SHARE, ACCESS}
    assert files(tmp_path) == []
    assert process().settle("env") == []


def test_what_is_served_is_not_touched(process, books, tmp_path):
    one = process()
    take(one, SHARE, ACCESS)
    assert process().settle("env") == []
    assert one.settle("env") == []
    assert books.ended == []
    assert len(files(tmp_path)) == 2


def test_a_share_served_twice_is_ended_with_the_last(process, books, tmp_path):
    one, two = process(), process()
    take(one, SHARE)
    take(two, SHARE)
    one.end(SHARE)
    assert books.ended == []
    assert process().settle("env") == []
    two.end(SHARE)
    assert books.ended == [("env", "tok")]
    assert files(tmp_path) == []


def test_what_is_served_under_another_key_is_ended_by_its_token(process, books, tmp_path):
    one = process()
    take(one, SHARE, dataclasses.replace(SHARE, key="public:2"))
    take(one, Hold(z_id="env", share="other", key="public:1"))  # in place of the first
    assert not one.is_served("tok")
    one.end(SHARE)
    one.end(Hold(z_id="env", share="other"))
    assert books.ended == [("env", "tok"), ("env", "other")]
    assert files(tmp_path) == []


def test_what_is_to_last_is_let_go_and_not_ended(process, books, tmp_path):
    one, killed = process(), process()
    take(one, dataclasses.replace(SHARE, lasts=True))
    one.close()
    assert files(tmp_path) == []
    take(killed, dataclasses.replace(SHARE, lasts=True))
    [os.close(killed._held.popitem()[1])]
    assert process().settle("env") == []
    assert files(tmp_path) == []
    assert books.ended == []


def test_what_the_next_takes_up_again_is_left_to_it(process, books, tmp_path):
    one = process()
    take(one, SHARE)
    one.close()
    next_one = process()
    assert next_one.settle("env", but=["public:1"]) == []
    take(next_one, SHARE)
    assert books.ended == []
    assert process().settle("env") == []


@pytest.mark.parametrize("change", [{"z_id": "another"}, {"host": "another"}])
def test_what_is_not_ours_to_end_is_not_ended(process, books, tmp_path, change):
    one = process()
    take(one, SHARE)
    one.close()
    [name] = files(tmp_path)
    path = tmp_path / "holds" / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert process().settle("env") == []
    assert books.ended == []
    assert files(tmp_path) == ([name] if "host" in change else [])


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"z_id": "env"}', b"\xff", b'{"z_id":1,"share":2,"more":3}'])
def test_a_file_that_says_nothing_is_removed(process, books, tmp_path, text):
    (tmp_path / "holds").mkdir()
    (tmp_path / "holds" / "x").write_bytes(text)
    assert process().settle("env") == []
    assert files(tmp_path) == []
    assert books.ended == []


def test_what_is_gone_already_is_ended_too(process, books, tmp_path):
    one = process()
    take(one, SHARE)
    one.close()
    books.fails = NotFound("no such share")
    assert len(process().settle("env")) == 1
    assert files(tmp_path) == []


def test_a_controller_that_does_not_answer_leaves_it_for_the_next_time(process, books):
    one = process()
    take(one, SHARE)
    books.fails = Unavailable("away")
    with pytest.raises(Unavailable):
        one.end(SHARE)
    assert process().settle("env") == []  # the process lives
    one.close()
    with pytest.raises(Unavailable):
        process().settle("env")
    books.fails = None
    assert len(process().settle("env")) == 1


def test_what_was_never_noted_is_ended_all_the_same(process, books):
    process().end(SHARE)
    assert books.ended == [("env", "tok")]


def test_a_new_share_of_one_key_takes_the_place_of_the_old(process, books):
    one = process()
    take(one, SHARE, dataclasses.replace(SHARE, share="tok2"), dataclasses.replace(SHARE, share="tok2"))
    assert len(one._held) == 1
    assert [hold.share for hold in process().settle("env")] == ["tok"]
    assert books.ended == [("env", "tok")]


def test_nobody_ends_what_is_being_offered(process, books):
    one, two, three = process(), process(), process()
    take(three, SHARE)
    three.close()
    with one.offering(), two.offering():
        ending = gevent.spawn(process().settle, "env")
        gevent.sleep(0.1)
        assert not ending.ready()
        one.take(SHARE)
    assert ending.get(timeout=10) == []
    assert books.ended == []


def test_who_waits_too_long_says_so(process, monkeypatch):
    monkeypatch.setattr(Holds, "wait_s", 0.0)
    one, two = process(), process()
    with one.offering(), pytest.raises(Unavailable, match="another zrokd"):
        two.end(SHARE)


@pytest.mark.parametrize("broken", ["folder", "flock", "open"])
def test_where_nothing_can_be_noted_nothing_is_ended(process, books, tmp_path, monkeypatch, broken):
    def fail(*_args, **_how):
        raise OSError("not here")

    if broken == "folder":
        (tmp_path / "holds").write_text("a file")
    else:
        monkeypatch.setattr(*((fcntl, "flock") if broken == "flock" else (holds.os, "open")), fail)
    one = process()
    take(one, SHARE)
    one.close()
    assert process().settle("env") == []
    assert books.ended == []
    process().end(SHARE)
    assert books.ended == [("env", "tok")]


def test_holds_are_private_and_no_name_leads_out_of_their_folder(process, tmp_path):
    one = process()
    take(one, Hold(z_id="env", share="../../x", access="/etc/passwd"))
    [name] = files(tmp_path)
    assert (tmp_path / "holds").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "holds" / name).stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "holds" / name).read_text())["host"] == platform.node()


def test_holds_are_beside_the_environment_when_that_can_be_written(tmp_path):
    assert holds_folder(tmp_path, tmp_path / "own") == tmp_path / "holds"
    assert holds_folder(tmp_path / "nowhere", tmp_path / "own") == tmp_path / "own" / "holds"


_SERVE = """
import logging, pathlib, sys, time
from zrokd.client.holds import Hold, Holds
one = Holds(pathlib.Path(sys.argv[1]), None, logging.getLogger())
with one.offering():
    one.take(Hold(z_id="env", share="tok"))
print("served", flush=True)
time.sleep(60)
"""


@pytest.mark.blocks_hub("waits for a process")
def test_a_killed_process_lets_go_and_a_living_one_does_not(process, books, tmp_path):
    words = [sys.executable, "-c", _SERVE, str(tmp_path / "holds")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "served\n"
        assert process().settle("env") == []
        child.kill()
    assert len(process().settle("env")) == 1
    assert books.ended == [("env", "tok")]
