"""HTTPS to several equal controllers: the first that answers is asked, and no fault takes longer than its limit."""

from __future__ import annotations

import socket
import time

import gevent
import pytest
from zrokd_plugins.overlay_ziti import web as module
from zrokd_plugins.overlay_ziti.identity import make_context
from zrokd_plugins.overlay_ziti.web import Answer, Web

from zrokd.errors import OverlayError, OverlayTimeout

PATH = "/.well-known/est/cacerts"


@pytest.fixture
def webs():
    """webs(controller, ...): a Web that asks them in that order; all are closed at the end."""
    made = []

    def make(*controllers, timeout_s=5.0, ca=None):
        context = make_context(ca or controllers[0].ca)
        made.append(Web([each.url for each in controllers], context, timeout_s=timeout_s))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_connection_is_used_again(controller, webs, count_connections):
    web = webs(controller)
    for _ in range(3):
        assert web.request("GET", PATH).status == 200
    assert count_connections() == 1
    assert web.trouble == ""


@pytest.fixture
def count_connections(monkeypatch):
    """How many connections were made."""
    made = []
    real = module._Connection.connect

    def connect(self):
        made.append(self)
        real(self)

    monkeypatch.setattr(module._Connection, "connect", connect)
    return lambda: len(made)


def test_the_leaf_is_the_servers_own(controller, webs):
    import ssl

    answer = webs(controller).request("GET", PATH)
    assert ssl.DER_cert_to_PEM_cert(answer.leaf).strip() in controller.authority.server.read_text()


def test_the_next_controller_is_asked_when_one_is_away_and_stays_first(controllers, webs):
    first, second = controllers(), controllers()
    web = webs(first, second)
    assert web.request("GET", PATH).status == 200
    first.close()
    for _ in range(2):
        assert web.request("GET", PATH).status == 200
    assert len(second.asked) == 2
    assert web.trouble == ""


def test_with_no_controller_left_the_first_ones_trouble_is_told(controllers, webs):
    first, second = controllers(), controllers()
    web = webs(first, second)
    first.close()
    second.close()
    with pytest.raises(OverlayError, match=first.url):
        web.request("GET", PATH)
    assert first.url in web.trouble


def test_a_controller_that_says_nothing_is_left_after_the_limit(controllers, webs):
    silent, other = controllers(), controllers()
    silent.faults.append(silent.hang)
    web = webs(silent, other, timeout_s=0.3)
    began = time.monotonic()
    assert web.request("GET", PATH).status == 200
    assert time.monotonic() - began < 3


def test_silence_of_all_is_a_timeout(controller, webs):
    controller.faults.append(controller.hang)
    with pytest.raises(OverlayTimeout, match="0.2 s"):
        webs(controller, timeout_s=0.2).request("GET", PATH)


def test_a_connection_that_the_controller_closed_while_it_was_unused_is_made_anew(controller, webs):
    web = webs(controller)
    assert web.request("GET", PATH).status == 200
    kept = web._sites[0]._kept[-1][1]
    kept.sock.shutdown(socket.SHUT_RDWR)  # as a controller that closed it leaves it
    assert web.request("GET", PATH).status == 200


def test_one_that_was_unused_for_long_is_not_tried(controller, webs, count_connections, monkeypatch):
    web = webs(controller)
    web.request("GET", PATH)
    monkeypatch.setattr(module, "_KEEP_S", 0.0)
    web.request("GET", PATH)
    assert count_connections() == 2


def test_a_certificate_of_another_network_is_told(controller, webs, tmp_path):
    from zrokd_plugins.overlay_ziti.authority import Authority

    other = Authority(tmp_path / "other")
    other.ensure("other", ["127.0.0.1"])
    with pytest.raises(OverlayError, match="is `ca` right"):
        webs(controller, ca=other.ca.read_text()).request("GET", PATH)


def test_an_endless_answer_is_cut(controller, webs, monkeypatch):
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1000)
    controller.faults.append(lambda asked: (200, b"x" * 1001))
    with pytest.raises(OverlayError, match="longer than 1000 bytes"):
        webs(controller).request("GET", PATH)


def test_many_at_once_all_get_their_answer(controller, webs, count_connections):
    web = webs(controller)
    asking = [gevent.spawn(web.request, "GET", PATH) for _ in range(40)]
    gevent.joinall(asking, timeout=20)
    assert [each.get(timeout=1).status for each in asking] == [200] * 40
    assert count_connections() <= module._CONNECTIONS


def test_a_killed_asker_leaves_no_half_read_connection(controller, webs):
    controller.faults.append(controller.hang)
    web = webs(controller)
    asking = gevent.spawn(web.request, "GET", PATH)
    while not controller.asked:
        gevent.sleep(0.005)
    asking.kill()
    controller.faults.clear()
    assert web.request("GET", PATH).status == 200


def test_one_that_is_killed_in_its_handshake_leaves_no_socket_open(recwarn):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        web = Web([url], make_context_free(), timeout_s=0.2)
        asking = gevent.spawn(web.request, "GET", PATH)
        taken, _ = silent.accept()
        with taken:
            assert taken.recv(1)  # of the first message of the handshake
            asking.kill()
            with pytest.raises(OverlayTimeout):
                web.request("GET", PATH)
    assert not [each for each in recwarn if each.category is ResourceWarning]


def test_no_controller_at_all_is_told():
    with pytest.raises(OverlayError, match="no controller"):
        Web([], make_context_free(), timeout_s=1).request("GET", PATH)


def make_context_free():
    import ssl

    return ssl.create_default_context()


@pytest.mark.parametrize(("body", "found"), [(b"", {}), (b'{"a":1}', {"a": 1}), (b"[]", [])])
def test_a_body_is_json_or_nothing(body, found):
    assert Answer(200, body).json() == found


def test_a_body_that_is_no_json_is_told():
    with pytest.raises(OverlayError, match="502"):
        Answer(502, b"<html>").json()
