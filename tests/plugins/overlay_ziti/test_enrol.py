"""A one-time token becomes an identity, at the controller that signed it and nowhere else."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from hypothesis import given
from hypothesis import strategies as st
from zrokd_plugins.overlay_ziti.authority import Authority, certificate_of
from zrokd_plugins.overlay_ziti.enrol import Token, enrol, read_authorities
from zrokd_plugins.overlay_ziti.identity import IdentityFile
from zrokd_plugins.overlay_ziti.web import Answer

from tests.plugins.overlay_ziti.fake import No, sign
from zrokd.errors import OverlayError


def test_a_token_becomes_an_identity_of_its_subject(controller):
    made = enrol(controller.token("ann"))
    leaf = x509.load_pem_x509_certificate(made.cert.encode())
    assert leaf.subject.rfc4514_string() == "CN=ann"
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert made.controllers == (controller.url,)
    assert made.ca.strip() == controller.ca.strip()
    made.ssl_context([])  # key and certificate belong together


def test_the_identity_is_read_again_as_it_was_written(controller):
    made = enrol(controller.token())
    assert IdentityFile.parse(made.to_json()) == made


def test_the_key_never_leaves(controller):
    made = enrol(controller.token())
    assert not [each for each in controller.asked if made.key.encode() in each.body or b"PRIVATE" in each.body]


def test_a_token_that_another_signed_is_not_redeemed(controller, tmp_path):
    other = Authority(tmp_path / "other")
    other.ensure("other", ["127.0.0.1"])
    claims = {"iss": controller.url, "sub": "ann", "em": "ott", "jti": "one-time"}
    with pytest.raises(OverlayError, match="did not sign"):
        enrol(sign(other, claims))
    assert controller.count("POST", "/enroll") == 0


def test_a_token_that_was_changed_is_not_redeemed(controller):
    head, claims, signature = controller.token("ann").split(".")
    found = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**found, "sub": "admin"}).encode()).rstrip(b"=").decode()
    with pytest.raises(OverlayError, match="did not sign"):
        enrol(f"{head}.{forged}.{signature}")


def test_authorities_that_do_not_vouch_for_the_controller_are_not_trusted(controller, tmp_path):
    other = Authority(tmp_path / "other")
    other.ensure("other", ["127.0.0.1"])
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    wrong = base64.b64encode(pkcs7.serialize_certificates([certificate_of(other.ca)], Encoding.DER))
    controller.faults.append(lambda asked: (200, wrong) if asked.path.endswith("cacerts") else None)
    with pytest.raises(OverlayError, match="certificate that is not its own"):
        enrol(controller.token())
    assert controller.count("POST", "/enroll") == 0


def test_a_used_token_is_told_in_the_networks_words(controller):
    with pytest.raises(OverlayError, match="the token is used or over"):
        enrol(controller.token(jti="used"))


def test_a_controller_that_is_away_is_told(controller):
    token = controller.token()
    controller.close()
    with pytest.raises(OverlayError, match="cannot be reached"):
        enrol(token)


@pytest.mark.parametrize(
    "answer", [(200, b"{}"), (200, b"nonsense"), (200, b'{"data":[]}'), (500, b"<html>"), (400, b'{"error":"?"}')]
)
def test_an_answer_without_a_certificate_is_told(controller, answer):
    controller.faults.append(lambda asked: answer if asked.path.endswith("/enroll") else None)
    with pytest.raises(OverlayError):
        enrol(controller.token())


@pytest.mark.parametrize("answer", [b"", b"bm8=", b"\xff\xff"])
def test_authorities_that_cannot_be_read_are_told(answer):
    with pytest.raises(OverlayError, match="authorities"):
        read_authorities(Answer(200, answer))


def test_no_authorities_are_no_authorities(controller):
    def refuse(asked):
        if asked.path.endswith("cacerts"):
            raise No(404)

    controller.faults.append(refuse)
    with pytest.raises(OverlayError, match="authorities"):
        enrol(controller.token())


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c", "e30.e30.e30", "e30.W10.", "....", "é.é.é"])
def test_what_is_no_token_is_told(text):
    with pytest.raises(OverlayError, match="no enrolment token"):
        Token.parse(text)


@given(st.text() | st.binary().map(lambda data: f"e30.{base64.urlsafe_b64encode(data).decode()}.e30"))
def test_any_text_is_a_token_or_told(text):
    try:
        Token.parse(text)
    except OverlayError:
        return


def _token(algorithm, sign_with):
    head, claims = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": algorithm}, {"iss": "https://x", "sub": "s", "em": "ott", "jti": "j"})
    )
    signature = base64.urlsafe_b64encode(sign_with(f"{head}.{claims}".encode())).decode()
    return Token.parse(f"{head}.{claims}.{signature}")


class Certificate:
    """As much of one as a signature is checked with."""

    def __init__(self, key):
        self.public_key = key.public_key


@pytest.mark.parametrize(("algorithm", "hashed"), [("RS256", SHA256()), ("RS512", SHA512())])
def test_signatures_by_rsa_are_checked(algorithm, hashed):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = _token(algorithm, lambda data: key.sign(data, padding.PKCS1v15(), hashed))
    token.check(Certificate(key))
    with pytest.raises(OverlayError):
        token.check(Certificate(rsa.generate_private_key(public_exponent=65537, key_size=2048)))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES999", "RS256", "", "ES256"])
def test_other_algorithms_and_other_keys_are_refused(algorithm):
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(OverlayError, match="did not sign"):
        _token(algorithm, lambda data: b"0" * 64).check(Certificate(key))
