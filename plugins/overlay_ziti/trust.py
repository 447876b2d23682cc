"""Why a certificate is not trusted, in words that say what to look at."""

from __future__ import annotations

import ssl
import time

_DATES = frozenset([9, 10])  # not valid yet, expired. Source: openssl x509_vfy.h, X509_V_ERR_CERT_*


def why_distrusted(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a server's certificate, and what may help; to stand behind "shows a certificate that"."""
    if error.verify_code not in _DATES:
        return f"is not its own ({error.verify_message}); is `ca` right?"
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"its dates do not allow ({error.verify_message}): this machine's clock says {now}, is that right?"
