import ssl

import pytest
from zrokd_plugins.overlay_ziti.trust import why_distrusted


def refused(code, words):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, words
    return error


@pytest.mark.parametrize(
    ("code", "words", "look_at"),
    [
        (9, "certificate is not yet valid", "clock"),
        (10, "certificate has expired", "clock"),
        (19, "self-signed certificate in certificate chain", "`ca`"),
        (62, "hostname mismatch", "`ca`"),
    ],
)
def test_what_to_look_at_is_said(code, words, look_at):
    told = why_distrusted(refused(code, words))
    assert words in told
    assert [each for each in ("clock", "`ca`") if each in told] == [look_at]
