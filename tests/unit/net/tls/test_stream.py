"""A stream inside TLS behaves as every stream does."""

import os
import ssl
import time

import gevent
import pytest

from tests.unit.net.tls.conftest import client_context, offload, server_context
from zrokd.errors import StreamClosed, StreamError, StreamTimeout
from zrokd.net.relay import relay
from zrokd.net.tls.stream import TlsStream
from zrokd.net.wsgi import WsgiHandler


def read_all(stream):
    data = bytearray()
    while piece := stream.recv(65536, 5.0):
        data += piece
    return bytes(data)


def both(ends):
    return ((ends.client, ends.server), (ends.server, ends.client))


def test_bytes_arrive_both_ways_whole(ends):
    data = os.urandom(3_000_000)
    for source, target in both(ends):
        sending = gevent.spawn(source.send, data, 5.0)
        got = bytearray()
        while len(got) < len(data):
            got += target.recv(100_000, 5.0)
        sending.get(timeout=5)
        assert got == data


def test_it_is_secure_and_has_no_descriptor_for_the_kernel_to_splice(ends):
    assert ends.server.secure
    assert not ends.near.secure
    assert ends.server.fileno() == -1


def test_an_end_is_told_and_the_other_direction_goes_on(ends):
    for source, target in both(ends):
        source.send_eof()
        assert target.recv(10, 5.0) == b""
    with pytest.raises(StreamError):
        ends.client.send(b"after the end")


def test_bytes_sent_before_and_after_the_peers_end_arrive(ends):
    ends.client.send(b"before")
    ends.server.send_eof()
    ends.client.send(b", after")
    ends.client.send_eof()
    assert read_all(ends.server) == b"before, after"


def test_a_close_tells_the_peer_that_it_is_the_end(ends):
    ends.server.send(b"last")
    ends.server.close()
    assert read_all(ends.client) == b"last"


def test_a_connection_that_is_cut_is_broken_and_not_ended(ends):
    ends.server.send(b"half of an ans")
    ends.near.close()
    with pytest.raises(StreamError, match="cut off"):
        read_all(ends.client)


def test_an_abort_is_no_end(ends):
    ends.server.abort()
    with pytest.raises(StreamError):
        read_all(ends.client)


def test_who_waits_on_a_stream_that_is_closed_hears_it(ends):
    waiting = gevent.spawn(ends.server.recv, 10, 5.0)
    looking = gevent.spawn(ends.client.wait_readable, 5.0)
    gevent.sleep(0)
    ends.server.close()
    with pytest.raises(StreamClosed):
        waiting.get(timeout=5)
    assert looking.get(timeout=5)
    ends.client.close()
    with pytest.raises(StreamError):
        ends.client.recv(10, 5.0)


def test_half_a_record_makes_nothing_readable(ends):
    ends.client.send(b"x" * 1000)
    record = ends.near.recv(65536, 5.0)
    ends.server._in.write(record[:500])
    assert not ends.server.wait_readable(0.05)
    assert ends.server.is_idle()
    with pytest.raises(StreamTimeout):
        ends.server.recv(10, 0.05)
    ends.server._in.write(record[500:])
    assert ends.server.wait_readable(0.05)
    assert not ends.server.is_idle()
    assert ends.server.recv(2000, 0.05) == b"x" * 1000


def test_the_limit_counts_from_the_first_byte_of_a_record_not_from_its_last(ends):
    ends.client.send(b"x" * 1000)
    record = ends.near.recv(65536, 5.0)
    began = time.monotonic()
    raw = ends.raw

    def drip():
        for byte in record[:300]:
            raw.send(bytes([byte]))
            gevent.sleep(0.01)

    dripping = gevent.spawn(drip)
    with pytest.raises(StreamTimeout):
        ends.server.recv(10, 0.3)
    assert time.monotonic() - began < 1.5
    dripping.kill()


def test_who_looked_takes_nothing_away(ends):
    ends.client.send(b"hello")
    assert ends.server.wait_readable(5.0)
    assert [ends.server.recv(2, 1.0) for _ in range(3)] == [b"he", b"ll", b"o"]
    assert ends.server.is_idle()
    buffer = memoryview(bytearray(10))
    ends.client.send(b"again")
    assert ends.server.recv_into(buffer, 5.0) == 5
    assert bytes(buffer[:5]) == b"again"


def test_a_reader_who_stalls_stops_the_writer_which_holds_little(ends):
    with pytest.raises(StreamTimeout):
        ends.client.send(bytes(64 * 1024 * 1024), 0.2)
    assert ends.client._out.pending <= 128 * 1024


def test_a_relay_passes_half_closes(ends, make_pair):
    near, far = make_pair("unix")
    relaying = gevent.spawn(relay, ends.server, near, idle_s=5.0)
    ends.client.send(b"question" * 100_000)
    ends.client.send_eof()
    assert read_all(far) == b"question" * 100_000
    far.send(b"answer")
    far.send_eof()
    assert read_all(ends.client) == b"answer"
    assert relaying.get(timeout=5).outcome == "ok"


# -- handshakes ---


def test_a_handshake_that_takes_too_long_is_a_timeout(accepted, issued):
    far, near = accepted()
    began = time.monotonic()

    def drip():
        far.send(b"\x16\x03\x01\x10\x00")
        for _ in range(100):
            far.send(b"\x01")
            gevent.sleep(0.02)

    dripping = gevent.spawn(drip)
    with pytest.raises(StreamTimeout, match="took more than 0.3 s"):
        TlsStream(near, server_context(issued)).handshake(offload, 0.3)
    assert time.monotonic() - began < 1.5
    dripping.kill()


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x15\x03\x01\x00\x02\x02\x28"]
)
def test_what_is_no_handshake_is_told_so(accepted, issued, data):
    far, near = accepted()
    far.send(data)
    far.send_eof()
    with pytest.raises(StreamError, match="TLS with right"):
        TlsStream(near, server_context(issued)).handshake(offload, 5.0)


def test_a_peer_that_ends_within_the_handshake_is_told_so(accepted, issued):
    far, near = accepted()
    far.send(b"\x16\x03\x01\x02\x00")
    far.send_eof()
    with pytest.raises(StreamError, match="cut off"):
        TlsStream(near, server_context(issued)).handshake(offload, 5.0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused_with_an_alert(accepted, issued, version):
    far, near = accepted()
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    serving = gevent.spawn(TlsStream(near, server_context(issued)).handshake, offload, 5.0)
    with pytest.raises(StreamError, match="(?i)protocol_version|protocol version"):
        TlsStream(far, context, name="localhost").handshake(offload, 5.0)
    with pytest.raises(StreamError, match="UNSUPPORTED_PROTOCOL"):
        serving.get(timeout=5)


def test_ciphers_without_forward_secrecy_or_authentication_are_refused(accepted, issued):
    far, near = accepted()
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256")
    serving = gevent.spawn(TlsStream(near, server_context(issued)).handshake, offload, 5.0)
    with pytest.raises(StreamError, match="HANDSHAKE_FAILURE"):
        TlsStream(far, context, name="localhost").handshake(offload, 5.0)
    with pytest.raises(StreamError, match="NO_SHARED_CIPHER"):
        serving.get(timeout=5)


def test_a_client_learns_why_a_certificate_is_not_trusted(accepted, issued):
    far, near = accepted()
    serving = gevent.spawn(TlsStream(near, server_context(issued)).handshake, offload, 5.0)
    with pytest.raises(StreamError, match="not trusted"):
        TlsStream(far, client_context(verify=True), name="localhost").handshake(offload, 5.0)
    with pytest.raises(StreamError):
        serving.get(timeout=5)


def test_http1_is_the_protocol_agreed_on(accepted, issued):
    far, near = accepted()
    context = client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    server, client = TlsStream(near, server_context(issued)), TlsStream(far, context, name="localhost")
    serving = gevent.spawn(server.handshake, offload, 5.0)
    client.handshake(offload, 5.0)
    serving.get(timeout=5)
    assert client._tls.selected_alpn_protocol() == "http/1.1"


# -- what is above it ---


def test_an_application_is_told_that_it_is_asked_inside_tls(ends):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{environ['wsgi.url_scheme']} {environ['SERVER_PORT']}".encode()]

    serving = gevent.spawn(WsgiHandler(app), ends.server)
    ends.client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    got = b""
    while not got.endswith(b"https 443"):
        piece = ends.client.recv(65536, 5.0)
        assert piece, got
        got += piece
    ends.client.close()
    serving.join(5)
