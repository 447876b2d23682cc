"""What is decided before the library is asked: it would crash."""

import json

import pytest
from zrokd_plugins.overlay_openziti.assistant import parse_identity

from zrokd.errors import OverlayError

ID = {"cert": "pem:c", "key": "pem:k", "ca": "pem:a"}
URL = "https://ziti.example.com:1280"


@pytest.mark.parametrize(
    "document",
    [
        {"ztAPI": URL, "id": ID},
        {"ztAPI": URL, "ztAPIs": None, "id": {**ID, "more": 1}, "configTypes": []},
        {"ztAPIs": [URL], "id": ID},
        {"ztAPI": "", "ztAPIs": [URL, "https://other:1"], "id": ID},
    ],
)
def test_an_identity_is_given_as_the_library_reads_it(document):
    secret = parse_identity(json.dumps(document))
    assert json.loads(secret.reveal()) == {"ztAPI": URL, "id": ID}
    assert "pem:k" not in str(secret)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{}",
        "null",
        "[]",
        "7",
        "not json",
        '{"overlay": "local"}',
        json.dumps({"id": ID}),
        json.dumps({"ztAPIs": [], "id": ID}),
        json.dumps({"ztAPI": "http://plain", "id": ID}),
        json.dumps({"ztAPI": URL, "id": {"cert": "pem:c"}}),
        json.dumps({"ztAPI": URL, "id": {**ID, "key": ""}}),
        json.dumps({"ztAPI": URL, "id": None}),
    ],
)
def test_what_would_crash_the_library_is_refused(document):
    with pytest.raises(OverlayError, match="identity document"):
        parse_identity(document)
