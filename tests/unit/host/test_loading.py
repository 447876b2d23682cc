import gevent
import pytest
from gevent.monkey import get_original

from zrokd.errors import ConfigError, Problem, StartError
from zrokd.host.greenlets import Threads
from zrokd.host.loading import Loading

_thread_id = get_original("threading", "get_ident")


@pytest.fixture
def threads():
    made = Threads(2)
    yield made
    made.close()


def test_it_is_read_in_a_thread(threads):
    assert Loading(_thread_id, threads)() != _thread_id()


def test_what_is_wrong_comes_back(threads):
    def load():
        raise ConfigError([Problem("no such key")])

    loading = Loading(load, threads)
    for _ in range(2):
        with pytest.raises(ConfigError, match="no such key"):
            loading()


def test_a_mount_that_hangs_ends_the_reload_and_not_the_daemon(threads, monkeypatch):
    monkeypatch.setattr("zrokd.host.loading._LIMIT_S", 0.05)
    mount = get_original("threading", "Event")()
    loading = Loading(lambda: mount.wait(10), threads)
    turns = gevent.spawn(lambda: [gevent.sleep(0.001) for _ in range(5)])
    with pytest.raises(StartError, match=r"could not be read within 0.05 s; see what its disk or mount waits for"):
        loading()
    assert turns.successful()
    with pytest.raises(StartError, match="is still being read for an earlier reload"):
        loading()
    mount.set()
    with gevent.Timeout(10):
        while loading._busy:
            gevent.sleep(0.001)
    assert loading() is True
