"""Names that sound as if a secret stood behind them: of keys, parameters and fields. The one list of the house."""

from __future__ import annotations

import re

#: A pattern for part of a name, in any case: keys of a configuration and parameters of URLs that are called so.
SUSPECT = (
    r"token|secret|passw|passphrase|passcode|credential|basic_?auth|bearer|jwt|assertion|saml|signature"
    r"|(?:api|access|private|account|shared|license)[-_]?key|(?<![a-z])[ht]?otp(?![a-z])|(?<![a-z])pin(?![a-z])"
)
#: The same of the fields of HTTP messages, where more names are given to secrets, and nothing is lost by doubt.
SUSPECT_IN_HEADS = rf"{SUSPECT}|auth|cookie|cred|csrf|key|pass|session|sign|sso|ticket|xsrf"

_PARAMETER = re.compile(rf"([?&][\w.%-]{{0,60}}(?:{SUSPECT})[\w.%-]{{0,60}}=)[^\s&#\"'<>]+", re.IGNORECASE)


def mask_parameters(text: str) -> str:
    """`text` with *** for the values of parameters of URLs that sound secret."""
    return _PARAMETER.sub(r"\1***", text) if "=" in text and ("?" in text or "&" in text) else text
