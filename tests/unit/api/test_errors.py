import logging

import pytest

from zrokd.errors import (
    ConfigError,
    Conflict,
    Denied,
    Invalid,
    LimitReached,
    NotFound,
    OverlayTimeout,
    Problem,
    StoreError,
    StoreUnfit,
    Unavailable,
)
from zrokd.wire.fields import NotOneOf

MEDIA_TYPE = "application/zrok.v1+json"


def raising(error):
    def operation(*args, **kwargs):
        raise error

    return operation


@pytest.fixture
def failing(api, ann, monkeypatch):
    """failing(error): the answer to a request whose service raises it."""

    def ask(error):
        monkeypatch.setattr(type(api.services.overviews), "of", raising(error))
        return api.raw("GET", "/overview", token=ann)

    return ask


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("a rule"), 400),
        (Denied("a plugin's reason"), 401),
        (NotFound("no such thing"), 404),
        (Conflict("taken"), 409),
        (LimitReached("no more"), 409),
        (Unavailable("not now"), 503),
        (StoreError("locked"), 503),
        (OverlayTimeout("slow"), 503),
    ],
)
def test_errors_of_the_house_have_a_status_and_their_words_as_a_json_string(failing, error, status):
    answer = failing(error)
    assert (answer.status_code, answer.json) == (status, str(error))
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_a_value_that_does_not_exist_is_422_with_zroks_code(failing):
    answer = failing(NotOneOf("shareMode must be one of public, private"))
    assert answer.status_code == 422
    assert answer.json == {"code": 606, "message": "shareMode must be one of public, private"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("error", "lines"), [(StoreError("locked"), 1), (StoreUnfit("the disk is full"), 0)])
def test_what_the_store_tells_once_is_not_told_with_every_request(failing, caplog, error, lines):
    for _ in range(3):
        assert failing(error).status_code == 503
    assert len([record for record in caplog.records if record.name == "zrokd.api"]) == 3 * lines


@pytest.mark.parametrize(("retry_after_s", "told"), [(0.2, "1"), (2.0, "2"), (30.4, "30")])
def test_who_may_try_again_is_told_when(failing, retry_after_s, told):
    assert failing(Unavailable("later", retry_after_s=retry_after_s)).headers["retry-after"] == told


@pytest.mark.parametrize("error", [RuntimeError("canary internals"), ConfigError([Problem("canary internals")])])
def test_what_nobody_expected_is_500_without_internals_and_logged_with_a_number(failing, caplog, error):
    with caplog.at_level(logging.ERROR, "zrokd.api"):
        answer = failing(error)
    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert answer.json["code"] == 500
    number = answer.json["message"].rpartition(" ")[2]
    assert f"[{number}]" in caplog.text
    assert "canary internals" in caplog.text


@pytest.mark.parametrize("path", ["/nothing", "/share/nothing/there", "/zrokd", ""])
def test_an_unknown_path_is_404_in_json(api, path):
    answer = api.raw("GET", path)
    assert answer.status_code == 404
    assert answer.json["code"] == 404
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/enable", {"POST", "OPTIONS"}),
        ("PUT", "/share", {"POST", "PATCH", "OPTIONS"}),
        ("POST", "/overview", {"GET", "OPTIONS"}),
        ("GET", "/share/name", {"POST", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(api, method, path, allowed):
    answer = api.raw(method, path)
    assert answer.status_code == 405
    assert answer.json["code"] == 405
    assert {item.strip() for item in answer.headers["allow"].split(",")} == allowed
