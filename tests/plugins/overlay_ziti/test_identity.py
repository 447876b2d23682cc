"""Identity documents: what OpenZiti's SDKs write is read, and what we write they read."""

from __future__ import annotations

import json
import os
import socket
import ssl
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zrokd_plugins.overlay_ziti.authority import Authority
from zrokd_plugins.overlay_ziti.identity import IdentityFile, make_context

from zrokd.errors import OverlayError

CERT, KEY, CA = (f"-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n" for what in ("CERTIFICATE", "KEY", "CA"))


def document(**changes):
    parts = {"cert": f"pem:{CERT}", "key": f"pem:{KEY}", "ca": f"pem:{CA}"}
    return json.dumps({"ztAPI": "https://ctrl.example.com:1280", "id": parts, **changes})


def parts(**changes):
    return {"cert": f"pem:{CERT}", "key": f"pem:{KEY}", "ca": f"pem:{CA}", **changes}


# -- controllers ---


@pytest.mark.parametrize(
    ("keys", "controllers"),
    [
        ({"ztAPI": "https://a:1280"}, ("https://a:1280",)),
        ({"ztAPI": "https://a:1280/"}, ("https://a:1280",)),
        ({"ztAPI": "https://a:1280/edge/client/v1"}, ("https://a:1280",)),
        ({"ztAPI": "https://a"}, ("https://a:443",)),
        ({"ztAPI": "https://[::1]:1280/edge/client/v1"}, ("https://[::1]:1280",)),
        ({"ztAPI": "https://a:1", "ztAPIs": None}, ("https://a:1",)),
        ({"ztAPI": "https://a:1", "ztAPIs": []}, ("https://a:1",)),
        ({"ztAPI": None, "ztAPIs": ["https://b:1", "https://a:1"]}, ("https://b:1", "https://a:1")),
        (
            {"ztAPI": "https://a:1", "ztAPIs": ["https://b:2/edge/client/v1", "https://a:1/edge/client/v1"]},
            ("https://a:1", "https://b:2"),
        ),
    ],
)
def test_controllers_are_in_the_order_they_are_tried_and_each_once(keys, controllers):
    assert IdentityFile.parse(document(**keys)).controllers == controllers


@pytest.mark.parametrize(
    "keys",
    [
        {"ztAPI": None},
        {"ztAPI": ""},
        {"ztAPI": 7},
        {"ztAPI": "http://a:1280"},
        {"ztAPI": "https://:1280"},
        {"ztAPI": "https://a:port"},
        {"ztAPI": "https://[::1"},
        {"ztAPIs": "https://a:1"},
        {"ztAPIs": [1]},
        {"ztAPIs": ["ftp://a"]},
        {"configTypes": "all"},
    ],
)
def test_documents_without_a_usable_controller_are_refused(keys):
    with pytest.raises(OverlayError, match="enable this host again"):
        IdentityFile.parse(document(**keys))


# -- parts ---


@pytest.mark.parametrize("written", ["pem:{pem}", "{pem}", "\n{pem}"])
def test_a_certificate_may_stand_in_the_document(written):
    assert IdentityFile.parse(document(id=parts(cert=written.format(pem=CERT)))).cert.strip() == CERT.strip()


@pytest.mark.parametrize("written", ["file:{path}", "file://{path}", "{path}", "file:{quoted}"])
def test_a_certificate_may_stand_in_a_file(tmp_path, written):
    file = tmp_path / "my cert.pem"
    file.write_text(CERT)
    value = written.format(path=file, quoted=str(file).replace(" ", "%20"))
    assert IdentityFile.parse(document(id=parts(cert=value))).cert == CERT


@pytest.mark.parametrize("name", ["cert", "key", "ca"])
@pytest.mark.parametrize("value", [None, "", 5, "pem:", "pem:nonsense", "file:/nonexistent", "/nonexistent", "a\0b"])
def test_a_part_that_is_missing_or_damaged_is_told(name, value):
    with pytest.raises(OverlayError, match=name):
        IdentityFile.parse(document(id=parts(**{name: value})))


def test_a_file_that_holds_no_pem_is_told(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OverlayError, match="cannot be read"):
        IdentityFile.parse(document(id=parts(key=str(tmp_path / "x"))))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "5", '"x"', "{}", '{"id": 5}', '{"id": null, "ztAPI": "https://a"}']
)
def test_what_is_no_identity_is_told(text):
    with pytest.raises(OverlayError, match="enable this host again"):
        IdentityFile.parse(text)


def test_a_document_of_another_overlay_is_told_by_its_name():
    with pytest.raises(OverlayError, match="for overlay 'local'"):
        IdentityFile.parse('{"overlay": "local", "dir": "/"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["ztAPI", "ztAPIs", "id", "cert", "key", "ca", "configTypes"]), inner)
    ),
)


@given(json_values)
def test_any_json_is_an_identity_or_told(value):
    try:
        IdentityFile.parse(json.dumps(value))
    except OverlayError:
        return


def test_what_is_written_is_read_again():
    made = IdentityFile(
        controllers=("https://a:1", "https://b:2"), cert=CERT, key=KEY, ca=CA, config_types=("zrok.proxy.v1",)
    )
    assert IdentityFile.parse(made.to_json()) == made


def test_what_is_written_has_the_keys_that_every_sdk_needs():
    found = json.loads(IdentityFile(controllers=("https://a:1",), cert=CERT, key=KEY, ca=CA).to_json())
    assert found["ztAPI"] == "https://a:1/edge/client/v1"
    assert found["ztAPIs"] == [found["ztAPI"]]
    assert all(found["id"][name].startswith("pem:-----BEGIN ") for name in ("cert", "key", "ca"))


def test_the_key_is_in_no_repr():
    assert "KEY" not in repr(IdentityFile.parse(document()))


# -- TLS ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("pki"))
    made.ensure("identity", ["localhost"])
    return made


def identity_of(authority):
    return IdentityFile(
        controllers=("https://localhost:1",),
        cert=authority.client.read_text(),
        key=authority.key.read_text(),
        ca=authority.ca.read_text(),
    )


def shake(authority, client, alpn=()):
    """A handshake over a pair of sockets: (what the server saw of the client's certificate, protocol)."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.server, authority.key)
    server.load_verify_locations(authority.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        server.set_alpn_protocols(list(alpn))
    near, far = socket.socketpair()

    def serve():
        with far, server.wrap_socket(far, server_side=True) as wrapped:
            wrapped.recv(1)
            return wrapped.getpeercert(), wrapped.selected_alpn_protocol()

    serving = gevent.spawn(serve)
    with near, client.wrap_socket(near, server_hostname="localhost") as wrapped:
        wrapped.send(b"x")
        return serving.get(timeout=10)


def test_tls_shows_the_certificate_and_speaks_the_protocol(authority):
    seen, protocol = shake(authority, identity_of(authority).ssl_context(["ziti-edge"]), ["ziti-edge"])
    assert seen["subject"] == ((("commonName", "controller of identity"),),)
    assert protocol == "ziti-edge"


def test_a_server_of_another_network_is_not_trusted(authority, tmp_path):
    other = Authority(tmp_path)
    other.ensure("other", ["localhost"])
    client = make_context(other.ca.read_text(), authority.client.read_text(), authority.key.read_text())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(authority, client)


def test_a_server_of_another_name_is_not_trusted(tmp_path):
    authority = Authority(tmp_path)
    authority.ensure("named", ["elsewhere.example.com"])
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(authority, identity_of(authority).ssl_context([]))


def test_a_context_is_made_once_a_protocol(authority):
    identity = identity_of(authority)
    assert identity.ssl_context(["ziti-edge"]) is identity.ssl_context(["ziti-edge"])
    assert identity.ssl_context([]) is not identity.ssl_context(["ziti-edge"])


def test_the_key_is_written_to_no_disk_and_no_descriptor_stays(authority, monkeypatch, tmp_path):
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *args, **more: (opened.append(path), real(path, *args, **more))[1])
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = set(os.listdir("/proc/self/fd"))
    identity_of(authority).ssl_context(["x"])
    assert not list(tmp_path.iterdir())
    assert not opened
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 0


def test_a_key_of_another_certificate_is_told_without_showing_it(authority, tmp_path):
    other = Authority(tmp_path)
    other.ensure("other", ["localhost"])
    key = other.key.read_text()
    with pytest.raises(OverlayError, match="cannot be used") as caught:
        make_context(authority.ca.read_text(), authority.client.read_text(), key)
    assert key.splitlines()[1] not in str(caught.value)


@pytest.mark.parametrize("damaged", [CERT, "-----BEGIN CERTIFICATE-----\n"])
def test_damaged_authorities_are_told(damaged):
    with pytest.raises(OverlayError, match="cannot be used"):
        make_context(damaged)


def test_relative_paths_begin_where_the_daemon_runs(tmp_path, monkeypatch):
    (tmp_path / "key.pem").write_text(KEY)
    monkeypatch.chdir(tmp_path)
    assert IdentityFile.parse(document(id=parts(key="key.pem"))).key == KEY
    assert Path("key.pem").exists()
