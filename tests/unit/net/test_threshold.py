"""What a connection passes before its first request, on a real listener."""

import logging
import re

import gevent
import pytest

from tests.certificates import issue
from tests.unit.net.conftest import read_all
from tests.unit.net.tls.conftest import client_context, offload
from zrokd.errors import StreamError
from zrokd.model.units import Address, Secret, parse_address
from zrokd.net.listener import Listener
from zrokd.net.listening import listen
from zrokd.net.proxy_protocol import encode
from zrokd.net.stream import connect
from zrokd.net.threshold import ProxyProtocolSettings, Threshold
from zrokd.net.tls.settings import CertificateSettings, TlsSettings
from zrokd.net.tls.stream import TlsStream

LOG = logging.getLogger("test.threshold")
HERE = ProxyProtocolSettings(trusted=["127.0.0.0/8"], time=0.5)
ELSEWHERE = ProxyProtocolSettings(trusted=["192.0.2.0/24"])
VISITOR = Address("203.0.113.9", 4711)


def tls(name="localhost", number=0):
    issued = issue(name, number=number)
    return TlsSettings(certificates=[CertificateSettings(chain=issued.chain, key=Secret(issued.key))], handshake_time=2)


class Served:
    """A listener whose handler says who came, and sends back what it gets."""

    def __init__(self, address):
        self.peers, self.welcome = [], True
        self.threshold = Threshold(self._handle, offload, LOG, lambda _peer: self.welcome)
        self.listener = Listener(listen(address), self.threshold, log=LOG)
        self.listener.start()
        self._made = []

    def _handle(self, stream):
        self.peers.append((stream.peer, stream.secure))
        while data := stream.recv(65536, 5.0):
            stream.send(data)

    def connect(self):
        stream = connect(self.listener.address, 5.0)
        self._made.append(stream)
        return stream

    def inside(self, stream=None):
        made = TlsStream(stream or self.connect(), client_context(), name="localhost")
        made.handshake(offload, 5.0)
        return made

    def close(self):
        for stream in self._made:
            stream.close()
        self.listener.close()


@pytest.fixture
def served():
    made = Served(parse_address("127.0.0.1:0"))
    yield made
    made.close()


def says(stream, text=b"hello"):
    """Whether the handler is reached and answers."""
    stream.send(text)
    return stream.recv(100, 5.0) == text


def is_refused(served, sent=b""):
    """Whether it hangs up without an answer: perhaps before we are quite connected."""
    try:
        stream = served.connect()
        stream.send(sent)
    except StreamError:
        return True
    return read_all(stream) in (b"", b"<broken>")


def test_without_settings_the_connection_is_passed_as_it_is(served):
    assert says(served.connect())
    assert served.threshold.scheme == "http"
    assert served.peers[0][0].startswith("127.0.0.1:")
    assert not served.peers[0][1]


# -- PROXY protocol ---


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_trusted_balancer_says_who_connects(served, version):
    served.threshold.change(None, HERE)
    stream = served.connect()
    stream.send(encode(version, VISITOR, Address("127.0.0.1", 443)) + b"first bytes")
    assert stream.recv(100, 5.0) == b"first bytes"
    assert served.peers == [("203.0.113.9:4711", False)]


@pytest.mark.parametrize("header", [encode("v1", None, None), encode("v2", None, None)])
def test_its_own_connections_keep_its_own_address(served, header):
    served.threshold.change(None, HERE)
    stream = served.connect()
    stream.send(header)
    assert says(stream)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", served.peers[0][0])


@pytest.mark.parametrize(
    ("settings", "sent", "why"),
    [
        (ELSEWHERE, encode("v1", VISITOR, None), "not among the trusted balancers"),
        (ELSEWHERE, b"GET / HTTP/1.1\r\n\r\n", "not among the trusted balancers"),
        (HERE, b"GET / HTTP/1.1\r\n\r\n", "does not begin with a PROXY header"),
        (HERE, b"\x16\x03\x01\x02\x00" + bytes(500), "does not begin with a PROXY header"),
        (HERE, b"PROXY TCP4 1.2.3.4", "sent nothing for"),
        (HERE, b"", "sent nothing for"),
    ],
)
def test_who_is_not_trusted_or_sends_none_is_refused_without_an_answer(served, caplog, settings, sent, why):
    served.threshold.change(None, settings)
    assert is_refused(served, sent)
    assert served.peers == []
    assert why in caplog.text


def test_a_flood_of_refused_ones_does_not_fill_the_log(served, caplog):
    served.threshold.change(None, ELSEWHERE)
    for _ in range(5):
        assert is_refused(served)
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1


def test_a_unix_socket_is_trusted(tmp_path):
    served = Served(Address(path=str(tmp_path / "s")))
    served.threshold.change(None, ELSEWHERE)
    stream = served.connect()
    stream.send(encode("v2", VISITOR, None))
    assert says(stream)
    assert served.peers == [("203.0.113.9:4711", False)]
    served.close()


def test_the_header_comes_before_tls(served):
    served.threshold.change(tls(), HERE)
    stream = served.connect()
    stream.send(encode("v2", VISITOR, None))
    assert says(served.inside(stream))
    assert served.peers == [("203.0.113.9:4711", True)]


def test_a_header_inside_tls_is_not_one(served):
    served.threshold.change(tls(), None)
    inside = served.inside()
    assert says(inside, encode("v1", VISITOR, None))
    assert served.peers[0][0].startswith("127.0.0.1:")


# -- TLS ---


def test_bytes_pass_inside_tls_and_its_end_is_told(served):
    served.threshold.change(tls(), None)
    assert served.threshold.scheme == "https"
    inside = served.inside()
    assert says(inside)
    inside.send_eof()
    assert read_all(inside) == b""  # not broken: close_notify came


def test_plain_http_on_a_tls_port_gets_an_answer_that_helps(served):
    served.threshold.change(tls(), None)
    stream = served.connect()
    stream.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = read_all(stream)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Connection: close" in answer
    assert answer.endswith(b"write https:// in front of the address\n")
    assert served.peers == []


def test_other_bytes_get_none(served):
    served.threshold.change(tls(), None)
    stream = served.connect()
    stream.send(b"\x80\x2e\x01\x00\x02")
    assert read_all(stream) in (b"", b"<broken>")


def test_who_would_be_sent_away_costs_no_handshake(served):
    served.threshold.change(tls(), None)
    served.welcome = False
    with pytest.raises(StreamError):
        served.inside()


def test_a_change_is_for_those_who_come_later(served):
    served.threshold.change(tls("one.example.com"), None)
    before = served.inside()
    assert says(before)
    served.threshold.change(tls("two.example.com", 1), None)
    after = served.inside()
    assert says(after)
    assert says(before)
    shown = [stream._tls.getpeercert(binary_form=True) for stream in (before, after)]
    assert [b"one.example.com" in shown[0], b"two.example.com" in shown[1]] == [True, True]
    served.threshold.change(None, None)
    assert says(served.connect())
    assert says(before)


def test_an_equal_setting_keeps_what_runs(served):
    served.threshold.change(tls(), None)
    kept = served.threshold._tls
    served.threshold.change(tls(), None)
    assert (served.threshold._tls is kept) == (tls() == tls())


@pytest.mark.slow
def test_many_handshakes_at_once_are_all_served(served):
    served.threshold.change(tls().model_copy(update={"handshake_time": 20.0}), None)
    greenlets = [gevent.spawn(lambda: says(served.inside())) for _ in range(40)]
    gevent.joinall(greenlets, timeout=20)
    assert all(greenlet.value for greenlet in greenlets)
