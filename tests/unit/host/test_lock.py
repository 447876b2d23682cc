import errno
import os
import stat
import subprocess
import sys

import pytest

from zrokd.errors import StartError
from zrokd.host.lock import StateLock


@pytest.fixture
def lock(tmp_path):
    made = StateLock(tmp_path / "a/state")
    yield made
    made.close()


def test_the_folder_is_made_for_its_owner_alone(lock, tmp_path):
    lock.acquire()
    assert stat.S_IMODE((tmp_path / "a/state").stat().st_mode) == 0o700
    assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600


def test_the_file_tells_who_holds_it(lock):
    lock.acquire()
    assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_second_holder_is_told_which_process_is_the_first(lock, tmp_path):
    lock.acquire()
    code = (
        "import sys, pathlib; from zrokd.host.lock import StateLock\n"
        "try: StateLock(pathlib.Path(sys.argv[1])).acquire()\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a/state")], capture_output=True, text=True)
    assert told.stdout.startswith("StartError the state directory")
    assert f"is in use by process {os.getpid()}; stop that daemon, or give this one a state_dir" in told.stdout


def test_it_can_be_taken_again_after_it_was_let_go(lock, tmp_path):
    lock.acquire()
    other = StateLock(tmp_path / "a/state")
    with pytest.raises(StartError, match="in use by process"):
        other.acquire()
    lock.close()
    lock.close()
    other.acquire()
    other.close()


def test_a_shorter_pid_leaves_nothing_of_a_longer_one(lock):
    lock.path.parent.mkdir(parents=True)
    lock.path.write_text("123456789012\n")
    lock.acquire()
    assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="it is a file; set state_dir"):
        StateLock(tmp_path / "file").acquire()
    with pytest.raises(StartError, match="a part of the path is a file; set state_dir"):
        StateLock(tmp_path / "file/below").acquire()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied; make it belong to this user"),
        (errno.EROFS, "the file system is read only"),
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("call", ["os.open", "os.pwrite"])
def test_what_the_machine_refuses_is_one_sentence(lock, monkeypatch, number, words, call):
    def refuse(*_args):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(f"zrokd.host.lock.{call}", refuse)
        with pytest.raises(StartError, match=words) as caught:
            lock.acquire()
    assert "\n" not in str(caught.value)
    lock.acquire()


def test_a_link_in_place_of_the_lock_empties_no_file(lock, tmp_path):
    (tmp_path / "a/state").mkdir(parents=True)
    (tmp_path / "victim").write_text("kept")
    lock.path.symlink_to(tmp_path / "victim")
    with pytest.raises(StartError, match="is a link; remove it"):
        lock.acquire()
    assert (tmp_path / "victim").read_text() == "kept"


def test_a_folder_that_everybody_can_write_is_refused(lock, tmp_path):
    (tmp_path / "a/state").mkdir(parents=True)
    (tmp_path / "a/state").chmod(0o777)
    with pytest.raises(StartError, match="can be written by everybody; run chmod o-w"):
        lock.acquire()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(lock, tmp_path):
    (tmp_path / "a/state").mkdir(parents=True)
    os.chown(tmp_path / "a/state", 65534, 65534)
    with pytest.raises(StartError, match="belongs to another user"):
        lock.acquire()
