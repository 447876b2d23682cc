import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from zrokd import hookimpl
from zrokd.errors import ConfigError, PluginError, Problem, StartError
from zrokd.host.daemon import Daemon
from zrokd.host.logs import Logs

TWO = {"roles": {"desk": {}, "shelf": {}}}


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """The service manager's socket; `told()` is all it was told so far."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "n"))
    sock.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
    lines = []

    def told():
        while True:
            try:
                lines.append(sock.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return [first for first, *_ in lines]

    told.lines = lines
    yield told
    sock.close()


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        gevent.sleep(0.005)


def health(daemon):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(daemon.configuration.state_dir / "health.sock"))
        sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        return int(sock.recv(100).split()[1])


# -- start and stop ---


def test_a_life(daemon, diary, manager):
    one = daemon(**TWO)
    one.start()
    steps = ["open", "serve", "ready"]
    assert diary == [f"role.{name} {step}" for step in steps for name in ("desk", "shelf")]
    assert manager() == ["READY=1"]
    assert manager.lines[0] == ["READY=1", "STATUS=desk, shelf"]
    diary.clear()
    one.stop(3)
    assert diary == [
        "role.desk draining", "role.shelf draining", "role.desk drain 3", "role.shelf drain 3",
        "role.shelf close", "role.desk close",
    ]  # fmt: skip
    assert manager() == ["READY=1", "STOPPING=1"]


def test_a_role_that_ends_last_drains_when_the_others_are_closed(daemon, diary, monkeypatch):
    one = daemon(**TWO)
    one.start()
    monkeypatch.setattr(one.components.roles["desk"], "ends_last", True, raising=False)
    diary.clear()
    one.stop(3)
    ends = ["role.shelf drain 3", "role.shelf close", "role.desk drain", "role.desk close"]
    assert all(line.startswith(end) for line, end in zip(diary[2:], ends, strict=True))


def test_a_role_that_ends_last_has_what_the_others_left_of_the_time(daemon, diary, monkeypatch):
    monkeypatch.setattr("zrokd.host.daemon._CLOSE_S", 0.05)
    one = daemon(**TWO)
    one.start()
    monkeypatch.setattr(one.components.roles["desk"], "ends_last", True, raising=False)
    one.components.roles["shelf"].gate = Event()
    one.stop(0.05)
    assert diary[-2:] == ["role.desk drain 0", "role.desk close"]


def test_health_answers_while_it_serves(daemon):
    one = daemon()
    one.start()
    assert health(one) == 200
    one.stop(0)
    with pytest.raises(OSError, match=r"No such file|refused"):
        health(one)


def test_stopping_twice_is_fine_and_the_second_waits_for_the_first(daemon, diary):
    one = daemon()
    one.start()
    one.components.roles["desk"].gate = gate = Event()
    first, second = gevent.spawn(one.stop, 30), gevent.spawn(one.stop, 30)
    until(lambda: "role.desk drain 30" in diary)
    assert not second.ready()
    gate.set()
    gevent.joinall([first, second], timeout=10)
    assert second.ready()
    assert diary.count("role.desk close") == 1


def test_a_role_that_does_not_drain_in_time_is_closed_anyway(daemon, diary, monkeypatch):
    monkeypatch.setattr("zrokd.host.daemon._CLOSE_S", 0.05)
    one = daemon()
    one.start()
    one.components.roles["desk"].gate = Event()
    one.stop(0.05)
    assert diary[-1] == "role.desk close"


def test_a_role_whose_drain_fails_is_closed_and_logged(daemon, diary, caplog):
    one = daemon(roles={"desk": {"fail": "drain 1 badly"}, "shelf": {}})
    one.start()
    one.stop(1)
    assert diary[-2:] == ["role.shelf close", "role.desk close"]
    assert "drain role.desk failed" in caplog.text


def test_listeners_hear_hooks_like_components(configure, registry):
    class Screen:
        def __init__(self):
            self.seen = []

        @hookimpl
        def zrokd_on_share_lost(self, token):
            self.seen.append(token)

    screen = Screen()
    one = Daemon(configure(), registry, listeners=[screen])
    one.start()
    one.components.plugins.on_share_lost("tok", "gone")
    one.stop(0)
    assert screen.seen == ["tok"]


def test_a_listener_with_a_misspelt_hook_does_not_start(configure, registry):
    class Screen:
        @hookimpl
        def zrokd_on_shar_lost(self):
            pass

    with pytest.raises(PluginError, match=r"listener.Screen: there is no hook zrokd_on_shar_lost"):
        Daemon(configure(), registry, listeners=[Screen()]).start()


def test_open_connections_are_those_of_the_roles(daemon):
    one = daemon(**TWO)
    one.start()
    one.components.roles["desk"].active = 3
    assert one.open_connections() == 3


def test_logs_go_by_the_configuration(configure, registry):
    stream = io.StringIO()
    one = Daemon(configure(log={"level": "info", "format": "json"}), registry, logs=Logs(stream))
    one.start()
    one.stop(0)
    assert '"message": "serving desk"' in stream.getvalue()
    assert '"message": "stopped"' in stream.getvalue()


# -- a start that fails ---


@pytest.mark.parametrize("step", ["open", "serve"])
@pytest.mark.parametrize("how", ["", " badly"])
def test_what_fails_at_the_start_leaves_nothing_open(daemon, diary, manager, step, how):
    one = daemon(roles={"desk": {}, "shelf": {"fail": step + how}})
    words = "oops" if how else "failed on purpose"
    with pytest.raises((StartError, PluginError), match=words):
        one.start()
    assert diary[-2:] == ["role.shelf close", "role.desk close"]
    assert manager() == []
    again = daemon()
    again.start()  # the lock and the health socket are free


def test_a_second_daemon_on_one_state_directory_is_told_who_holds_it(daemon):
    daemon().start()
    with pytest.raises(StartError, match=f"is in use by process {os.getpid()}; stop that daemon"):
        daemon().start()


def test_a_taken_health_port_is_one_sentence(daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one = daemon(health={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(StartError, match="another program listens there"):
            one.start()


def test_a_socket_nobody_listens_on_is_told(daemon, monkeypatch, caplog):
    from zrokd.host import systemd

    spare = socket.create_server(("127.0.0.1", 0))
    fd = spare.detach()
    monkeypatch.setattr(systemd, "_FIRST_FD", fd)
    for name, value in {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}.items():
        monkeypatch.setenv(name, value)
    daemon().start()
    assert "handed over a socket that nothing listens on" in caplog.text
    assert "http" in caplog.text


# -- reload ---


def test_a_good_reload(daemon, diary, manager, caplog):
    caplog.set_level("INFO", "zrokd.daemon")
    one = daemon()
    one.start()
    diary.clear()
    one.next = {"roles": {"desk": {"note": "new"}}, "observers": [{"use": "ear"}]}
    assert one.reload()
    assert diary == ["observer.ear open", "role.new reload"]
    assert one.configuration.roles["desk"].settings.note == "new"
    assert manager() == ["READY=1", "RELOADING=1", "READY=1"]
    assert "reloaded: roles.desk, observers" in caplog.text
    assert one.reload()
    assert "reloaded: nothing changed" in caplog.text


@pytest.mark.parametrize(
    ("fresh", "words"),
    [
        ({"roles": {"desk": {"note": 5}}, "drain": "soon"}, "reload refused, the old state stays"),
        ({"state_dir": "/tmp/elsewhere"}, "needs a restart to change: state_dir"),
        ({"roles": {"desk": {"fail": "reload"}}}, "reload failed, the old state stays: the new port is taken"),
        ({"observers": [{"use": "ear", "fail": "open badly"}]}, "could not be opened"),
    ],
)
def test_a_bad_reload_keeps_the_old_state_and_says_why(daemon, manager, caplog, fresh, words):
    one = daemon()
    one.start()
    before = one.configuration
    one.next = fresh
    assert not one.reload()
    assert one.configuration is before
    assert words in caplog.text
    assert manager() == ["READY=1", "RELOADING=1", "READY=1"]


def test_every_mistake_of_a_new_file_is_logged(configure, registry, caplog):
    def load():
        raise ConfigError([Problem("one", "a", "f.yml", 1, 2), Problem("two", "b", "f.yml", 3, 4)])

    one = Daemon(configure(), registry, load=load)
    one.start()
    assert not one.reload()
    one.stop(0)
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [text.partition("stays: ")[2] for text in told] == ["f.yml:1:2: a: one", "f.yml:3:4: b: two"]


def test_a_daemon_without_a_file_cannot_reload(configure, registry, caplog):
    one = Daemon(configure(), registry)
    one.start()
    assert not one.reload()
    one.stop(0)
    assert "has no file to read again" in caplog.text


def test_a_role_that_was_taken_away_drains_and_closes(daemon, diary):
    one = daemon(**TWO, drain="7s")
    one.start()
    diary.clear()
    one.next = {"roles": {"desk": {}}, "drain": "7s"}
    assert one.reload()
    until(lambda: "role.shelf close" in diary)
    assert diary == ["role.shelf drain 7", "role.shelf close"]


def test_a_stop_waits_for_a_role_that_was_taken_away_as_long_as_for_others(daemon, diary):
    one = daemon(**TWO)
    one.start()
    one.components.roles["shelf"].gate = Event()
    one.next = {"roles": {"desk": {}}}
    one.reload()
    one.stop(0)
    assert "role.shelf close" in diary


def test_a_role_that_was_taken_away_ends_its_work_before_the_daemon_does(daemon, diary):
    one = daemon(**TWO)
    one.start()
    shelf = one.components.roles["shelf"]
    shelf.gate = Event()
    one.next = {"roles": {"desk": {}}}
    one.reload()
    stopping = gevent.spawn(one.stop, 10)
    gevent.sleep(0)
    assert "role.shelf close" not in diary
    shelf.gate.set()
    stopping.get(timeout=5)
    assert "role.shelf close" in diary


# -- a process of its own ---


@pytest.fixture
def running(daemon):
    """running(roles=...): a daemon whose `run` is under way, and the greenlet."""

    def start(**tree):
        one = daemon(**tree)
        return one, gevent.spawn(one.run)

    return start


def test_sigterm_ends_with_0(running, diary):
    _, run = running()
    until(lambda: "role.desk ready" in diary)
    os.kill(os.getpid(), signal.SIGTERM)
    assert run.get(timeout=10) == 0
    assert diary[-1] == "role.desk close"


def test_sighup_reloads(running, diary):
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    one.next = {"roles": {"desk": {"note": "new"}}}
    os.kill(os.getpid(), signal.SIGHUP)
    until(lambda: "role.new reload" in diary)
    os.kill(os.getpid(), signal.SIGTERM)
    assert run.get(timeout=10) == 0


def test_a_reload_reads_its_file_beside_the_hub(daemon, diary, caplog):
    one, mount = daemon(), get_original("threading", "Event")()
    one.start()
    one.next = {"roles": {"desk": {"note": "new"}}}
    read = one._load._load
    one._load._load = lambda: mount.wait(10) and read()
    reloading = gevent.spawn(one.reload)
    gevent.sleep(0.01)
    assert health(one) == 200
    mount.set()
    assert reloading.get(timeout=10)
    assert diary[-1] == "role.new reload"


def test_a_sighup_during_a_reload_makes_it_read_its_file_once_more(running, diary, registry, monkeypatch):
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    gate = Event()

    def read(_role, settings):
        diary.append(settings.note)
        gate.wait()

    monkeypatch.setattr(registry("role", "desk"), "reload", read)
    for note in ("new", "newest"):
        one.next = {"roles": {"desk": {"note": note}}}
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: "new" in diary)
    gevent.sleep(0)
    gate.set()
    until(lambda: "newest" in diary)
    os.kill(os.getpid(), signal.SIGTERM)
    assert run.get(timeout=10) == 0


def test_a_reload_that_hangs_does_not_keep_it_from_ending(running, diary, registry, monkeypatch):
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    monkeypatch.setattr(registry("role", "desk"), "reload", lambda *_: (diary.append("hangs"), gevent.sleep(100)))
    one.next = {"roles": {"desk": {"note": "new"}}}
    os.kill(os.getpid(), signal.SIGHUP)
    until(lambda: "hangs" in diary)
    os.kill(os.getpid(), signal.SIGTERM)
    assert run.get(timeout=10) == 0
    assert diary[-1] == "role.desk close"


def test_a_second_sigint_ends_at_once(running, diary):
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    one.components.roles["desk"].gate = gate = Event()
    os.kill(os.getpid(), signal.SIGINT)
    until(lambda: "role.desk drain 30" in diary)
    os.kill(os.getpid(), signal.SIGINT)
    assert run.get(timeout=10) == 130
    gate.set()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_during_the_start_ends_it_cleanly(daemon, diary, registry, monkeypatch, number, code):
    one = daemon()
    monkeypatch.setattr(registry("role", "desk"), "open", lambda self: gevent.sleep(100))
    run = gevent.spawn(one.run)
    until(lambda: one.components._contexts)
    os.kill(os.getpid(), number)
    assert run.get(timeout=10) == code
    assert diary == ["role.desk close"]


def test_a_plugin_that_takes_its_end_for_an_error_does_not_keep_it_from_ending(running, diary, monkeypatch, caplog):
    monkeypatch.setattr("zrokd.host.greenlets._KILL_S", (0.03, 0.02))
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    over = []

    def poll():
        while not over:
            try:
                gevent.sleep(0.001)
            except:  # noqa: E722  as plugins do
                continue

    one.components.roles["desk"].ctx.spawn(poll, name="poll the till")
    gevent.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    assert run.get(timeout=10) == 0
    assert "left behind: poll the till" in caplog.text
    over.append(True)


def test_a_start_that_takes_its_end_for_an_error_does_not_keep_it_from_ending(daemon, registry, monkeypatch, caplog):
    monkeypatch.setattr("zrokd.host.greenlets._KILL_S", (0.03, 0.02))
    over, opening = [], Event()

    def poll(_self):
        opening.set()
        while not over:
            try:
                gevent.sleep(0.001)
            except:  # noqa: E722  as plugins do
                continue
        raise StartError("over")

    monkeypatch.setattr(registry("role", "desk"), "open", poll)
    run = gevent.spawn(daemon().run)
    opening.wait(10)
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        assert run.get(timeout=10) == 0
        assert "left behind: start" in caplog.text
    finally:
        over.append(True)


def test_a_start_that_fails_is_raised(daemon):
    with pytest.raises(StartError, match="on purpose"):
        daemon(roles={"desk": {"fail": "open"}}).run()


@pytest.mark.parametrize("raised", [asyncio.CancelledError, KeyboardInterrupt, GeneratorExit])
def test_a_start_that_is_cut_by_what_is_no_exception_is_one_sentence(daemon, diary, registry, monkeypatch, raised):
    def cut(_self):
        raise raised("oops")

    monkeypatch.setattr(registry("role", "desk"), "open", cut)
    with pytest.raises(PluginError, match=f"role.desk of .* could not be opened: {raised.__name__}: oops"):
        daemon().run()
    assert diary == ["role.desk close"]


def test_a_start_that_ends_its_own_greenlet_is_one_sentence(daemon, registry, monkeypatch):
    monkeypatch.setattr(registry("role", "desk"), "open", lambda _self: gevent.getcurrent().throw(gevent.GreenletExit))
    with pytest.raises(StartError, match=r"the start was cut by GreenletExit\(\) of some plugin"):
        daemon().run()


def test_a_reload_that_ends_its_own_greenlet_leaves_the_daemon_as_it_is(running, diary, registry, monkeypatch, caplog):
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    monkeypatch.setattr(registry("role", "desk"), "reload", lambda *_: gevent.getcurrent().throw(gevent.GreenletExit))
    one.next = {"roles": {"desk": {"note": "new"}}}
    os.kill(os.getpid(), signal.SIGHUP)
    until(lambda: "the reload was cut by GreenletExit() of some plugin; the old state stays" in caplog.text)
    os.kill(os.getpid(), signal.SIGTERM)
    assert run.get(timeout=10) == 0


def test_the_drain_is_told_at_its_beginning_and_every_second(daemon, diary):
    one, told = daemon(), []
    run = gevent.spawn(one.run, lambda number, left_s: told.append((number, left_s)))
    until(lambda: "role.desk ready" in diary)
    one.components.roles["desk"].gate = gate = Event()
    os.kill(os.getpid(), signal.SIGINT)
    until(lambda: len(told) == 2)
    gate.set()
    assert run.get(timeout=10) == 0
    assert {number for number, _ in told} == {signal.SIGINT}
    assert 30 >= told[0][1] > told[1][1] > 25


# -- SIGHUP without a file ---


def end_by(one, *numbers):
    """The signals by which a daemon without a file was told to end, and its exit code."""
    told = []
    run = gevent.spawn(one.run, lambda number, _left_s: told.append(number))
    until(lambda: one.components.roles)
    for number in numbers:
        os.kill(os.getpid(), number)
    return run.get(timeout=10), set(told)


def test_without_a_file_sighup_ends_like_sigterm(configure, registry, diary):
    assert end_by(Daemon(configure(), registry), signal.SIGHUP) == (0, {signal.SIGHUP})
    assert diary[-2:] == ["role.desk drain 30", "role.desk close"]


def test_a_daemon_that_was_started_with_sighup_ignored_goes_on(configure, registry):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert end_by(Daemon(configure(), registry), signal.SIGHUP, signal.SIGINT) == (0, {signal.SIGINT})
    finally:
        signal.signal(signal.SIGHUP, before)


def test_with_a_file_sighup_reloads_although_it_was_ignored(running, diary):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        one, run = running()
        until(lambda: "role.desk ready" in diary)
        one.next = {"roles": {"desk": {"note": "new"}}}
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: "role.new reload" in diary)
        os.kill(os.getpid(), signal.SIGTERM)
        assert run.get(timeout=10) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_sighup_during_the_start_ends_a_daemon_without_a_file(configure, registry, monkeypatch):
    one = Daemon(configure(), registry)
    monkeypatch.setattr(registry("role", "desk"), "open", lambda self: gevent.sleep(100))
    run = gevent.spawn(one.run)
    until(lambda: one.components._contexts)
    os.kill(os.getpid(), signal.SIGHUP)
    assert run.get(timeout=10) == 128 + signal.SIGHUP


# -- what it is for cannot be done ---


def test_a_component_that_fails_for_good_ends_the_daemon_with_its_sentence(running, diary):
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    role = one.components.roles["desk"]
    role.ctx.fail(StartError("the name is taken"))
    role.ctx.fail(StartError("another one"))
    with pytest.raises(StartError, match="the name is taken"):
        run.get(timeout=10)
    assert diary[-2:] == ["role.desk drain 30", "role.desk close"]


def test_a_failure_during_the_start_ends_it_after_the_start(daemon, diary, registry, monkeypatch):
    desk = registry("role", "desk")
    serve = desk.serve

    def fail(self):
        self.ctx.fail(StartError("the name is taken"))
        serve(self)

    monkeypatch.setattr(desk, "serve", fail)
    with pytest.raises(StartError, match="the name is taken"):
        daemon().run()
    assert [line.partition(" ")[2] for line in diary] == ["open", "serve", "ready", "draining", "drain 30", "close"]


def test_a_failure_during_the_drain_changes_nothing(running, diary):
    one, run = running()
    until(lambda: "role.desk ready" in diary)
    role = one.components.roles["desk"]
    role.gate = gate = Event()
    os.kill(os.getpid(), signal.SIGTERM)
    until(lambda: "role.desk drain 30" in diary)
    role.ctx.fail(StartError("too late"))
    gate.set()
    assert run.get(timeout=10) == 0


def test_a_failure_without_a_daemon_is_logged(components, registry, caplog):
    made = components.make(registry("role", "desk"), registry("role", "desk").Settings(), "desk")
    made.ctx.fail(StartError("nobody listens"))
    assert "nobody listens" in caplog.text


# -- signals that come while the process ends ---

_DESK = """
from zrokd import hookimpl
from zrokd.contracts import Role

class Desk(Role):
    name = "desk"
    def serve(self): pass
    def drain(self, deadline_s): pass
    def reload(self, settings): pass

@hookimpl
def zrokd_provide_roles():
    return [Desk]
"""
_FILE = """
version: 1
state_dir: {folder}/state
plugin_path: [{folder}/plugins]
log: {{format: text}}
roles: {{desk: {{}}}}
"""


@pytest.mark.blocks_hub("waits for a process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_signals_until_its_last_breath_do_not_change_the_exit_code(tmp_path, folder, number):
    folder(desk=_DESK)
    file = tmp_path / "zrokd.yml"
    file.write_text(textwrap.dedent(_FILE.format(folder=tmp_path)))
    words = [sys.executable, "-m", "zrokd", "run", str(file)]
    sent = 0
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert any("serving desk" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert any("stopped" in line for line in process.stderr)
        while process.poll() is None:
            process.send_signal(number)
            sent += 1
    assert process.returncode in ((0, 130) if number == signal.SIGINT else (0,))  # 130: it came before the end
    assert sent > 1


_FREEZER = _DESK.replace("import Role", "import Role\nimport gc").replace(
    "def drain(self, deadline_s): pass",
    "def drain(self, deadline_s): self.ctx.log.info(f'{gc.get_freeze_count()} {len(gc.get_objects())}')",
)


@pytest.mark.slow
@pytest.mark.blocks_hub("waits for a process")
def test_what_a_daemon_is_made_of_is_not_looked_through_for_garbage(tmp_path, folder):
    """All requests wait meanwhile, so that there is to be little to look through; but that."""
    folder(desk=_FREEZER)
    file = tmp_path / "zrokd.yml"
    file.write_text(textwrap.dedent(_FILE.format(folder=tmp_path)))
    with subprocess.Popen(
        [sys.executable, "-m", "zrokd", "run", str(file)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert any("serving desk" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        told = [re.search(r"(\d{2,}) (\d{2,})$", line) for line in process.stderr]
    ((frozen, rest),) = [(int(found[1]), int(found[2])) for found in told if found]
    assert frozen > 20_000
    assert rest < frozen / 10
