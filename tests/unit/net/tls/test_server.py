"""The server's side of handshakes."""

import ssl
import threading

import gevent
import pytest
from cryptography import x509

from tests.certificates import issue
from tests.unit.net.tls.conftest import client_context, offload
from zrokd.errors import StreamError, StreamTimeout
from zrokd.model.units import Secret
from zrokd.net.tls.server import NoTls, TlsServer
from zrokd.net.tls.settings import CertificateSettings, TlsSettings
from zrokd.net.tls.stream import TlsStream


def settings(*issued, **more):
    certificates = [CertificateSettings(chain=one.chain, key=Secret(one.key)) for one in issued]
    return TlsSettings(certificates=certificates, **more)


FIRST, WILD, EXACT = (
    issue("first.example.com"),
    issue("*.share.example.com", "share.example.com", number=1),
    issue("www.share.example.com", "*.example.org", kind="rsa2048"),
)

NAMELESS = "127.0.0.1"  # clients send no address as the name they ask for


def shown(server, accepted, name):
    """The first name of the certificate that a client which asks for `name` is shown."""
    far, near = accepted()
    serving = gevent.spawn(server.welcome, near)
    client = TlsStream(far, client_context(), name=name)
    client.handshake(offload, 5.0)
    inside = serving.get(timeout=5)
    own = x509.load_der_x509_certificate(client._tls.getpeercert(binary_form=True))
    client.close()
    inside.close()
    return own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value[0].value


@pytest.mark.parametrize(
    ("name", "first_name"),
    [
        ("first.example.com", "first.example.com"),
        ("127.0.0.1", "first.example.com"),
        ("nobody.example.net", "first.example.com"),
        ("share.example.com", "*.share.example.com"),
        ("a.share.example.com", "*.share.example.com"),
        ("A.Share.Example.COM", "*.share.example.com"),
        ("www.share.example.com", "www.share.example.com"),
        ("a.b.share.example.com", "first.example.com"),
        ("a.example.org", "www.share.example.com"),
        ("example.org", "first.example.com"),
        ("localhost", "first.example.com"),
    ],
)
def test_the_certificate_is_chosen_by_the_name_that_is_asked_for(accepted, name, first_name):
    server = TlsServer(settings(FIRST, WILD, EXACT), offload)
    assert shown(server, accepted, name) == first_name


def test_of_two_for_one_name_the_first_counts(accepted):
    again = issue("again.example.com", "a.share.example.com", number=2)
    more = issue("more.example.com", "a.share.example.com", number=3)
    server = TlsServer(settings(FIRST, again, more), offload)
    assert shown(server, accepted, "a.share.example.com") == "again.example.com"


def test_the_arithmetic_runs_in_threads_two_at_a_time(accepted):
    hub, running, most, seen = threading.get_ident(), 0, 0, set()

    def counted(function):
        seen.add(threading.get_ident())
        return function()

    def counting(function):
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return offload(counted, function)
        finally:
            running -= 1

    server = TlsServer(settings(EXACT), counting)
    greenlets = [gevent.spawn(shown, server, accepted, "a.example.org") for _ in range(12)]
    gevent.joinall(greenlets, timeout=20, raise_error=True)
    assert most == 2
    assert hub not in seen


def test_who_speaks_no_tls_is_told_apart(accepted):
    server = TlsServer(settings(FIRST), offload)
    far, near = accepted()
    far.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(NoTls) as caught:
        server.welcome(near)
    assert caught.value.came == b"GET / HTTP/1.1\r\n\r\n"
    far, near = accepted()
    far.close()
    with pytest.raises(NoTls):
        server.welcome(near)


def test_who_says_nothing_is_cut_off_in_time(accepted):
    server = TlsServer(settings(FIRST, handshake_time=0.1), offload)
    _, near = accepted()
    with pytest.raises(StreamTimeout):
        server.welcome(near)


def test_beyond_the_limit_the_oldest_gives_way_and_good_clients_are_served(accepted):
    server = TlsServer(settings(FIRST, handshakes=3), offload)
    silent = []
    for _ in range(3):
        _, near = accepted()
        silent.append(gevent.spawn(server.welcome, near))
        gevent.sleep(0)
    for _ in range(3):
        assert shown(server, accepted, NAMELESS) == "first.example.com"
        assert sum(not one.ready() for one in silent) == 2
    with pytest.raises(StreamError, match="closed here"):
        silent[0].get(timeout=5)
    gevent.killall(silent)


def test_those_who_wait_for_us_do_not_give_way(accepted):
    begun, go_on = gevent.event.Event(), gevent.event.Event()

    def slow(function):
        begun.set()
        go_on.wait(5)
        return offload(function)

    server = TlsServer(settings(FIRST, handshakes=1), slow)
    quick = gevent.spawn(shown, server, accepted, NAMELESS)
    assert begun.wait(5)
    _, near = accepted()
    with pytest.raises(StreamError, match="run already"):
        server.welcome(near)
    go_on.set()
    assert quick.get(timeout=5) == "first.example.com"


def test_a_failed_handshake_leaves_nothing_behind(accepted):
    server = TlsServer(settings(FIRST), offload)
    far, near = accepted()
    serving = gevent.spawn(server.welcome, near)
    with pytest.raises(StreamError):
        TlsStream(far, ssl.create_default_context(), name="first.example.com").handshake(offload, 5.0)
    with pytest.raises(StreamError):
        serving.get(timeout=5)
    assert server._running == {}
