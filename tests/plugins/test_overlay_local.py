import gc
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import gevent
import pytest
from zrokd_plugins.overlay_local import LocalOverlay, LocalSettings, zrokd_provide_overlays
from zrokd_plugins.overlay_local.folder import Folder

from zrokd.contracts import Overlay
from zrokd.errors import NoTerminator, OverlayError, OverlayTimeout, StreamClosed, StreamError, UnknownService
from zrokd.net.twins import Shortcut

SERVER = """
import json, sys
from gevent import monkey; monkey.patch_all()
from zrokd_plugins.overlay_local.folder import Folder
from zrokd_plugins.overlay_local.guests import Guests
from zrokd_plugins.overlay_local.node import LocalNode
import logging, pathlib
folder = Folder(pathlib.Path(sys.argv[1]))
node = LocalNode(folder, logging.getLogger(), Guests(folder, "env", None))
listener = node.bind("svc", terminator=sys.argv[2] or None)
print("bound", flush=True)
while True:
    stream, caller = listener.accept()
    stream.send(json.dumps([caller.identity, caller.address]).encode())
    stream.send_eof()
    stream.recv(1)
    stream.close()
"""


@pytest.fixture
def overlay(small_ctx, tmp_path):
    return LocalOverlay(LocalSettings(dir=str(tmp_path / "overlay")), small_ctx)


@pytest.fixture
def admin(overlay):
    return overlay.admin("one")


@pytest.fixture
def node(overlay, admin):
    node = overlay.node(admin.create_environment("ann").document)
    yield node
    node.close()


@pytest.fixture
def service(admin):
    admin.create_share("svc", "env", public=True, config={})
    return "svc"


@pytest.fixture
def other_process(tmp_path):
    """other_process(terminator): a process that holds a terminator of svc."""
    started = []

    def start(terminator=""):
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path / "overlay"), terminator], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "bound\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def echo(listener):
    def run():
        while True:
            try:
                stream, _ = listener.accept()
            except StreamClosed:
                return
            data = stream.recv(100, 5)
            stream.send(data)
            stream.close()

    return gevent.spawn(run)


def test_the_module_provides_the_overlay():
    assert zrokd_provide_overlays() == [LocalOverlay]
    assert issubclass(LocalOverlay, Overlay)
    assert LocalOverlay.name == "local"


# -- dial and bind ---


@pytest.mark.parametrize("caller", ["", "frontend"])
def test_both_ends_in_one_process_know_each_other(node, service, caller):
    """So that a long body need not pass the stream between them."""
    listener = node.bind(service)
    near = node.dial(service, caller=caller)
    far, _ = listener.accept()
    resting = gevent.spawn(near.take_shortcut, Shortcut(None, lambda _count: None), 10, 5.0)
    gevent.sleep(0)
    far.send(b"a")
    assert resting.get(timeout=5) == 0, "it rested until bytes came by the stream"
    near.close()
    far.close()


def test_bytes_go_both_ways_and_each_direction_ends_by_itself(node, service):
    with_listener = node.bind(service)
    near = node.dial(service)
    far, _ = with_listener.accept()
    near.send(b"question")
    near.send_eof()
    assert far.recv(100, 5) == b"question"
    assert far.recv(100, 5) == b""
    far.send(b"answer")
    assert near.recv(100, 5) == b"answer"
    near.close()
    far.close()


def test_the_listener_knows_who_dialled(node, service):
    listener = node.bind(service)
    near = node.dial(service)
    far, caller = listener.accept()
    assert (caller.identity, caller.address) == (f"uid:{os.getuid()}", f"pid:{os.getpid()}")
    assert far.peer == caller.address
    near.close()
    far.close()


@pytest.mark.parametrize("name", ["nobody", "", ".", "..", "../svc", "svc/x", ".svc", "x" * 101, "sv\0c"])
def test_an_unknown_service_is_told_from_one_that_nobody_serves(node, service, name):
    with pytest.raises(UnknownService):
        node.dial(name)
    with pytest.raises(UnknownService):
        node.bind(name)


def test_a_service_that_nobody_serves_says_so_at_once(node, service):
    with pytest.raises(NoTerminator, match="svc"):
        node.dial(service)


def test_dial_picks_among_all_who_serve(node, service):
    listeners = [node.bind(service) for _ in range(3)]
    streams = [node.dial(service) for _ in range(60)]
    counts = []
    for listener in listeners:
        listener._sock.settimeout(0.05)
        count = 0
        while True:
            try:
                sock, _ = listener._sock.accept()
            except TimeoutError:
                break
            sock.close()
            count += 1
        counts.append(count)
    assert sum(counts) == 60
    assert min(counts) > 3  # one in a billion runs of an honest die
    for stream in streams:
        stream.close()


def test_a_named_terminator_is_dialled_by_its_name(node, service):
    listener = node.bind(service, terminator="left")
    node.bind(service, terminator="right")
    near = node.dial(service, terminator="left")
    far, _ = listener.accept()
    near.send(b"x")
    assert far.recv(1, 5) == b"x"
    near.close()
    far.close()
    with pytest.raises(NoTerminator):
        node.dial(service, terminator="middle")


def test_two_cannot_hold_one_terminator_name(node, service):
    node.bind(service, terminator="left")
    with pytest.raises(OverlayError, match="'left' of 'svc' is bound already"):
        node.bind(service, terminator="left")


def test_unbind_removes_the_socket_and_a_rebind_serves_again(node, service, tmp_path):
    listener = node.bind(service, terminator="left")
    assert (tmp_path / "overlay/svc/left").exists()
    listener.close()
    listener.close()
    assert not (tmp_path / "overlay/svc/left").exists()
    with pytest.raises(StreamClosed):
        listener.accept()
    with pytest.raises(NoTerminator):
        node.dial(service)
    answering = echo(node.bind(service, terminator="left"))
    near = node.dial(service)
    near.send(b"again")
    assert near.recv(100, 5) == b"again"
    near.close()
    answering.kill()


def test_closing_wakes_who_accepts(node, service):
    listener = node.bind(service)
    waiting = gevent.spawn(pytest.raises, StreamClosed, listener.accept)
    gevent.sleep(0.01)
    listener.close()
    waiting.get(timeout=5)


def test_who_dialled_before_it_was_closed_is_still_served(node, service):
    listener = node.bind(service)
    accepted = []

    def accept():
        with pytest.raises(StreamClosed):
            while True:
                accepted.append(listener.accept()[0])

    accepting = gevent.spawn(accept)
    gevent.sleep(0.01)
    streams = [node.dial(service) for _ in range(5)]
    listener.close()
    accepting.get(timeout=5)
    assert len(accepted) == 5
    for near, far in zip(streams, accepted, strict=True):
        near.close()
        far.close()


def test_accepted_streams_outlive_their_listener(node, service):
    listener = node.bind(service)
    near = node.dial(service)
    far, _ = listener.accept()
    listener.close()
    near.send(b"still")
    assert far.recv(100, 5) == b"still"
    near.close()
    far.close()


def test_closing_the_node_closes_what_it_bound(overlay, admin, service):
    node = overlay.node(admin.create_environment("x").document)
    listener = node.bind(service)
    node.close()
    node.close()
    with pytest.raises(StreamClosed):
        listener.accept()


def test_a_path_past_the_limit_of_unix_sockets_works(small_ctx, tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    overlay = LocalOverlay(LocalSettings(dir=str(deep)), small_ctx)
    admin = overlay.admin("one")
    admin.create_share("s" * 100, "env", public=True, config={})
    node = overlay.node(admin.create_environment("x").document)
    answering = echo(node.bind("s" * 100))
    near = node.dial("s" * 100)
    near.send(b"far down")
    assert near.recv(100, 5) == b"far down"
    near.close()
    node.close()
    answering.kill()


def test_a_full_backlog_is_waited_for_and_then_told(node, service, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.overlay_local.folder._BACKLOG", 1)
    listener = node.bind(service)
    streams = [node.dial(service), node.dial(service)]
    started = time.monotonic()
    with pytest.raises(OverlayTimeout, match=r"within 0\.2 s"):
        node.dial(service, timeout_s=0.2)
    assert time.monotonic() - started >= 0.2
    waiting = gevent.spawn(node.dial, service, timeout_s=10)
    gevent.sleep(0.03)
    far, _ = listener.accept()
    streams.append(waiting.get(timeout=5))
    for stream in (*streams, far):
        stream.close()


def test_a_thousand_dials_leave_no_descriptor(node, service, descriptors):
    answering = echo(node.bind(service))
    before = descriptors()
    for number in range(1000):
        near = node.dial(service)
        near.send(b"%d" % number)
        assert near.recv(100, 5) == b"%d" % number
        near.close()
    gevent.sleep(0)
    assert descriptors() <= before + 1
    answering.kill()


def test_failed_dials_and_binds_leave_no_descriptor(node, service, descriptors):
    held = node.bind(service, terminator="held")
    before = descriptors()
    for _ in range(50):
        with pytest.raises(UnknownService):
            node.dial("nobody")
        with pytest.raises(NoTerminator):
            node.dial(service, terminator="free")
        with pytest.raises(OverlayError):
            node.bind(service, terminator="held")
    assert descriptors() == before
    assert sorted(os.listdir(node._folder.path / service)) == [".instance", "held"]
    held.close()


# -- what dies and what is lost ---


@pytest.mark.parametrize("terminator", ["", "left"])
def test_a_killed_process_leaves_nothing_that_stands_in_the_way(node, service, other_process, tmp_path, terminator):
    process = other_process(terminator)
    near = node.dial(service)
    assert json.loads(near.recv(200, 5))[0] == f"uid:{os.getuid()}"
    near.close()
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = set(os.listdir(tmp_path / "overlay/svc"))
    assert len(left) == 2  # the tag and the stale socket
    with pytest.raises(NoTerminator):
        node.dial(service)
    assert os.listdir(tmp_path / "overlay/svc") == [".instance"]
    other_process(terminator)
    near = node.dial(service)
    assert near.recv(200, 5)
    near.close()


def test_a_stale_socket_of_a_name_is_replaced_at_bind(node, service, other_process):
    process = other_process("left")
    process.kill()
    process.wait()
    answering = echo(node.bind(service, terminator="left"))
    near = node.dial(service, terminator="left")
    near.send(b"mine")
    assert near.recv(100, 5) == b"mine"
    near.close()
    answering.kill()


def test_bind_takes_away_what_killed_processes_left_and_wakes_nobody(node, service, other_process, tmp_path):
    living = node.bind(service, terminator="living")
    process = other_process("left")
    process.kill()
    process.wait()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "overlay/svc/.bind-left"))  # as if killed in the middle of bind
    left.close()
    fresh = node.bind(service, terminator="fresh")
    assert sorted(os.listdir(tmp_path / "overlay/svc")) == [".instance", "fresh", "living"]
    near = node.dial(service, terminator="living")
    near.send(b"first")
    stream, _caller = living.accept()
    assert stream.recv(100, 5) == b"first"  # no probe came before it
    for each in (near, stream, living, fresh):
        each.close()


def test_a_live_terminator_is_found_behind_stale_ones(node, service, other_process, tmp_path):
    answering = echo(node.bind(service, terminator="live"))
    dead = [other_process() for _ in range(3)]
    for process in dead:
        process.kill()
        process.wait()
    near = node.dial(service)
    near.send(b"x")
    assert near.recv(100, 5) == b"x"
    near.close()
    answering.kill()


def test_an_unknown_entry_in_the_folder_is_no_terminator(node, service, tmp_path):
    (tmp_path / "overlay/svc/notes.txt").write_text("hello")
    with pytest.raises(NoTerminator):
        node.dial(service)


@pytest.mark.parametrize("how", ["deleted", "socket removed", "made anew"])
def test_a_listener_notices_that_its_service_went_away(node, service, admin, tmp_path, how):
    listener = node.bind(service, terminator="left")
    waiting = gevent.spawn(pytest.raises, OverlayError, listener.accept)
    gevent.sleep(0.01)
    if how == "socket removed":
        (tmp_path / "overlay/svc/left").unlink()
    else:
        admin.delete_share(service)
    if how == "made anew":
        admin.create_share(service, "env", public=True, config={})
    waiting.get(timeout=4)
    with pytest.raises(StreamClosed):
        listener.accept()


def test_streams_live_on_when_their_service_is_deleted(node, service, admin):
    listener = node.bind(service)
    near = node.dial(service)
    far, _ = listener.accept()
    admin.delete_share(service)
    near.send(b"still")
    assert far.recv(100, 5) == b"still"
    near.close()
    far.close()


def test_no_descriptors_left_is_waited_for(node, service, caplog, monkeypatch):
    listener = node.bind(service)
    real, failures = listener._sock, [24, 24]

    class Scarce:
        def accept(self):
            if failures:
                raise OSError(failures.pop(), "Too many open files")
            return real.accept()

        close = real.close

    monkeypatch.setattr(listener, "_sock", Scarce())
    near = node.dial(service)
    far, _ = listener.accept()
    assert not failures
    assert "Too many open files" in caplog.text
    near.close()
    far.close()


def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(node, service, other_process, tmp_path, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.overlay_local.folder._LOCK_S", 0.1)
    with (
        Folder(tmp_path / "overlay").open(service) as held,
        held._lock(),
        pytest.raises(OverlayTimeout, match="locked"),
    ):
        node.bind(service, terminator="left")


# -- rights ---


def test_the_folders_are_shared_with_their_group_and_with_nobody_else(node, service, tmp_path):
    node.bind(service, terminator="left")
    for path, mode in (("overlay", 0o2770), ("overlay/svc", 0o2770), ("overlay/svc/left", 0o660)):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == mode, path


def test_a_folder_that_is_there_keeps_its_rights(small_ctx, tmp_path):
    (tmp_path / "overlay").mkdir(mode=0o700)
    LocalOverlay(LocalSettings(dir=str(tmp_path / "overlay")), small_ctx).admin("one")
    assert stat.S_IMODE((tmp_path / "overlay").stat().st_mode) == 0o700


def test_a_group_may_be_given_by_its_number(small_ctx, tmp_path):
    LocalOverlay(LocalSettings(dir=str(tmp_path / "o"), group=str(os.getgid())), small_ctx).admin("one")
    assert (tmp_path / "o").stat().st_gid == os.getgid()


def test_an_unknown_group_is_an_error_that_names_it(small_ctx, tmp_path):
    overlay = LocalOverlay(LocalSettings(dir=str(tmp_path / "o"), group="no-such-group"), small_ctx)
    with pytest.raises(OverlayError, match="no group 'no-such-group'"):
        overlay.admin("one")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o700, 0o2770])
def test_who_may_not_is_told_folder_mode_and_group(small_ctx, mode):
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import grp, logging, os, pathlib, sys\n"
        "from zrokd_plugins.overlay_local.folder import Folder\n"
        "from zrokd_plugins.overlay_local.guests import Guests\n"
        "from zrokd_plugins.overlay_local.node import LocalNode\n"
        "from zrokd.errors import OverlayError, UnknownService\n"
        "os.setgroups([]); os.setgid(12345); os.setuid(12345)\n"
        "folder = Folder(pathlib.Path(sys.argv[1]))\n"
        "try: LocalNode(folder, logging.getLogger(), Guests(folder, 'env', None)).bind('svc')\n"
        "except OverlayError as error: print(type(error).__name__, error)\n"
    )
    with tempfile.TemporaryDirectory() as reachable:  # pytest's own folders are closed to others
        Path(reachable).chmod(0o711)
        folder = Path(reachable) / "overlay"
        admin = LocalOverlay(LocalSettings(dir=str(folder)), small_ctx).admin("one")
        admin.create_share("svc", "env", public=True, config={})
        folder.chmod(mode)
        done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("OverlayError may not"), done
    assert f"mode {mode:04o} and group" in done.stdout
    assert "we are not in it" in done.stdout


# -- accesses ---


@pytest.mark.parametrize("z_id", ["env", "a.b", "-x.Y_", "../up", "%2e"])
def test_an_access_is_of_one_identity_and_service(admin, overlay, service, z_id):
    admin.create_access("acc1", service, z_id)
    admin.create_access("acc2", service, "other")
    with Folder(overlay._dir()).open(service) as opened:
        assert opened.has_access(z_id) and opened.has_access("other")
        assert not opened.has_access(f"{z_id}.acc1") and not opened.has_access("")
        admin.delete_access("acc1", service)
        assert not opened.has_access(z_id)
        assert opened.has_access("other")


def test_one_of_two_accesses_is_enough(admin, overlay, service, node):
    guest = admin.create_environment("guest")
    for token in ("acc1", "acc2"):
        admin.create_access(token, service, guest.z_id)
    visitor, listener = overlay.node(guest.document), node.bind(service)
    admin.delete_access("acc1", service)
    visitor.dial(service).close()
    admin.delete_access("acc2", service)
    with pytest.raises(UnknownService, match="taken back"):
        visitor.dial(service)
    admin.create_access("acc3", service, guest.z_id)
    visitor.dial(service).close()
    listener.close()
    visitor.close()


def test_an_access_onto_a_service_that_is_gone(admin):
    with pytest.raises(UnknownService):
        admin.create_access("acc1", "nosuch", "env")
    admin.delete_access("acc1", "nosuch")


def test_no_greenlet_looks_after_the_last_stream_ended(admin, overlay, service, node):
    guest = admin.create_environment("guest")
    admin.create_access("acc1", service, guest.z_id)
    visitor, listener = overlay.node(guest.document), node.bind(service)
    visitor.dial(service).close()
    gc.collect()
    with gevent.Timeout(5.0):
        while visitor._guests._task is not None:
            gevent.sleep(0.05)
    listener.close()
    visitor.close()


# -- the administrator's half ---


def test_identities_differ_for_environments_and_are_constant_for_frontends(admin, overlay):
    assert admin.create_environment("a").z_id != admin.create_environment("a").z_id
    assert admin.create_frontend("public") == admin.create_frontend("public")
    assert admin.create_frontend("public") != admin.create_frontend("other")
    assert overlay.admin("two").create_frontend("public") != admin.create_frontend("public")


def test_an_identity_document_names_the_folder(admin, tmp_path):
    identity = admin.create_environment("a")
    assert json.loads(identity.document) == {
        "overlay": "local", "dir": str(tmp_path / "overlay"), "id": identity.z_id,
    }  # fmt: skip


@pytest.mark.parametrize(
    "document", ["", "nonsense", "[]", "{}", '{"overlay": "local"}', '{"overlay": "ziti", "dir": "/"}', "null"]
)
def test_a_foreign_or_damaged_identity_is_refused(overlay, document):
    with pytest.raises(OverlayError, match="identity document"):
        overlay.node(document)


def test_creating_and_deleting_are_idempotent(admin):
    for _ in range(2):
        admin.create_share("svc", "env", public=True, config={})
    assert admin.list_shares() == {"svc"}
    for _ in range(2):
        admin.delete_share("svc")
    assert admin.list_shares() == set()


def test_what_others_made_is_never_touched(overlay, admin, tmp_path):
    other = overlay.admin("two")
    other.create_share("theirs", "env", public=True, config={})
    (tmp_path / "overlay/untagged").mkdir()
    (tmp_path / "overlay/untagged/notes").write_text("keep me")
    (tmp_path / "overlay/file").write_text("keep me")
    admin.create_share("ours", "env", public=True, config={})
    assert admin.list_shares() == {"ours"}
    for token in ("theirs", "untagged", "file"):
        admin.delete_share(token)
        with pytest.raises(OverlayError):
            admin.create_share(token, "env", public=True, config={})
    admin.delete_environment("env")
    assert sorted(os.listdir(tmp_path / "overlay")) == ["file", "theirs", "untagged"]


def test_deleting_an_environment_takes_its_services_only(admin):
    admin.create_share("a", "env-1", public=True, config={})
    admin.create_share("b", "env-2", public=False, config={})
    admin.delete_environment("env-1")
    admin.delete_environment("env-1")
    assert admin.list_shares() == {"b"}


def test_a_removal_that_was_cut_short_is_finished(admin, tmp_path):
    (tmp_path / "overlay/.gone-svc-1234").mkdir()
    (tmp_path / "overlay/.gone-svc-1234/left").write_text("")
    assert admin.list_shares() == set()
    assert not (tmp_path / "overlay/.gone-svc-1234").exists()


def test_what_was_not_made_to_its_end_is_removed_when_it_is_old(admin, tmp_path):
    for name, age_s in ((".new-svc-1", 7200), (".new-svc-2", 0)):
        (tmp_path / "overlay" / name).mkdir()
        os.utime(tmp_path / "overlay" / name, (time.time() - age_s,) * 2)
    admin.list_shares()
    assert [path.name for path in (tmp_path / "overlay").iterdir()] == [".new-svc-2"]


def _fifo(path):
    os.mkfifo(path)


def _huge(path):
    with path.open("wb") as file:
        file.truncate(1 << 33)


def _link(path):
    path.with_name("elsewhere").write_text('{"instance": "one"}')
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("put", [_fifo, _huge, _link])
def test_a_tag_that_is_no_small_file_is_nobodys_and_not_waited_for(admin, service, tmp_path, put):
    (tmp_path / "overlay" / "trap").mkdir()
    put(tmp_path / "overlay" / "trap" / ".instance")
    assert admin.list_shares() == {service}
    admin.delete_share("trap")
    assert (tmp_path / "overlay" / "trap").exists()


def test_all_services_are_read_off_the_hub(small_ctx, admin, service, monkeypatch):
    asked = []
    monkeypatch.setattr(admin, "_offload", lambda function: asked.append(function.__name__) or function())
    admin.list_shares()
    admin.delete_environment("env")
    assert asked.count("_services") == 2
    assert admin.list_shares() == set()


def test_a_link_to_a_socket_elsewhere_is_not_dialled(node, service, tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        (tmp_path / "overlay" / service / "door").symlink_to(tmp_path / "other")
        with pytest.raises(NoTerminator):
            node.dial(service, terminator="door")
        with pytest.raises(NoTerminator):
            node.dial(service)


def test_a_link_in_place_of_a_fresh_socket_changes_no_rights_elsewhere(node, service, tmp_path, monkeypatch):
    """Whoever is in the group may be quick."""
    private = tmp_path / "private"
    private.touch(mode=0o600)

    class Quick(socket.socket):
        def bind(self, path):
            super().bind(path)
            Path(path).unlink()
            Path(path).symlink_to(private)

    monkeypatch.setattr("zrokd_plugins.overlay_local.folder.socket.socket", Quick)
    with pytest.raises(OverlayError):
        node.bind(service)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_a_link_in_place_of_a_fresh_folder_changes_no_rights_elsewhere(admin, tmp_path, monkeypatch):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    mkdir = Path.mkdir

    def quick(path, mode=0o777, **how):
        mkdir(path, mode, **how)
        path.rmdir()
        path.symlink_to(private)

    monkeypatch.setattr(Path, "mkdir", quick)
    with pytest.raises(OverlayError):
        admin.create_share("svc", "env", public=True, config={})
    assert stat.S_IMODE(private.stat().st_mode) == 0o700 and list(private.iterdir()) == []


def test_a_damaged_tag_is_nobodys(admin, tmp_path):
    for number, text in enumerate(["", "[]", "nonsense", "{}", '{"instance": 1}']):
        (tmp_path / f"overlay/s{number}").mkdir()
        (tmp_path / f"overlay/s{number}/.instance").write_text(text)
    assert admin.list_shares() == set()


def test_a_folder_that_cannot_be_made_is_an_overlay_error(small_ctx, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OverlayError, match="cannot make .*file"):
        LocalOverlay(LocalSettings(dir=str(tmp_path / "file/below")), small_ctx).admin("one")


def test_accesses_and_usage_need_nothing_here(admin, service):
    admin.create_access("a", service, "env")
    admin.delete_access("a", service)
    assert list(admin.usage()) == []


def test_without_a_setting_the_folder_is_in_the_state_folder(small_ctx):
    identity = LocalOverlay(LocalSettings(), small_ctx).admin("one").create_environment("a")
    assert json.loads(identity.document)["dir"].startswith(str(small_ctx.state_dir))


def test_many_who_bind_one_name_at_once_leave_one(node, service):
    outcomes = []

    def bind():
        try:
            outcomes.append(node.bind(service, terminator="only"))
        except OverlayError:
            outcomes.append(None)

    threads = [threading.Thread(target=bind) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([listener for listener in outcomes if listener]) == 1
    near = node.dial(service)
    near.close()


def test_a_broken_socket_is_an_overlay_error(node, service):
    listener = node.bind(service)
    listener._sock.close()
    with pytest.raises((OverlayError, StreamError)):
        listener.accept()
