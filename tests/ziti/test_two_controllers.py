"""Two controllers of zrokd on one database and one network: a frontend may ask either, and so may another beside it."""

from __future__ import annotations

from contextlib import closing

import gevent
import pytest
from zrokd_plugins.overlay_ziti import ZitiOverlay

from tests.postgres.controllers import EDGE, ControllerProcess
from tests.ziti.conftest import overlays
from zrokd.errors import StreamError
from zrokd.model.share import NameSelection, ShareDraft, ShareMode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
WAIT_S = 10.0


@pytest.fixture
def controllers(ziti_network, postgres, tmp_path):
    """Two that run."""
    database, overlay = postgres.create(), overlays(ziti_network)["controller"]
    made = [ControllerProcess(tmp_path, name, postgres, database, overlay=overlay) for name in ("one", "two")]
    for each in made:
        each.start(wait=False)
    for each in made:
        each.port = int(each.told(r"the API answers on http://127\.0\.0\.1:(\d+)"))
    yield made
    for each in made:
        each.close()


@pytest.fixture
def node_of(zrokd_bench):
    """node_of(identity): on the network; closed at the end."""
    overlay, made = zrokd_bench.open(ZitiOverlay, ZitiOverlay.Settings()), []

    def make(identity):
        made.append(overlay.node(identity.document))
        return made[-1]

    yield make
    for each in made:
        each.close()


def serve(listener):
    """Say who is there to everybody who comes."""
    try:
        while True:
            stream, _ = listener.accept()
            with closing(stream):
                stream.send(b"here", WAIT_S)
    except StreamError:
        return


def answer(node, token):
    with closing(node.dial(token, timeout_s=WAIT_S)) as stream:
        return stream.recv(100, WAIT_S)


def public_share(client):
    """A new one: the identity that binds it, and its token."""
    home = client.enable("desk", "linux")
    names = (NameSelection(namespace="public"),)
    draft = ShareDraft(env_z_id=home.z_id, share_mode=ShareMode.PUBLIC, mode="proxy", target="x", selections=names)
    return home, client.share(draft)[0]


def test_frontends_that_asked_different_controllers_both_serve_and_go_on_to(controllers, node_of):
    one, two = controllers
    home, token = public_share(one.client())
    with closing(node_of(home).bind(token)) as listener:
        serving = gevent.spawn(serve, listener)
        first = one.client(EDGE).identity()
        near = node_of(first)
        assert answer(near, token) == b"here"
        second = two.client(EDGE).identity()
        assert answer(node_of(second), token) == b"here"
        assert answer(node_of(first), token) == b"here", "the identity of the first is taken away by the second"
        assert (one.client(EDGE).identity(), two.client(EDGE).identity()) == (first, second)
        assert answer(near, token) == b"here"
    serving.join()


def test_what_one_made_the_other_takes_away_and_makes_again(controllers, node_of):
    one, two = controllers
    home, token = public_share(one.client())
    two.client().unshare(home.z_id, token)
    draft = ShareDraft(env_z_id=home.z_id, share_mode=ShareMode.PRIVATE, mode="proxy", target="x", token=token)
    assert two.client().share(draft)[0] == token
    guest = one.client().enable("guest", "linux")
    one.client().access(guest.z_id, token, "", "")
    with closing(node_of(home).bind(token)) as listener:
        serving = gevent.spawn(serve, listener)
        assert answer(node_of(guest), token) == b"here"
    serving.join()
    one.client().unshare(home.z_id, token)
