"""The certificates of a network of our own."""

from __future__ import annotations

import datetime as dt
import ssl
import stat

import pytest
from cryptography import x509
from zrokd_plugins.overlay_ziti.authority import LEAF_DAYS, RENEW_DAYS, Authority, certificate_of, names_of, write

NAMES = ["ziti.example.com", "127.0.0.1", "::1"]
NOW = dt.datetime(2031, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "pki")


def test_keys_are_for_us_alone(authority):
    authority.ensure("net", NAMES)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (authority.ca_key, authority.key)] == [0o600, 0o600]
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700


def test_the_certificates_say_who_they_are_for(authority):
    authority.ensure("net", NAMES)
    leaf = certificate_of(authority.server)
    assert names_of(leaf) == {*NAMES}
    uris = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.UniformResourceIdentifier
    )
    assert uris == ["spiffe://net/controller/net"]
    root = certificate_of(authority.ca)
    leaf.verify_directly_issued_by(root)
    certificate_of(authority.client).verify_directly_issued_by(root)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("names", "later", "made", "same_root"),
    [
        pytest.param(NAMES, 0 * DAY, False, True, id="nothing changed"),
        pytest.param(NAMES[::-1], 0 * DAY, False, True, id="another order"),
        pytest.param(NAMES[:2], 0 * DAY, True, True, id="a name less"),
        pytest.param([*NAMES, "other"], 0 * DAY, True, True, id="a name more"),
        pytest.param(NAMES, (LEAF_DAYS - RENEW_DAYS - 1) * DAY, False, True, id="they still last"),
        pytest.param(NAMES, (LEAF_DAYS - RENEW_DAYS + 1) * DAY, True, True, id="they end soon"),
        pytest.param(NAMES, LEAF_DAYS * 2 * DAY, True, True, id="they ended"),
    ],
)
def test_they_are_made_anew_when_they_must(authority, names, later, made, same_root):
    assert authority.ensure("net", NAMES, NOW)
    root = authority.ca.read_bytes()
    assert authority.ensure("net", names, NOW + later) is made
    assert (authority.ca.read_bytes() == root) is same_root
    assert names_of(certificate_of(authority.server)) == {*names}
    assert certificate_of(authority.server).not_valid_after_utc > NOW + later + RENEW_DAYS * DAY


@pytest.mark.parametrize("lost", ["server", "client", "key"])
def test_what_is_lost_is_made_again_under_the_same_root(authority, lost):
    authority.ensure("net", NAMES)
    root = authority.ca.read_bytes()
    getattr(authority, lost).unlink()
    assert authority.ensure("net", NAMES)
    assert authority.ca.read_bytes() == root


@pytest.mark.parametrize(("name", "trusted"), [("127.0.0.1", True), ("ziti.example.com", True), ("elsewhere", False)])
def test_openssl_trusts_them_for_their_names_only(authority, name, trusted):
    authority.ensure("net", NAMES)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.server, authority.key)
    client = ssl.create_default_context(cafile=str(authority.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert handshake(client, server, name) is trusted


def handshake(client, server, name):
    """Whether two contexts agree, over memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=name)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return one.getpeercert() is not None


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "file"
    path.with_name("file.new").write_text("left by a crash")
    write(path, b"content", 0o640)
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
