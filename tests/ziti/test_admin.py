"""Who may dial what is enforced by the network itself, not by our API."""

from __future__ import annotations

import itertools
import statistics
import time
from contextlib import closing

import gevent
import pytest
from zrokd_plugins.overlay_ziti import ZitiOverlay

from zrokd.errors import NoTerminator, OverlayError, StreamError, UnknownService

_NUMBER = itertools.count()
REVOKED_WITHIN_S = 5.0


@pytest.fixture
def overlay(ziti_network, zrokd_bench):
    admin = {"username": ziti_network.username, "password": ziti_network.password}
    settings = ZitiOverlay.Settings(controller=ziti_network.url, ca=str(ziti_network.ca), admin=admin)
    return zrokd_bench.open(ZitiOverlay, settings)


@pytest.fixture
def instance(overlay):
    name = f"admin{next(_NUMBER)}"
    yield name
    overlay.unbootstrap(name)


@pytest.fixture
def admin(overlay, instance):
    return overlay.admin(instance)


@pytest.fixture
def nodes(overlay):
    """nodes(identity): a node; all are closed at the end."""
    made = []

    def make(identity):
        made.append(overlay.node(identity.document))
        return made[-1]

    yield make
    for each in made:
        each.close()


def token():
    return f"admin-{next(_NUMBER)}"


def serve(node, name):
    """Bind, and keep what is accepted open: (listener, streams)."""
    listener, streams = node.bind(name), []

    def accept():
        try:
            while True:
                streams.append(listener.accept()[0])
        except (StreamError, OverlayError):
            return

    gevent.spawn(accept)
    return listener, streams


def test_only_frontends_dial_public_shares_and_only_those(admin, nodes):
    h, o, f = admin.create_environment("h"), admin.create_environment("o"), admin.create_frontend("f")
    host, other, edge = nodes(h), nodes(o), nodes(f)
    public, private = token(), token()
    admin.create_share(public, h.z_id, public=True, config={})
    admin.create_share(private, h.z_id, public=False, config={})
    listeners = [serve(host, name)[0] for name in (public, private)]
    edge.dial(public).close()
    with pytest.raises(UnknownService):
        edge.dial(private)
    for name in (public, private):
        with pytest.raises(UnknownService):
            other.dial(name)
        with pytest.raises(UnknownService):
            other.bind(name)
        host.dial(name).close()  # its own, to see whether they are served
    for each in listeners:
        each.close()


def test_an_identity_of_somebody_else_binds_and_dials_once_it_is_adopted(overlay, admin, nodes):
    """As those of zrok are after an import: enrolled long ago, on a machine that is told nothing."""
    theirs = admin.create_environment("theirs")
    api = admin._management
    for policy in list(api.find("service-policies", tag_zrokdEnvironment=theirs.z_id)):
        api.delete("service-policies", policy["id"])
    api.patch("identities", theirs.z_id, tags={"zrok": "v2.0.4"}, roleAttributes=[])
    admin.adopt_environment(theirs.z_id)
    name, guest = token(), admin.create_environment("guest")
    admin.create_share(name, theirs.z_id, public=False, config={})
    admin.create_access("access", name, guest.z_id)
    host = nodes(theirs)
    listener, _ = serve(host, name)
    host.dial(name).close()
    nodes(guest).dial(name).close()
    listener.close()
    admin.delete_environment(theirs.z_id)
    assert api.first("identities", id=theirs.z_id) is None


def test_controllers_alone_dial_an_agent(admin, nodes):
    h, f, c = admin.create_environment("h"), admin.create_frontend("f"), admin.create_controller()
    host, edge, controller = nodes(h), nodes(f), nodes(c)
    name = token()
    admin.create_agent(name, h.z_id)
    listener, _ = serve(host, name)
    controller.dial(name).close()
    for other in (host, edge, nodes(admin.create_environment("o"))):
        with pytest.raises(UnknownService):
            other.dial(name)
    with pytest.raises(UnknownService):
        controller.bind(name)
    listener.close()
    admin.delete_share(name)


def test_two_instances_on_one_network_do_not_meet(overlay, admin, nodes, instance):
    other_name = f"{instance}-frontend"  # as near as a name can come
    other = overlay.admin(other_name)
    try:
        host, theirs = admin.create_environment("h"), other.create_frontend("f")
        neighbour = other.create_environment("h")
        name = token()
        admin.create_share(name, host.z_id, public=True, config={})
        for node in (nodes(theirs), nodes(neighbour)):
            with pytest.raises(UnknownService):
                node.dial(name)
            with pytest.raises(UnknownService):
                node.bind(name)
        with pytest.raises(OverlayError):
            other.create_share(name, neighbour.z_id, public=True, config={})
        other.delete_share(name)
        assert admin.list_shares() == {name}
        assert other.list_shares() == set()
    finally:
        overlay.unbootstrap(other_name)
    assert admin.list_shares() == {name}


def test_a_revoked_access_dials_no_more_and_its_open_streams_end(admin, nodes, capsys):
    h, g = admin.create_environment("h"), admin.create_environment("g")
    host, guest, name = nodes(h), nodes(g), token()
    admin.create_share(name, h.z_id, public=False, config={})
    listener, streams = serve(host, name)
    with pytest.raises(UnknownService):
        guest.dial(name)
    admin.create_access("acc", name, g.z_id)
    mine, own = guest.dial(name), host.dial(name)
    for each in (mine, own):
        each.send(b"x")
    admin.delete_access("acc", name)
    began = time.monotonic()
    with pytest.raises(UnknownService):
        guest.dial(name)
    refused_s = time.monotonic() - began
    with pytest.raises(StreamError):
        while mine.recv(1, REVOKED_WITHIN_S):
            pass
    ended_s = time.monotonic() - began
    assert ended_s < REVOKED_WITHIN_S
    own.send(b"still here", 5)
    assert not own.wait_readable(0.2)
    with capsys.disabled():
        print(
            f"\nrevoked: a dial refused in {refused_s * 1000:.0f} ms, the open stream ended in {ended_s * 1000:.0f} ms"
        )
    admin.create_access("acc", name, g.z_id)
    guest.dial(name).close()
    for each in (mine, own, *streams):
        each.close()
    listener.close()


def test_of_two_accesses_of_a_host_one_may_go(admin, nodes):
    h, g = admin.create_environment("h"), admin.create_environment("g")
    name = token()
    admin.create_share(name, h.z_id, public=False, config={})
    admin.create_access("one", name, g.z_id)
    admin.create_access("two", name, g.z_id)
    listener, _ = serve(nodes(h), name)
    guest = nodes(g)
    with closing(guest.dial(name)) as stream:
        admin.delete_access("one", name)
        assert not stream.wait_readable(0.5)
        guest.dial(name).close()
    listener.close()


def test_a_deleted_environment_is_out_at_once(admin, nodes):
    h, g = admin.create_environment("h"), admin.create_environment("g")
    name = token()
    admin.create_share(name, h.z_id, public=False, config={})
    admin.create_access("acc", name, g.z_id)
    listener, _ = serve(nodes(h), name)
    guest = nodes(g)
    with closing(guest.dial(name)) as stream:
        admin.delete_environment(g.z_id)
        began = time.monotonic()
        with pytest.raises(StreamError):
            stream.recv(1, REVOKED_WITHIN_S)
        assert time.monotonic() - began < REVOKED_WITHIN_S
    with pytest.raises(OverlayError):
        guest.dial(name)
    listener.close()


def test_a_host_dials_its_own_share_over_the_channel_that_it_serves_it_on(admin, nodes):
    h, name = admin.create_environment("h"), token()
    host = nodes(h)
    admin.create_share(name, h.z_id, public=False, config={})
    with closing(host.bind(name)) as listener:
        accepting = gevent.spawn(listener.accept)
        with closing(host.dial(name)) as near, closing(accepting.get(timeout=10)[0]) as far:
            for number in range(200):
                near.send(b"%d" % number, 5)
                assert far.recv(100, 5) == b"%d" % number
                far.send(b"-%d" % number, 5)
                assert near.recv(100, 5) == b"-%d" % number
            near.send_eof()
            assert far.recv(1, 5) == b""


def test_a_share_made_again_is_another_service_to_all(admin, nodes):
    h, g = admin.create_environment("h"), admin.create_environment("g")
    host, guest, name = nodes(h), nodes(g), token()
    for _ in range(2):
        admin.create_share(name, h.z_id, public=False, config={})
        admin.create_access("acc", name, g.z_id)
        with pytest.raises(NoTerminator):
            guest.dial(name)
        listener, _ = serve(host, name)
        guest.dial(name, timeout_s=10).close()
        listener.close()
        admin.delete_share(name)
        with pytest.raises(UnknownService):
            guest.dial(name)


def test_bootstrap_makes_what_stands_and_unbootstrap_leaves_nothing(overlay, ziti_network):
    kinds = (
        "services",
        "configs",
        "identities",
        "service-policies",
        "edge-router-policies",
        "service-edge-router-policies",
    )

    def ours():
        return [each for kind in kinds for each in ziti_network.all(f"/{kind}") if each["tags"].get("zrokd") == "whole"]

    planned = overlay.bootstrap("whole", dry_run=True)
    assert ours() == []
    made = overlay.bootstrap("whole")
    assert [step.what for step in made] == [step.what for step in planned]
    assert {step.action for step in overlay.bootstrap("whole")} == {"kept"}
    admin = overlay.admin("whole")
    host = admin.create_environment("h")
    admin.create_frontend("f")
    admin.create_share(token(), host.z_id, public=True, config={})
    admin.create_access("acc", next(iter(admin.list_shares())), host.z_id)
    assert len(ours()) >= 8
    would = overlay.unbootstrap("whole", dry_run=True)
    assert len(would) == len(ours())
    assert len(overlay.unbootstrap("whole")) == len(would)
    assert ours() == []
    assert overlay.unbootstrap("whole") == []


def test_an_instance_may_only_be_checked(overlay, ziti_network, zrokd_bench):
    admin = {"username": ziti_network.username, "password": ziti_network.password, "bootstrap": False}
    settings = ZitiOverlay.Settings(controller=ziti_network.url, ca=str(ziti_network.ca), admin=admin)
    checking = zrokd_bench.open(ZitiOverlay, settings, "ziti-2")
    with pytest.raises(OverlayError, match="zrokd admin bootstrap"):
        checking.admin("checked")
    overlay.bootstrap("checked")
    try:
        assert checking.admin("checked").list_shares() == set()
    finally:
        overlay.unbootstrap("checked")


def test_each_step_takes_its_time_and_no_more(admin, capsys):
    """Medians; the limits have room for a machine under load."""
    times = {"enable": [], "share": [], "access": [], "revoke": [], "unshare": []}

    def timed(name, function, *args, **more):
        began = time.monotonic()
        result = function(*args, **more)
        times[name].append((time.monotonic() - began) * 1000)
        return result

    for number in range(9):
        host, name = timed("enable", admin.create_environment, f"h{number}"), token()
        timed("share", admin.create_share, name, host.z_id, public=False, config={})
        timed("access", admin.create_access, f"acc{number}", name, host.z_id)
        timed("revoke", admin.delete_access, f"acc{number}", name)
        timed("unshare", admin.delete_share, name)
    medians = {name: statistics.median(each) for name, each in times.items()}
    with capsys.disabled():
        print("\n" + ", ".join(f"{name} {ms:.0f} ms" for name, ms in medians.items()))
    assert medians["enable"] <= 150
    assert medians["share"] <= 40
    assert medians["access"] <= 40
