"""The controller's line to agents, over a real local overlay; the agents here answer what a test says."""

import gevent
import pytest
from zrokd_plugins.overlay_local import LocalOverlay, LocalSettings
from zrokd_plugins.role_controller.agents import AgentCalls

from zrokd.errors import AgentAway, CallFailed, OverlayError, StreamClosed, StreamError
from zrokd.model.agent import AccessPrivateRequest, VersionRequest, VersionResponse
from zrokd.net import grpc
from zrokd.net.grpc import Code
from zrokd.wire.agent_messages import pack


@pytest.fixture
def overlay(zrokd_bench, tmp_path):
    return zrokd_bench.open(LocalOverlay, LocalSettings(dir=str(tmp_path / "overlay")))


@pytest.fixture
def admin(overlay):
    made = overlay.admin("one")
    made.create_agent("told", "env")
    return made


@pytest.fixture
def line(admin, zrokd_bench):
    made = AgentCalls(admin, zrokd_bench.ctx, lambda: 0.2)
    yield made
    made.close()


@pytest.fixture
def agent(overlay, admin):
    """agent(handle): somebody who binds the service; without gRPC, what it says at once."""
    tasks, listeners = [], []

    def made(handle):
        node = overlay.node(admin.create_environment("e").document)
        listener = node.bind("told")
        listeners.extend([listener, node])
        tasks.append(gevent.spawn(serve, listener, handle, tasks))

    yield made
    for one in listeners:
        one.close()
    gevent.killall(tasks)


def serve(listener, handle, tasks):
    while True:
        try:
            stream, _ = listener.accept()
        except StreamClosed:
            return
        tasks.append(gevent.spawn(answer, stream, handle))


def answer(stream, handle):
    try:
        if isinstance(handle, bytes):
            stream.send(handle)
            stream.send_eof()
        else:
            grpc.serve(stream, handle, idle_s=5)
    except StreamError:
        pass
    finally:
        stream.close()


def test_what_an_agent_says_comes_back(line, agent):
    agent(lambda method, message: pack(VersionResponse(v=method)))
    assert line.ask("told", VersionRequest()) == VersionResponse(v="/Agent/Version")


@pytest.mark.parametrize("token", ["told", "unknown"])
def test_an_agent_that_nobody_runs_is_away(line, token):
    with pytest.raises(AgentAway, match="is away; does `zrokd agent start` run there"):
        line.ask(token, VersionRequest())


def test_what_an_agent_refuses_is_told_in_its_words(line, agent):
    def refuse(method, message):
        raise CallFailed(Code.NOT_FOUND, "no share")

    agent(refuse)
    with pytest.raises(AgentAway, match="refuses: no share"):
        line.ask("told", VersionRequest())


@pytest.mark.parametrize("handle", [b"HTTP/1.1 200 OK\r\n\r\n", b"", lambda method, message: b"\xff"])
def test_one_that_makes_no_sense_is_told_of(line, agent, handle):
    agent(handle)
    with pytest.raises(AgentAway):
        line.ask("told", VersionRequest())


def test_one_that_is_silent_is_not_waited_for_and_takes_its_own_callers_only(line, agent, admin, overlay):
    agent(lambda method, message: gevent.sleep(5))
    asking = [gevent.spawn(line.ask, "told", VersionRequest()) for _ in range(5)]
    with pytest.raises(AgentAway, match="busy"):
        asking[-1].get(timeout=0.15)
    for one in asking[:-1]:
        with pytest.raises(AgentAway, match="does not answer"):
            one.get(timeout=5)
    with pytest.raises(AgentAway, match="does not answer"):
        line.ask("told", VersionRequest())  # there is room again


def test_what_cannot_be_said_is_not(line, agent):
    agent(lambda method, message: b"")
    with pytest.raises(AgentAway, match="cannot be told"):
        line.ask("told", AccessPrivateRequest(auto_start_port=-1))


def test_when_the_overlay_fails_the_next_call_begins_anew(line, agent, admin, overlay, monkeypatch):
    agent(lambda method, message: pack(VersionResponse(v="2")))
    node = line._own_node()

    def refuse(service, *, timeout_s):
        raise OverlayError("this identity is gone")

    monkeypatch.setattr(node, "dial", refuse)
    with pytest.raises(OverlayError, match="gone"):
        line.ask("told", VersionRequest())
    assert line.ask("told", VersionRequest()).v == "2"
