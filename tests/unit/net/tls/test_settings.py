"""TLS as YAML says it."""

import pytest
from pydantic import ValidationError

from tests.certificates import issue
from zrokd.model.units import Secret
from zrokd.net.tls.settings import CertificateSettings, TlsSettings

GOOD, OTHER = issue("a.example.com"), issue("b.example.com", number=1)


def settings(issued, **more):
    return TlsSettings(certificates=[CertificateSettings(chain=issued.chain, key=Secret(issued.key))], **more)


def test_the_certificate_is_loaded_with_the_settings():
    assert settings(GOOD).certificates[0].loaded.names == ("a.example.com",)


def test_equal_files_make_equal_settings_and_others_do_not():
    assert settings(GOOD) == settings(GOOD)
    assert settings(GOOD) != settings(OTHER)


def test_a_key_of_another_certificate_is_a_mistake_at_its_place():
    with pytest.raises(ValidationError, match="does not belong"):
        CertificateSettings(chain=GOOD.chain, key=Secret(OTHER.key))


@pytest.mark.parametrize("bad", [{"handshake_time": 0}, {"handshakes": 0}, {"certificates": []}, {"port": 443}])
def test_settings_are_strict(bad):
    with pytest.raises(ValidationError):
        settings(GOOD, **bad) if "certificates" not in bad else TlsSettings(**bad)


def test_one_that_ended_is_warned_of():
    ended = issue("a.example.com", days=-1)
    [told] = CertificateSettings(chain=ended.chain, key=Secret(ended.key)).caution()
    assert "ended on" in told.sentence
