import contextlib
import copy
import errno
import json
import logging
import os
import socket
import sys
import threading
import time
from itertools import count

import gevent
import pytest
from pydantic import ValidationError
from zrokd_plugins.mode_hello import HelloMode
from zrokd_plugins.mode_proxy import ProxyMode
from zrokd_plugins.mode_tcp import TcpMode
from zrokd_plugins.mode_web import WebMode
from zrokd_plugins.overlay_local import LocalOverlay, LocalSettings
from zrokd_plugins.role_backend import BackendRole, verify, zrokd_provide_roles
from zrokd_plugins.role_backend.memory import Memory
from zrokd_plugins.role_backend.settings import BackendSettings, ShareSettings, keyed
from zrokd_plugins.role_backend.supervisor import State
from zrokd_plugins.role_backend.verify import ask, ask_until

from zrokd.client import files
from zrokd.client.environment import EnabledEnvironment, EnvironmentFile
from zrokd.client.files import write_json
from zrokd.config.load import from_tree
from zrokd.contracts import ACCESS, Caller, Health, Mode, Settings
from zrokd.errors import (
    ConfigError,
    Conflict,
    Denied,
    Invalid,
    LimitReached,
    NoTerminator,
    NotFound,
    OverlayTimeout,
    PluginError,
    RestartNeeded,
    StartError,
    StreamClosed,
    StreamError,
    Unavailable,
)
from zrokd.model.naming import Name
from zrokd.model.share import Gating, NameSelection, Permission, ShareMode
from zrokd.model.units import Secret
from zrokd.net.http1.pages import standard_page
from zrokd.net.http1.ping import pong
from zrokd.net.relay import relay
from zrokd.net.stream import SocketStream


class WaitMode(Mode):
    """Holds each stream until it is told to let go."""

    name = "wait"

    class Settings(Settings):
        fails: bool = False
        number: int = 0

    def __init__(self, settings, ctx):
        super().__init__(settings, ctx)
        self.go = threading.Event()
        self.serving = 0
        self.most = 0

    def open(self):
        if self.settings.fails:
            raise StartError("this mode cannot open")

    def serve(self, stream, caller):
        self.serving += 1
        self.most = max(self.most, self.serving)
        try:
            while not self.go.is_set():
                data = stream.recv(100, 10)
                if not data:
                    return
                stream.send(b"%d:" % self.settings.number + data)
        finally:
            self.serving -= 1

    def probe(self):
        return "the target sleeps" if self.settings.number == 13 else ""


MODES = {cls.name: cls for cls in (HelloMode, WebMode, TcpMode, WaitMode)}


class World:
    """A controller in memory over a real local overlay, and a frontend that leads every request to one share."""

    def __init__(self, ctx, tmp_path):
        self.ctx = ctx
        self.overlay = LocalOverlay(LocalSettings(dir=str(tmp_path / "overlay")), ctx)
        self.admin = self.overlay.admin("one")
        self.node = self.overlay.node(self.admin.create_frontend("public").document)
        self.reserved, self.shares, self.drafts, self.calls = {"docs"}, {}, {}, []
        self.failing, self.urls_known, self.public_port = None, True, 0
        self.known, self.ended = set(), set()  # environments
        self.counted, self.limited = {}, set()
        self._numbers = count(1)
        ctx.overlay = self.overlay

    # -- what the controller's client offers ---

    def _called(self, *call):
        self.calls.append(call)
        if self.failing is not None:
            raise self.failing

    def enable(self, description, host):
        self._called("enable", description)
        identity = self.admin.create_environment(description)
        self.known.add(identity.z_id)
        return identity

    def environments(self):
        self._called("environments")
        return self.known - self.ended

    def end_environment(self, z_id):
        self.ended.add(z_id)
        for token in [token for token, (owner, _) in self.shares.items() if owner == z_id]:
            del self.shares[token]
            self.admin.delete_share(token)
        self.admin.delete_environment(z_id)

    def share(self, draft):
        self._called("share", draft.token or (draft.selections[0].name if draft.selections else ""))
        if draft.env_z_id in self.ended:
            raise NotFound("no such environment")
        self.known.add(draft.env_z_id)
        wanted = draft.token or (draft.selections and draft.selections[0].name)
        if draft.selections and draft.selections[0].name and draft.selections[0].name not in self.reserved:
            raise Conflict("the name is not reserved by you")
        for token, (z_id, name) in self.shares.items():
            if wanted and name == wanted:
                if z_id != draft.env_z_id:
                    raise Conflict(f"{name!r} is in use by another environment")
                return token, (f"{name}.localhost",)
        token = draft.token or f"tok{next(self._numbers)}"
        self.shares[token] = (draft.env_z_id, wanted or token)  # before anybody else gets a turn
        self.drafts[token] = draft
        self.admin.create_share(token, draft.env_z_id, public=True, config={})
        return token, (f"{wanted or token}.localhost",)

    def find_share(self, token):
        self._called("find", token)
        if token not in self.shares:
            raise NotFound("no such share")
        z_id, name = self.shares[token]
        return z_id, (f"{name}.localhost",)

    def share_urls(self, token):
        if not self.urls_known:
            raise NotFound("no such call")
        return (f"http://{self.shares[token][1]}.localhost:{self.public_port or 1}",)

    def list_names(self, namespace):
        return tuple(Name(namespace=namespace, zone="localhost", name=name) for name in sorted(self.reserved))

    def create_name(self, namespace, name):
        self._called("create_name", namespace, name)
        if name in self.reserved:
            raise Conflict("taken")
        self.reserved.add(name)

    def unshare(self, z_id, token):
        self._called("unshare", token)
        if token not in self.shares:
            raise NotFound("no such share")
        del self.shares[token]
        self.admin.delete_share(token)

    def report_binds(self, report):
        self._called("report", report)
        return False

    def report_environment(self, z_id, reporter, batch, samples):
        if self.failing is not None:
            raise self.failing
        for one in samples:
            rx, tx = self.counted.get(one.share_token, (0, 0))
            self.counted[one.share_token] = (rx + one.rx_bytes, tx + one.tx_bytes)
        return frozenset(self.limited)

    def close(self):
        pass

    def of(self, name):
        return [call for call in self.calls if call[0] == name]

    def dial(self, token, caller=""):
        return self.node.dial(token, caller=caller)


@pytest.fixture
def world(small_ctx, tmp_path):
    world = World(small_ctx, tmp_path)
    yield world
    world.node.close()


@pytest.fixture
def frontend(world):
    """frontend(): lets the public in: every connection to a port goes to the only share."""
    sockets, greenlets = [], []

    def accept(sock):
        while True:
            try:
                client, _ = sock.accept()
            except OSError:
                return
            greenlets.append(gevent.spawn(pass_on, SocketStream(client)))

    def pass_on(visitor):
        try:
            share = world.dial(next(iter(world.shares)))
        except Exception:
            visitor.abort()
            raise
        try:
            relay(visitor, share, idle_s=10)
        finally:
            visitor.close()
            share.close()

    def start(port=0):
        sock = socket.create_server(("127.0.0.1", port))
        sockets.append(sock)
        greenlets.append(gevent.spawn(accept, sock))
        world.public_port = sock.getsockname()[1]

    yield start
    for sock in sockets:
        sock.close()
    gevent.killall(greenlets)


def share(mode="hello", **keys):
    own = {key: keys.pop(key) for key in list(keys) if key in ShareSettings.model_fields}
    made = ShareSettings(mode={"use": mode, **keys}, **own)
    made.use.resolve(MODES[mode], MODES[mode].Settings(**keys))
    return made


def settings_of(*shares, **more):
    return BackendSettings(
        **{"controller": "http://c", "token": "account", "verify": False, **more}, shares=list(shares)
    )


@pytest.fixture
def backend(world, small_ctx):
    """backend(*shares, **settings): an open, serving role; closed at the end."""
    roles = []

    def start(*shares, serve=True, **more):
        role = BackendRole(settings_of(*shares, **more), small_ctx)
        role.connect = lambda url, token: world
        roles.append(role)
        role.open()
        if serve:
            role.serve()
        return role

    yield start
    for role in roles:
        role.close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("zrokd_plugins.role_backend.supervisor._SLOW_S", 0.05)
    monkeypatch.setattr("zrokd_plugins.role_backend._SLOW_S", 0.05)


@pytest.fixture
def started(patient):
    """started(role, number): its supervisors, once all are bound."""

    def wait(role, number=1):
        patient(
            lambda: len(role.supervisors) == number and all(s.state == State.BOUND for s in role.supervisors.values())
        )
        return list(role.supervisors.values())

    return wait


def ask_raw(world, token, text=b"GET /?format=json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):
    stream = world.dial(token)
    try:
        stream.send(text)
        data = b""
        while piece := stream.recv(65536, 10):
            data += piece
        return data
    finally:
        stream.close()


# -- sharing ---


def test_the_module_provides_the_role():
    assert zrokd_provide_roles() == [BackendRole]
    assert BackendRole.name == "backend"


def test_very_many_shares_are_offered_a_few_at_a_time(world, backend, started, patient):
    under_way, most, create = 0, 0, world.share

    def share_slowly(draft):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        gevent.sleep(0.005)
        under_way -= 1
        return create(draft)

    world.share = share_slowly
    role = backend(*(share("wait", private=True, token=f"tok{number}") for number in range(40)))
    patient(lambda: role.health().ok)
    assert 1 < most <= 8


def test_a_share_is_offered_bound_and_served(world, backend, started, small_ctx):
    role = backend(share(name="docs"))
    started(role)
    assert b'"share": "tok1"' in ask_raw(world, "tok1")
    assert small_ctx.hooks.wait("on_share_ready") == [("tok1", ("http://docs.localhost:1",), False)]
    assert role.health().ok
    assert role.health().detail == "1 of 1 shares are bound"


def test_a_bind_that_visitors_do_not_reach_is_told(world, backend, started, monkeypatch):
    role = backend(share(name="docs"))
    (one,) = started(role)
    monkeypatch.setattr(one._listener, "health", lambda: Health(ok=False, detail="no router serves it"))
    assert not role.health().ok
    assert role.health().detail.startswith("0 of 1 shares are bound; ")
    assert role.health().detail.endswith(": no router serves it")


def test_a_share_that_can_be_reached_is_verified(world, backend, frontend, small_ctx):
    frontend()
    backend(share(name="docs"), verify=True)
    [(token, urls, verified)] = small_ctx.hooks.wait("on_share_ready")
    assert (token, verified) == ("tok1", True)
    assert urls == (f"http://docs.localhost:{world.public_port}",)


def test_a_share_that_cannot_be_reached_is_told_and_asked_for_again(world, backend, frontend, small_ctx, caplog):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        world.public_port = sock.getsockname()[1]
    backend(share(name="docs"), verify=True, verify_timeout=0.1)
    assert small_ctx.hooks.wait("on_share_ready")[0][2] is False
    assert "its public address does not lead here" in caplog.text
    frontend(world.public_port)
    ready = small_ctx.hooks.wait("on_share_ready", 2)
    assert ready[1][2] is True


def test_a_private_share_has_no_address(world, backend, small_ctx):
    backend(share("wait", private=True, token="team-db"))
    assert small_ctx.hooks.wait("on_share_ready") == [("team-db", (), True)]
    assert world.drafts["team-db"].share_mode == ShareMode.PRIVATE


def test_a_mode_that_speaks_no_http_is_not_asked_for(world, backend, small_ctx):
    backend(share("wait", name="docs"), verify=True)
    assert small_ctx.hooks.wait("on_share_ready")[0][2] is False


def test_a_controller_without_the_urls_call_gets_by_with_host_names(world, backend, small_ctx):
    world.urls_known = False
    backend(share(name="docs"))
    assert small_ctx.hooks.wait("on_share_ready")[0][1] == ("http://docs.localhost",)


def test_the_draft_says_what_the_yaml_says(world, backend, started, tmp_path):
    role = backend(
        share("web", target=str(tmp_path), name="docs", namespace="ns", basic_auth=["ann:pa:ss", "bob:x"]),
        share("wait", private=True, token="team-db", permission="open", grants=["a@b.c"]),
    )
    started(role, 2)
    public, private = world.drafts["tok1"], world.drafts["team-db"]
    assert (public.mode, public.target, public.share_mode) == ("web", str(tmp_path), ShareMode.PUBLIC)
    assert public.selections == (NameSelection(namespace="ns", name="docs"),)
    assert public.gating == Gating(
        gate="basic",
        config={"users": [{"username": "ann", "password": "pa:ss"}, {"username": "bob", "password": "x"}]},
    )
    assert (private.permission, private.grants, private.selections) == (Permission.OPEN, ("a@b.c",), ())


def test_a_name_that_nobody_has_is_reserved(world, backend, started):
    started(backend(share(name="fresh")))
    assert world.of("create_name") == [("create_name", "public", "fresh")]
    assert "tok1" in world.shares


def test_a_target_that_does_not_answer_is_told_and_shared_anyway(backend, started, caplog, patient):
    started(backend(share("wait", number=13)))
    patient(lambda: caplog.text)
    assert "the target sleeps; it is shared all the same, and works once that is mended" in caplog.text


def test_a_probe_that_takes_its_time_or_fails_holds_nothing_up(backend, started, monkeypatch):
    monkeypatch.setattr(HelloMode, "probe", lambda self: time.sleep(60))
    monkeypatch.setattr(WaitMode, "probe", lambda self: 1 / 0)
    started(backend(share(), share("wait")), 2)


def test_a_daemon_without_an_overlay_does_not_start(world, small_ctx):
    class Bare:
        state_dir, log = small_ctx.state_dir, small_ctx.log

        @property
        def overlay(self):
            raise PluginError("this daemon has no overlay")

    role = BackendRole(settings_of(share()), Bare())
    with pytest.raises(PluginError, match="no overlay"):
        role.open()
    role.close()


# -- the environment ---


@pytest.mark.parametrize(
    ("own", "of_environment", "verify"),
    [("", "", True), ("/ca", "", "/ca"), ("", "/env-ca", "/env-ca"), ("/ca", "/env-ca", "/ca")],
)
def test_the_controller_is_checked_with_the_certificates_of_the_yaml_or_of_the_environment(
    world, small_ctx, tmp_path, own, of_environment, verify
):
    identity = world.admin.create_environment("x")
    EnvironmentFile(tmp_path / "home").save(
        EnabledEnvironment(controller="https://c", account_token=Secret("t"), identity=identity, ca=of_environment)
    )
    role = BackendRole(BackendSettings(environment=str(tmp_path / "home"), ca=own), small_ctx)
    role.open()
    controller = role.connect("https://c", Secret("t"))
    assert controller._transport._verify == verify
    controller.close()
    role.close()


def test_an_environment_that_it_enabled_itself_remembers_the_certificates(world, backend, started, small_ctx):
    started(backend(share(name="docs"), ca="/ca"))
    assert EnvironmentFile(small_ctx.state_dir).load().ca == "/ca"


def test_it_enables_itself_once(world, backend, started, small_ctx):
    role = backend(share(name="docs"), description="web1")
    started(role)
    role.close()
    started(backend(share(name="docs")))
    assert world.of("enable") == [("enable", "web1")]
    assert (small_ctx.state_dir / "environment.json").stat().st_mode & 0o777 == 0o600


def test_an_enabled_environment_is_used(world, backend, started, tmp_path):
    identity = world.admin.create_environment("x")
    folder = tmp_path / "home"
    EnvironmentFile(folder).save(
        EnabledEnvironment(controller="http://there", account_token=Secret("t"), identity=identity)
    )
    role = BackendRole(BackendSettings(environment=str(folder), shares=[share(name="docs")], verify=False), world.ctx)
    asked = []
    role.connect = lambda url, token: asked.append((url, token.reveal())) or world
    role.open()
    role.serve()
    started(role)
    role.close()
    assert asked == [("http://there", "t")]
    assert world.of("enable") == []
    assert world.shares["tok1"][0] == identity.z_id


def test_no_environment_and_no_token_is_one_sentence(world, small_ctx, tmp_path):
    role = BackendRole(BackendSettings(environment=str(tmp_path / "none")), small_ctx)
    with pytest.raises(StartError, match="no enabled environment in .*none; run `zrokd enable`"):
        role.open()
    role.close()


def test_a_token_that_is_not_known_is_told_and_tried_again(world, backend, started, quick, caplog):
    world.failing = Denied("the account token is not known")
    role = backend(share(name="docs"))
    deadline = time.monotonic() + 10
    while len(world.of("enable")) < 3:
        assert time.monotonic() < deadline
        gevent.sleep(0.01)
    assert "does not let us in: the account token is not known" in role.health().detail
    assert not role.health().ok
    world.failing = None
    started(role)
    assert role.health().ok


# -- what goes away and comes back ---


@pytest.mark.slow
def test_a_controller_that_is_away_is_one_line_and_another_when_it_is_back(world, backend, started, caplog, patient):
    caplog.set_level(logging.INFO)
    world.failing = Unavailable("the controller at http://c does not answer; is it running?")
    role = backend(share(name="docs"), share())
    patient(lambda: len(world.calls) >= 4)
    assert caplog.text.count("does not answer") == 1
    world.failing = None
    started(role, 2)
    assert caplog.text.count("does not answer") == 1
    assert caplog.text.count("answers again") == 1


@pytest.mark.slow
def test_it_goes_away_while_shares_are_offered(world, backend, started, caplog, patient):
    caplog.set_level(logging.INFO)
    role = backend(share(name="docs"))
    started(role)
    world.failing = Unavailable("the controller at http://c does not answer")
    world.admin.delete_share("tok1")
    patient(lambda: role.supervisors and next(iter(role.supervisors.values())).state == State.WAITING)
    patient(lambda: len(world.calls) > 5)
    assert caplog.text.count("does not answer") == 1
    world.failing = None
    world.shares.clear()
    started(role)
    assert caplog.text.count("answers again") == 1


def test_a_share_that_was_deleted_is_told_and_made_again(world, backend, started, small_ctx):
    role = backend(share(name="docs"))
    started(role)
    world.unshare("", "tok1")
    [(token, reason)] = small_ctx.hooks.wait("on_share_lost")
    assert token == "tok1"
    assert "deleted" in reason
    small_ctx.hooks.wait("on_share_ready", 2)
    assert b"tok2" in ask_raw(world, "tok2")


def test_a_share_of_the_yaml_that_was_deleted_is_offered_again_and_that_is_said_once(
    world, backend, started, small_ctx, caplog
):
    role = backend(share(name="docs"))
    started(role)
    world.unshare("", "tok1")
    small_ctx.hooks.wait("on_share_ready", 2)
    assert caplog.text.count("it stands in this daemon's configuration, so it is offered again") == 1
    assert "share docs (tok1) was deleted" in caplog.text
    assert small_ctx.hooks.of("on_share_lost") == [("tok1", "it was deleted")]


def test_a_share_that_only_the_overlay_lost_is_not_called_deleted(world, backend, started, small_ctx, caplog):
    role = backend(share(name="docs"))
    started(role)
    world.admin.delete_share("tok1")
    [(token, _)] = small_ctx.hooks.wait("on_share_lost")
    assert token == "tok1"
    assert "share docs (tok1) was lost, and is offered again: " in caplog.text
    assert "configuration" not in caplog.text


def test_a_required_share_that_was_deleted_ends_the_daemon(world, backend, started, small_ctx, patient):
    role = backend(share(name="docs", required=True))
    started(role)
    world.unshare("", "tok1")
    patient(lambda: small_ctx.failures)
    assert [str(error) for error in small_ctx.failures] == [
        "share tok1 was deleted, so there is nothing left to do here"
    ]
    assert world.shares == {}
    assert role.health().detail.endswith("there is nothing left to do here")


def test_connections_outlive_the_bind_they_came_by(world, backend, started, small_ctx):
    role = backend(share("wait", name="docs"))
    started(role)
    stream = world.dial("tok1")
    stream.send(b"a")
    assert stream.recv(100, 5) == b"0:a"
    world.admin.delete_share("tok1")  # and nobody told the controller
    small_ctx.hooks.wait("on_share_lost")
    stream.send(b"b")
    assert stream.recv(100, 5) == b"0:b"
    stream.close()


@pytest.mark.parametrize("known", [True, False])
def test_connections_end_with_the_share_that_was_deleted(world, backend, started, small_ctx, known):
    role = backend(share("wait", name="docs"))
    started(role)
    stream = world.dial("tok1")
    stream.send(b"a")
    assert stream.recv(100, 5) == b"0:a"
    if known:
        world.unshare("", "tok1")
    else:
        world.admin.delete_share("tok1")
        world.failing = Denied("the account is gone")
    small_ctx.hooks.wait("on_share_lost")
    with contextlib.suppress(StreamError):  # a reset is an end, too
        assert stream.recv(100, 5) == b""
    stream.close()


@pytest.mark.parametrize("name", ["zrokd.net.grpc", "zrokd.wire.agent_messages"])
def test_an_agent_without_its_packages_says_what_to_install(backend, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(StartError, match=r"pip install 'zrokd\[agent\]'"):
        backend(agent=True)


def test_a_restart_has_the_same_tokens(world, backend, started):
    shares = [share(name="docs"), share(), share("wait", private=True), share("wait", private=True, token="team-db")]
    role = backend(*shares)
    started(role, 4)
    before = set(world.shares)
    role.drain(1.0)
    role.close()
    role = backend(*shares)
    started(role, 4)
    assert set(world.shares) == before
    assert world.of("unshare") == []


def test_a_share_that_the_controller_forgot_is_made_again(world, backend, started):
    role = backend(share())
    started(role)
    role.close()
    world.unshare("", "tok1")
    started(backend(share()))
    assert list(world.shares) == ["tok2"]


def test_a_token_that_is_another_environments_is_not_used(world, backend, started):
    role = backend(share())
    started(role)
    role.close()
    world.shares["tok1"] = ("somebody else", "tok1")
    started(backend(share()))
    assert set(world.shares) == {"tok1", "tok2"}


def test_what_the_yaml_no_longer_names_is_released_at_the_next_start(world, backend, started, patient):
    role = backend(share(name="docs"), share("wait"))
    started(role, 2)
    role.close()
    started(backend(share(name="docs")))
    patient(lambda: len(world.shares) == 1)
    assert world.shares.popitem()[1][1] == "docs"


def test_a_damaged_memory_is_told_and_forgotten(world, backend, started, small_ctx, caplog):
    (small_ctx.state_dir / "shares.json").write_text("{")
    started(backend(share()))
    assert "damaged" in caplog.text


def test_a_full_disk_is_told_and_sharing_goes_on(world, backend, started, small_ctx, monkeypatch, caplog):
    real = files._write_synced

    def full(path, data):
        if "shares" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    monkeypatch.setattr(files, "_write_synced", full)
    started(backend(share()))
    assert "shares.json: No space left on device" in caplog.text
    assert b"tok1" in ask_raw(world, "tok1")


# -- a no ---


@pytest.mark.parametrize("error", [Conflict("'docs' is in use"), Denied("not enough"), NotFound("no namespace")])
def test_a_no_is_told_once_and_asked_again_slowly(world, backend, started, quick, patient, caplog, error):
    role = backend(share(private=True, token="abc"), serve=False)
    role.serve()
    started(role)
    role.close()
    caplog.clear()
    world.shares.clear()
    world.admin.delete_share("abc")
    world.failing = error
    role = backend(share(private=True, token="abc"))
    before = len(world.calls)
    patient(lambda: len(world.calls) >= before + 4)
    assert caplog.text.count(str(error)) == 1
    assert str(error) in role.health().detail
    world.failing = None
    started(role)


def test_the_pause_after_a_no_is_long(world, backend, patient):
    world.shares["x"] = ("somebody else", "docs")
    role = backend(share(name="docs"))
    patient(lambda: world.of("share"))
    gevent.sleep(0.5)
    assert len(world.of("share")) == 1
    assert "in use by another environment" in role.health().detail


def test_what_breaks_a_rule_is_not_asked_again(world, backend, patient, caplog):
    role = backend(share(name="docs"), serve=False)
    real, world.share = world.share, lambda draft: (_ for _ in ()).throw(Invalid("'docs' is not allowed"))
    role.serve()
    patient(lambda: role.supervisors and next(iter(role.supervisors.values())).state == State.REFUSED)
    assert "share docs is refused: 'docs' is not allowed" in caplog.text
    assert "'docs' is not allowed" in role.health().detail
    world.share = real


@pytest.mark.parametrize("kind", [Conflict, Denied, NotFound, LimitReached, Invalid])
def test_a_no_to_a_required_share_ends_the_daemon_with_one_sentence(
    world, backend, started, patient, small_ctx, caplog, kind
):
    role = backend(share(name="docs", required=True), share())
    world.share = lambda draft: (_ for _ in ()).throw(kind("it cannot be"))
    patient(lambda: small_ctx.failures)
    [error] = small_ctx.failures
    assert (type(error), str(error)) == (kind, "share docs is refused: it cannot be")
    assert role.supervisors[share(name="docs").key].state == State.REFUSED
    assert "docs" not in caplog.text  # the daemon says it when it ends


@pytest.mark.parametrize("error", [Unavailable("away"), OverlayTimeout("the overlay sleeps")])
def test_a_required_share_waits_for_what_passes(world, backend, started, small_ctx, patient, error):
    role = backend(share(name="docs", required=True), serve=False)
    real, tries = world.share, []

    def fail(draft):
        tries.append(1)
        raise error

    world.share = fail
    role.serve()
    patient(lambda: len(tries) > 1)
    world.share = real
    started(role)
    assert small_ctx.failures == []


def test_a_no_to_one_share_does_not_hold_up_another(world, backend, patient):
    world.shares["x"] = ("somebody else", "docs")
    role = backend(share(name="docs"), share())
    patient(lambda: [s.state for s in role.supervisors.values()] == [State.WAITING, State.BOUND])
    assert role.health().detail.startswith("1 of 2 shares are bound; docs: ")


# -- what other processes of this host serve, and leave behind ---


def test_a_controller_that_falls_silent_while_a_share_is_offered_does_not_use_up_the_drain(
    world, backend, patient, monkeypatch
):
    monkeypatch.setattr("zrokd_plugins.role_backend.supervisor._OFFER_END_S", 0.05)
    asked = []
    monkeypatch.setattr(world, "share", lambda draft: (asked.append(draft), gevent.sleep(100)))
    role = backend(share(name="docs"))
    patient(lambda: asked)
    began = time.monotonic()
    role.drain(30.0)
    assert time.monotonic() - began < 5.0


@pytest.fixture
def process(world, small_ctx, tmp_path):
    """process(name, *shares): a backend with a state folder of its own, in one environment with the others."""
    identity = world.admin.create_environment("x")
    folder = tmp_path / "home"
    EnvironmentFile(folder).save(
        EnabledEnvironment(controller="http://c", account_token=Secret("t"), identity=identity)
    )
    roles = []

    def start(name, *shares, release_on_exit=True):
        own = copy.copy(small_ctx)
        own.state_dir = tmp_path / name
        own.state_dir.mkdir(exist_ok=True)
        settings = {"environment": str(folder), "verify": False, "release_on_exit": release_on_exit}
        role = BackendRole(BackendSettings(**settings, shares=list(shares)), own)
        role.connect = lambda url, token: world
        roles.append(role)
        role.open()
        role.serve()
        return role

    yield start
    for role in roles:
        role.close()


def kill(role):
    """As SIGKILL does: locks and listeners are gone, and nothing is told to the controller."""
    for supervisor in role.supervisors.values():
        supervisor.stop()
    role.close()


def test_what_a_killed_process_shared_is_ended_by_the_next(world, process, started, patient):
    one = process("one", share("wait"))
    started(one)
    kill(one)
    assert set(world.shares) == {"tok1"}
    started(process("two", share("wait")))
    patient(lambda: set(world.shares) == {"tok2"})


def test_what_a_killed_process_shared_by_name_is_taken_up_by_the_next(world, process, started):
    one = process("one", share(name="docs"))
    started(one)
    kill(one)
    started(process("two", share(name="docs")))
    assert set(world.shares) == {"tok1"}
    assert world.of("unshare") == []


def test_what_a_living_process_shares_is_not_touched(world, process, started, patient):
    living, killed = process("one", share("wait")), process("two", share("wait", number=1))
    started(living)
    started(killed)
    kill(killed)
    third = process("three", share("wait", number=2))
    started(third)
    patient(lambda: len(world.shares) == 2)
    assert len(world.of("unshare")) == 1
    for role in (living, third):
        [key] = role.supervisors
        assert role._office.memory.token(key) in world.shares


def test_what_is_to_last_outlives_a_killed_process(world, process, started):
    one = process("one", share(name="docs"), release_on_exit=False)
    started(one)
    kill(one)
    two = process("two", share("wait"))
    started(two)
    two.drain(1.0)
    assert set(world.shares) == {"tok1"}


def test_a_share_that_two_processes_serve_ends_with_the_second(world, process, started):
    one, two = process("one", share(name="docs")), process("two", share(name="docs"))
    started(one)
    started(two)
    one.drain(1.0)
    assert set(world.shares) == {"tok1"}
    two.drain(1.0)
    assert world.shares == {}


def test_a_required_share_that_another_process_serves_is_refused_and_left_alone(world, process, started, patient):
    one = process("one", share(name="docs"))
    started(one)
    two = process("two", share(name="docs", required=True))
    patient(lambda: [each.state for each in two.supervisors.values()] == [State.REFUSED])
    assert "another zrokd of this machine shares it" in two.health().detail
    two.drain(1.0)
    assert set(world.shares) == {"tok1"}
    assert b'"share": "tok1"' in ask_raw(world, "tok1")


def test_of_two_required_shares_that_begin_at_once_one_is_served(world, process, patient):
    both = [process(name, share(name="docs", required=True)) for name in ("one", "two")]
    patient(
        lambda: (
            sorted(each.state for role in both for each in role.supervisors.values()) == [State.BOUND, State.REFUSED]
        )
    )
    assert set(world.shares) == {"tok1"}


def test_a_required_share_that_was_lost_is_offered_again(world, process, started):
    role = process("one", share(name="docs", required=True))
    [one] = started(role)
    one._listener.close()
    one.bound.clear()
    assert role._office.offer(one.key, one.share, lasts=False).token == "tok1"


def test_what_could_not_be_released_is_ended_by_the_next(world, process, started, patient):
    one = process("one", share("wait"))
    started(one)
    world.failing = Unavailable("away")
    one.drain(1.0)
    one.close()
    world.failing = None
    started(process("two", share("wait")))
    patient(lambda: set(world.shares) == {"tok2"})


def test_leftovers_that_cannot_be_ended_hold_nothing_up(world, process, started, patient, caplog):
    one = process("one", share("wait"))
    started(one)
    kill(one)
    world.unshare = lambda z_id, token: (_ for _ in ()).throw(Denied("not now"))
    started(process("two", share("wait")))
    patient(lambda: "what processes that died left behind could not be ended: not now" in caplog.text)


def test_other_rules_for_visitors_make_another_share(world, backend, started, patient):
    role = backend(share())
    started(role)
    role.close()
    closed = share(basic_auth=["ann:sesame"])
    started(backend(closed))
    patient(lambda: set(world.shares) == {"tok2"})
    assert world.drafts["tok2"].gating.gate == "basic"
    others = [share(), closed, share(basic_auth=["ann:other"]), share(gate="door"), share(permission="open")]
    assert len({one.key for one in [*others, share(grants=["a@b.c"], private=True), share(private=True)]}) == 7


# -- limits, draining, the end ---


def test_a_share_serves_no_more_visitors_at_once_than_it_may(world, backend, started, patient):
    role = backend(share("wait"), max_streams=2)
    [supervisor] = started(role)
    streams = [world.dial("tok1") for _ in range(5)]
    patient(lambda: supervisor.mode.serving == 2)
    gevent.sleep(0.05)
    assert supervisor.active == 2
    for stream in streams:
        stream.send(b"x")
        assert stream.recv(100, 5) == b"0:x"
        stream.close()
    patient(lambda: supervisor.active == 0)
    assert supervisor.mode.most == 2


def test_draining_lets_connections_end_and_takes_no_new_ones(world, backend, started):
    role = backend(share("wait", name="docs"))
    [supervisor] = started(role)
    stream = world.dial("tok1")
    stream.send(b"a")
    assert stream.recv(100, 5) == b"0:a"
    draining = gevent.spawn(role.drain, 10.0)
    gevent.sleep(0.05)
    with pytest.raises(NoTerminator, match="nobody serves"):
        world.dial("tok1")
    assert not draining.ready()
    stream.send(b"b")
    assert stream.recv(100, 5) == b"0:b"
    stream.close()
    draining.get(timeout=5)
    assert supervisor.active == 0
    assert "tok1" in world.shares


def test_what_still_runs_after_the_deadline_is_cut(world, backend, started):
    role = backend(share("wait", name="docs"))
    [_supervisor] = started(role)
    stream = world.dial("tok1")
    stream.send(b"a")
    stream.recv(100, 5)
    began = time.monotonic()
    role.drain(0.2)
    assert 0.2 <= time.monotonic() - began < 3
    assert stream.recv(100, 5) == b""
    stream.close()


def test_shares_end_with_the_backend_when_it_is_asked_for(world, backend, started):
    role = backend(share(name="docs"), share(), release_on_exit=True)
    started(role, 2)
    role.drain(1.0)
    assert world.shares == {}
    assert "docs" in world.reserved
    assert world.admin.list_shares() == set()


def test_an_unreachable_controller_does_not_hold_up_the_end(world, backend, started, caplog):
    role = backend(share(name="docs"), release_on_exit=True)
    started(role)
    world.failing = Unavailable("away")
    role.drain(1.0)
    assert "could not be released: away" in caplog.text


def test_draining_before_anything_was_shared(world, backend):
    world.failing = Unavailable("away")
    role = backend(share(name="docs"))
    role.drain(1.0)
    role.close()
    role.close()


@pytest.mark.parametrize("answer", ["bound", "away"])
def test_a_share_that_is_being_offered_does_not_hold_up_the_end_and_says_nothing(
    world, backend, patient, caplog, answer
):
    go, real = threading.Event(), world.share

    def slow(draft):
        world._called("asked")
        go.wait(10)
        if answer == "away":
            raise Unavailable("the controller went first")
        return real(draft)

    world.share = slow
    role = backend(share(name="docs"))
    patient(lambda: world.of("asked"))
    draining = gevent.spawn(role.drain, 30.0)
    patient(lambda: next(iter(role.supervisors.values())).state == State.STOPPED)
    go.set()
    draining.get(timeout=5)
    assert caplog.text == ""


def test_a_mode_that_raises_harms_nobody_else(world, backend, started, monkeypatch, capsys):
    role = backend(share("wait"))
    [supervisor] = started(role)
    monkeypatch.setattr(supervisor.mode, "serve", lambda stream, caller: 1 / 0)
    stream = world.dial("tok1")
    assert stream.recv(100, 5) == b""
    stream.close()
    monkeypatch.undo()
    stream = world.dial("tok1")
    stream.send(b"x")
    assert stream.recv(100, 5) == b"0:x"
    stream.close()


# -- reload ---


def test_a_reload_touches_only_what_changed(world, backend, started, patient):
    kept, gone, changed = share("wait"), share(), share("wait", name="docs", number=1)
    role = backend(kept, gone, changed)
    started(role, 3)
    tokens = {s.share.label: role._office.memory.token(s.key) for s in role.supervisors.values()}
    same = role.supervisors[kept.key]
    on_kept, on_changed = world.dial(tokens["wait"]), world.dial(tokens["docs"])
    for stream, answer in ((on_kept, b"0:x"), (on_changed, b"1:x")):
        stream.send(b"x")
        assert stream.recv(100, 5) == answer
    role.reload(settings_of(kept, share("wait", name="docs", number=2), share("wait", private=True, token="new")))
    started(role, 3)
    patient(lambda: tokens["hello"] not in world.shares)
    assert role.supervisors[kept.key] is same
    assert set(world.shares) == {tokens["wait"], tokens["docs"], "new"}
    for stream, answer in ((on_kept, b"0:y"), (on_changed, b"1:y")):  # running connections go on as they were
        stream.send(b"y")
        assert stream.recv(100, 5) == answer
        stream.close()
    retired = list(role._tasks)  # beside what is told to the controller
    patient(lambda: all(task.done for task in retired[2:]))
    fresh = world.dial(tokens["docs"])
    fresh.send(b"z")
    assert fresh.recv(100, 5) == b"2:z"
    fresh.close()


def test_a_replaced_share_can_be_reached_all_the_time(world, backend, started):
    role = backend(share("wait", name="docs", number=1))
    started(role)
    stop, failures, answers = threading.Event(), [], set()

    def visit():
        while not stop.is_set():
            stream = world.dial("tok1")
            try:
                stream.send(b"x")
                answers.add(stream.recv(100, 5))
            finally:
                stream.close()
            gevent.sleep(0.001)

    visiting = gevent.spawn(visit)
    visiting.link_exception(lambda g: failures.append(g.exception))
    role.reload(settings_of(share("wait", name="docs", number=2)))
    gevent.sleep(0.3)
    stop.set()
    visiting.join(5)
    assert failures == []
    assert answers >= {b"2:x"}


def test_a_mode_that_cannot_open_keeps_the_old_settings(world, backend, started, small_ctx):
    role = backend(share("wait", name="docs"))
    [supervisor] = started(role)
    before = (role.settings, len(small_ctx.built))
    with pytest.raises(StartError, match="this mode cannot open"):
        role.reload(settings_of(share("wait", number=3), share("wait", fails=True)))
    assert (role.settings, len(small_ctx.built)) == before
    assert role.supervisors == {supervisor.key: supervisor}
    assert supervisor.state == State.BOUND


@pytest.mark.parametrize(
    "change",
    [{"controller": "http://other"}, {"token": "other"}, {"ca": "/x"}, {"description": "x"}, {"max_streams": 5}],
)
def test_what_only_a_restart_can_change_is_named(world, backend, change):
    role = backend(share(name="docs"))
    with pytest.raises(RestartNeeded, match=f"roles.backend.{next(iter(change))}"):
        role.reload(settings_of(share(name="docs"), **change))


def test_a_reload_before_the_controller_answers(world, backend, started):
    world.failing = Unavailable("away")
    role = backend(share(name="docs"))
    gevent.sleep(0.01)
    role.reload(settings_of(share()))
    world.failing = None
    started(role)
    assert [s.share.label for s in role.supervisors.values()] == ["hello"]


def test_a_mode_that_cannot_open_stops_the_start_and_closes_the_others(world, small_ctx):
    role = BackendRole(settings_of(share("wait"), share("wait", fails=True)), small_ctx)
    with pytest.raises(StartError):
        role.open()
    role.close()
    assert small_ctx.built == []


# -- verification ---


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(
    ("status", "by_gate"), [(401, True), (403, True), (302, True), (200, False), (404, False), (502, False)]
)
def test_a_gate_is_on_the_way_where_there_is_one(origin, status, by_gate, gated):
    asked = []

    def answer(stream):
        asked.append(stream.recv(65536, 5))
        stream.send(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)

    url = f"http://docs.localhost:{origin(answer)}"
    assert ask(url, "tok1", gated=gated) == ("" if gated and by_gate else f"{url} answers {status}")
    assert asked[0].startswith(b"GET /.well-known/zrokd/ping?")
    assert f"Host: {url.removeprefix('http://')}".encode() in asked[0]


@pytest.mark.parametrize("fields", [b"", b"Retry-After: 2\r\n"])
def test_a_gate_that_the_frontend_lacks_is_known_by_its_page(origin, fields):
    body = standard_page(503).body

    def answer(stream):
        stream.recv(65536, 5)
        head = b"HTTP/1.1 503 X\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n" % (fields, len(body))
        stream.send(head + body)

    url = f"http://docs.localhost:{origin(answer)}"
    assert ask(url, "tok1", gated=False) == f"{url} answers 503"
    if fields:  # it is closed for now only
        assert ask(url, "tok1", gated=True) == f"{url} answers 503"
        return
    with pytest.raises(NotFound, match="answers 503 for want of it"):
        ask(url, "tok1", gated=True)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("knows", ["tok1", "tok2", ""])
def test_only_the_share_itself_answers_a_ping(origin, knows, gated):
    def answer(stream):
        target = stream.recv(65536, 5).split()[1]
        fields = b"".join(b"%s: %s\r\n" % field for field in (pong(knows, target) if knows else ()))
        stream.send(b"HTTP/1.1 204 X\r\n" + fields + b"Connection: close\r\n\r\n")

    url = f"http://docs.localhost:{origin(answer)}"
    assert ask(url, "tok1", gated=gated) == ("" if knows == "tok1" else f"{url} leads to something else")


def test_an_answer_of_before_is_none_to_the_next_ping(origin):
    first = []

    def answer(stream):
        first.append(stream.recv(65536, 5).split()[1])
        [field] = pong("tok1", first[0])
        stream.send(b"HTTP/1.1 204 X\r\n%s: %s\r\nConnection: close\r\n\r\n" % field)

    url = f"http://docs.localhost:{origin(answer)}"
    assert ask(url, "tok1", gated=False) == ""
    assert ask(url, "tok1", gated=False) == f"{url} leads to something else"


def test_an_address_without_anybody_is_told():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    assert ask(url, "tok1", gated=False) == f"{url} does not answer (Connection refused)"


def test_who_answers_for_ever_is_given_up(origin, monkeypatch):
    monkeypatch.setattr(verify, "_LONGEST_S", 0.2)

    def answer(stream):
        stream.recv(65536, 5)
        stream.send(b"HTTP/1.1 204 X\r\nX: ")
        with contextlib.suppress(StreamError):
            while True:
                stream.send(b"x")
                time.sleep(0.05)

    url = f"http://docs.localhost:{origin(answer)}"
    assert ask(url, "tok1", gated=False) == f"{url} does not answer (it did not return within 0.2 s)"


def test_all_addresses_must_answer_and_are_asked_until_they_do():
    answers = {"a": iter(["", "", ""]), "b": iter(["down", "down", ""])}
    assert ask_until(("a", "b"), time.monotonic() + 10, lambda url: next(answers[url])) == ""
    assert ask_until(("a",), time.monotonic(), lambda url: "down") == "down"
    assert ask_until((), time.monotonic(), lambda url: "down") == ""


# -- settings ---


WRONG = [
    ({"private": True, "name": "docs"}, "`name` is for public shares"),
    ({"private": True, "basic_auth": ["a:b"]}, "`basic_auth` is for public shares"),
    ({"token": "abc"}, "`token` is for private shares"),
    ({"grants": ["a@b.c"]}, "`grants` is for private shares"),
    ({"gate": "basic"}, "there are none"),
    ({"name": "No"}, "not a valid name"),
    ({"name": "ab"}, "not a valid name"),
    ({"private": True, "token": "x" * 33}, "not a valid share token"),
    ({"basic_auth": ["ann"]}, "user:password"),
    ({"basic_auth": [":x"]}, "user:password"),
    ({"basic_auth": ["ann:"]}, "user:password"),
    ({"permission": "maybe"}, "open"),
    ({"namespace": ""}, "at least 1"),
]


@pytest.mark.parametrize(("keys", "told"), WRONG)
def test_a_wrong_share_is_told(keys, told):
    with pytest.raises(ValidationError, match=told):
        ShareSettings(mode="hello", **keys)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "environment"),
        ({"token": "t"}, "needs `controller`"),
        ({"controller": "x", "token": "t"}, "is not a URL; write it like https://"),
        ({"controller": "http://c", "token": "t", "max_streams": 0}, "greater"),
        ({"controller": "http://c", "token": "t", "shares": [{"mode": "hello", "name": "docs"}] * 2}, "has this name"),
        (
            {
                "controller": "http://c",
                "token": "t",
                "shares": [{"mode": "hello", "private": True, "token": "abc"}] * 2,
            },
            "has this token",
        ),
    ],
)
def test_a_wrong_backend_is_told(keys, told):
    with pytest.raises(ValidationError, match=told):
        BackendSettings(**keys)


def test_a_share_that_stands_twice_is_told_where_it_does():
    shares = [
        *({"mode": "hello", "private": True, "token": token} for token in ("abc", "tok", "abc", "abc")),
        *({"mode": "hello", "name": "app", "namespace": space} for space in ("public", "other", "public")),
    ]
    with pytest.raises(ValidationError) as refused:
        BackendSettings(controller="http://c", token="t", shares=shares)
    found = [mistake for item in refused.value.errors() for mistake in item["ctx"]["error"].found]
    assert [(each.path[1:], each.first[1:]) for each in found] == [
        ((6, "name"), (4, "name")),
        ((2, "token"), (0, "token")),
        ((3, "token"), (0, "token")),
    ]


def loaded(*shares):
    """The backend's settings as a configuration file gives them."""
    classes = {("mode", name): cls for name, cls in MODES.items()} | {
        ("mode", "proxy"): ProxyMode,
        ("role", "backend"): BackendRole,
        ("overlay", "local"): LocalOverlay,
    }
    role = {"controller": "http://c", "token": "t", "shares": list(shares)}
    tree = {"version": 1, "overlay": {"use": "local"}, "roles": {"backend": role}}
    return from_tree(tree, registry=lambda slot, name: classes[slot, name]).roles["backend"].settings


@pytest.mark.parametrize(
    "share",
    [
        {"name": "docs", "mode": "web", "target": "/srv", "hidden": True},
        {"name": "docs", "mode": {"use": "web", "target": "/srv", "hidden": True}},
        {"name": "docs", "mode": {"use": "web", "target": "/srv"}, "hidden": True},
    ],
)
def test_the_keys_of_a_mode_stand_beside_or_inside_it(share):
    [made] = loaded(share).shares
    assert made.use.component is WebMode
    assert (made.use.settings.target, made.use.settings.hidden, made.name) == ("/srv", True, "docs")


def test_the_mode_is_proxy_when_none_is_named():
    [made] = loaded({"target": "http://127.0.0.1:3000"}).shares
    assert made.use.component is ProxyMode
    assert str(made.use.settings.target) == "http://127.0.0.1:3000"


@pytest.mark.parametrize(
    ("share", "path"),
    [
        ({"mode": "web", "target": "/srv", "hiden": True}, "roles.backend.shares[0].hiden"),
        ({"mode": "web", "target": 5}, "roles.backend.shares[0].target"),
        ({"mode": {"use": "web", "target": 5}}, "roles.backend.shares[0].mode.target"),
        ({"mode": {"use": "web", "target": "/a"}, "target": "/b"}, "roles.backend.shares[0].target"),
        ({"mode": "web", "target": "/srv", "name": "No"}, "roles.backend.shares[0].name"),
    ],
)
def test_a_mistake_is_told_with_the_place_where_it_stands(share, path):
    with pytest.raises(ConfigError) as caught:
        loaded(share)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_keys_tell_shares_apart_and_stay_the_same():
    first, second = share("wait", number=1), share("wait", number=1)
    assert list(keyed([first, second])) == [first.key, f"{first.key}#2"]
    assert share("wait", number=1).key == first.key
    others = [
        share("wait", number=2),
        share("wait", private=True, number=1),
        share("wait", namespace="x", number=1),
        share(),
    ]
    assert len({first.key, *(other.key for other in others)}) == 5
    assert share(name="docs").key == share("wait", name="docs").key


def test_a_stream_and_caller_reach_the_mode(world, backend, started, monkeypatch):
    role = backend(share("wait"))
    [supervisor] = started(role)
    seen = []
    monkeypatch.setattr(supervisor.mode, "serve", lambda stream, caller: seen.append(caller))
    stream = world.dial("tok1")
    assert stream.recv(1, 5) == b""
    stream.close()
    assert seen == [Caller(identity=f"uid:{os.getuid()}", address=f"pid:{os.getpid()}")]


@pytest.mark.parametrize(("private", "said", "counts"), [(True, "", True), (False, "", False), (False, ACCESS, True)])
def test_bytes_are_counted_where_no_frontend_counts_them(world, backend, started, monkeypatch, private, said, counts):
    role = backend(share("wait", private=private))
    [supervisor] = started(role)
    monkeypatch.setattr(supervisor.mode, "serve", lambda stream, caller: stream.send(b"123"))
    stream = world.dial("tok1", caller=said)
    assert stream.recv(9, 5) == b"123"
    assert stream.recv(1, 5) == b""
    stream.close()
    told = [(sample.share_token, sample.tx_bytes) for sample in role._tally.meter.take()]
    assert told == ([("tok1", 3)] if counts else [])


def test_a_crowd_of_changes_is_written_a_few_times(small_ctx, monkeypatch):
    written = []

    def write(_function, _path, document):
        gevent.sleep(0.01)
        written.append(dict(document["shares"]))

    memory = Memory(small_ctx.state_dir / "shares.json", write, small_ctx.log)
    gevent.joinall([gevent.spawn(memory.put, f"key{number}", "x") for number in range(50)], raise_error=True)
    assert len(written) <= 3
    assert len(written[-1]) == 50


def test_the_memory_of_very_many_shares_is_read_again(small_ctx):
    tokens = {f"name:public:share-number-{number}": f"token{number:07}" for number in range(40_000)}
    write_json(small_ctx.state_dir / "shares.json", {"version": 1, "z_id": "env", "shares": tokens})
    memory = Memory(small_ctx.state_dir / "shares.json", small_ctx.offload, small_ctx.log)
    memory.load("env")
    assert memory.keys() == set(tokens)
    assert memory.token("name:public:share-number-39999") == "token0039999"


def test_the_memory_is_readable_for_people(world, backend, started, small_ctx):
    started(backend(share(name="docs")))
    kept = json.loads((small_ctx.state_dir / "shares.json").read_text())
    assert kept["shares"] == {"name:public:docs": "tok1"}
    assert kept["version"] == 1


def test_a_closed_listener_is_no_loss(world, backend, started, small_ctx):
    role = backend(share())
    [supervisor] = started(role)
    supervisor.stop()
    assert small_ctx.hooks.of("on_share_lost") == []
    assert supervisor.state == State.STOPPED
    with pytest.raises(StreamClosed):
        supervisor._listener.accept()


# -- an environment that somebody ended ---


def test_a_backend_with_a_token_enables_itself_again(backend, world, started, patient, caplog, tmp_path):
    role = backend(share(name="docs"), share(private=True, token="own"), share())
    started(role, 3)
    old = role._office.z_id
    with caplog.at_level("WARNING"):
        world.end_environment(old)
        patient(lambda: role._office.z_id != old)
        started(role, 3)
    assert len(world.of("enable")) == 2
    assert {z_id for z_id, _ in world.shares.values()} == {role._office.z_id}
    assert role._file.load().identity.z_id == role._office.z_id
    assert caplog.text.count("this host enables itself again") == 1
    assert role.health().ok


def test_a_backend_without_a_token_says_what_to_do(backend, world, started, patient, caplog, quick, tmp_path):
    first = backend(share(name="docs"))
    started(first)
    folder = first._file.path.parent
    first.close()
    role = backend(share(name="docs"), environment=str(folder), token=None)
    started(role)
    with caplog.at_level("WARNING"):
        world.end_environment(role._office.z_id)
        patient(lambda: "run zrokd enable again" in caplog.text)
        seen = len(world.of("share"))
        patient(lambda: len(world.of("share")) > seen + 2)
    assert caplog.text.count("run zrokd enable again") == 1
    assert len(world.of("enable")) == 1
    assert not role.health().ok


# -- what goes through ---


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr("zrokd_plugins.role_backend.tally.EVERY_S", 0.05)


def ended(stream):
    """Read until the other side ends it, one way or another."""
    try:
        while stream.recv(100, 10):
            pass
    except StreamError:
        return
    finally:
        stream.close()


def test_what_goes_through_a_private_share_is_told_and_through_a_public_one_not(
    world, backend, started, often, patient
):
    (_, public) = started(backend(share(private=True, token="mine"), share()), 2)
    ask_raw(world, public.mode.share_token)
    answer = ask_raw(world, "mine", asked := b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    patient(lambda: world.counted)
    assert world.counted == {"mine": (len(asked), len(answer))}


def test_the_last_of_it_is_told_at_the_end(world, backend, started):
    role = backend(share("wait", private=True, token="mine"))
    started(role)
    stream = world.dial("mine")
    stream.send(b"abc")
    assert stream.recv(100, 10) == b"0:abc"
    stream.close()
    role.drain(1)
    role.close()
    assert world.counted == {"mine": (3, 5)}


def test_a_share_that_is_limited_lets_nobody_in_cuts_who_is_there_and_comes_back(
    world, backend, started, often, patient, caplog
):
    started(backend(share("wait", token="raw", private=True), share(token="web", private=True)), 2)
    stream = world.dial("raw")
    stream.send(b"abc")
    assert stream.recv(100, 10) == b"0:abc"
    world.limited = {"raw", "web"}
    ended(stream)
    assert caplog.text.count("has used up its bytes") == 2
    assert b"503" in (page := ask_raw(world, "web")) and b"had all the traffic" in page
    ended(world.dial("raw"))
    world.limited = set()
    patient(lambda: b"200 OK" in ask_raw(world, "web"))


def test_a_share_that_is_limited_is_known_at_the_start(world, backend, started, patient):
    world.limited = {"web"}
    started(backend(share(token="web", private=True)))
    patient(lambda: b"503" in ask_raw(world, "web"))


@pytest.mark.parametrize("error", [NotFound("no such operation"), Unavailable("it is away")])
def test_a_controller_that_does_not_keep_usage_harms_nothing(world, backend, started, often, error):
    started(backend(share(token="web", private=True)))
    world.failing = error
    for _ in range(3):
        assert b"200 OK" in ask_raw(world, "web")


def test_what_is_no_http_gets_no_page_from_a_limited_share(world, backend, started, patient):
    world.limited = {"web"}
    role = backend(share(token="web", private=True))
    started(role)
    patient(lambda: role._tally.limited)
    stream = world.dial("web")
    stream.send(b"\x00\x01\x02\r\n\r\n")
    ended(stream)
