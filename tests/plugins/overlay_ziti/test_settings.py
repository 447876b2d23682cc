"""The keys of overlay.ziti: what fits together and what is told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from zrokd_plugins.overlay_ziti.settings import AdminSettings, EdgeSettings, ZitiSettings

from zrokd.model.units import Secret

URL = "https://ziti.example.com:1280"
ADMIN = {"username": "zrokd", "password": Secret("canary-password")}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (URL, (URL,)),
        (f"{URL}/", (URL,)),
        ([URL, "https://[::1]:1"], (URL, "https://[::1]:1")),
        ([], ()),
    ],
)
def test_controllers_are_a_url_or_a_list(written, read):
    assert ZitiSettings.model_validate({"controller": written}).controller == read


@pytest.mark.parametrize(
    "written", ["", "ziti.example.com:1280", "http://a:1", "https://", "https://a?x", "https://u@a", 5, [5], {}, None]
)
def test_what_is_no_controller_is_told_with_an_example(written):
    with pytest.raises(ValidationError, match=r"https://ziti\.example\.com:1280"):
        ZitiSettings.model_validate({"controller": written})


@pytest.mark.parametrize("admin", [ADMIN, {"cert": "c", "key": "k"}])
def test_an_administrator_comes_by_password_or_by_certificate(admin):
    assert AdminSettings.model_validate(admin).bootstrap


@pytest.mark.parametrize(
    "admin",
    [
        {},
        {"username": "zrokd"},
        {"password": Secret("x" * 8)},
        {"cert": "c"},
        {"key": "k"},
        {**ADMIN, "cert": "c", "key": "k"},
        {**ADMIN, "cert": "c"},
        {"username": "zrokd", "cert": "c", "key": "k"},
    ],
)
def test_and_by_one_of_them_alone(admin):
    with pytest.raises(ValidationError, match="username and password, or cert and key") as caught:
        AdminSettings.model_validate(admin)
    assert "canary" not in str(caught.value)


def test_the_password_is_in_no_repr():
    assert "canary" not in repr(ZitiSettings.model_validate({"controller": URL, "admin": ADMIN}))


@pytest.mark.parametrize("other", [{"controller": URL}, {"ca": "ca.pem"}, {"controller": URL, "admin": ADMIN}])
def test_a_managed_network_brings_the_rest_along(other):
    assert ZitiSettings.model_validate({"managed": {}}).managed is not None
    with pytest.raises(ValidationError, match="brings its own"):
        ZitiSettings.model_validate({"managed": {}, **other})


def test_an_administrator_needs_a_controller():
    with pytest.raises(ValidationError, match="say in `controller` which one"):
        ZitiSettings.model_validate({"admin": ADMIN})


@pytest.mark.parametrize(
    "edge",
    [
        {"ping_every": "0s"},
        {"cost": 65536},
        {"cost": -1},
        {"precedence": "never"},
        {"streams_per_channel": 0},
        {"receive_cap": "1KiB"},
        {"request_timeout": "0s"},
        {"chek_every": "1s"},
    ],
)
def test_numbers_have_their_limits(edge):
    with pytest.raises(ValidationError):
        EdgeSettings.model_validate(edge)


def test_a_router_that_went_silent_is_found_within_five_seconds_by_default():
    settings = EdgeSettings()
    assert settings.ping_every + settings.ping_timeout < 5.0
