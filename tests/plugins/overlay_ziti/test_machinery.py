"""What the `ziti` program reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from zrokd_plugins.overlay_ziti.authority import Authority
from zrokd_plugins.overlay_ziti.machinery import (
    controller_file,
    environment,
    host_port,
    is_address,
    make_room,
    reached_at,
    router_file,
)


def test_the_controller_has_one_port_for_all():
    made = controller_file(Authority(Path("/pki")), Path("/db"), bind="0.0.0.0:1", advertise="ziti.example.com:1")
    assert made["ctrl"]["listener"] == "tls:0.0.0.0:1"
    assert made["edge"]["api"] == {"sessionTimeout": "1800s", "address": "ziti.example.com:1"}
    assert made["web"][0]["bindPoints"] == [{"interface": "0.0.0.0:1", "address": "ziti.example.com:1"}]
    assert {each["binding"] for each in made["web"][0]["apis"]} >= {"edge-management", "edge-client"}
    assert json.loads(json.dumps(made)) == made


def test_the_router_tells_names_and_addresses_apart():
    names = ["127.0.0.1", "ziti.example.com", "::1"]
    made = router_file(Path("/router"), controller="c:1", bind="0.0.0.0:2", advertise="ziti.example.com:2", names=names)
    assert made["edge"]["csr"]["sans"] == {"dns": ["ziti.example.com"], "ip": ["127.0.0.1", "::1"]}
    assert made["listeners"][0] == {
        "binding": "edge",
        "address": "tls:0.0.0.0:2",
        "options": {"advertise": "ziti.example.com:2"},
    }
    assert made["link"]["listeners"][0]["advertise"] == "tls:ziti.example.com:2"
    assert {Path(path).parent for path in made["identity"].values()} == {Path("/router")}
    assert made["metrics"] == {"messageQueueSize": 1440}, "a day without the controller, at one a minute"


def test_a_database_has_room_to_grow_that_takes_no_disk(tmp_path):
    database = tmp_path / "ctrl.db"
    database.write_bytes(b"x" * 10_000)
    make_room(database)
    assert database.stat().st_size == 256 * 1024 * 1024
    assert database.stat().st_blocks * 512 < 1024 * 1024
    with database.open("rb") as file:
        assert file.read(10_001) == b"x" * 10_000 + b"\0"
    os.truncate(database, 300 << 20)
    make_room(database)
    assert database.stat().st_size == 300 << 20, "what is larger stays so"


def test_the_environment_is_a_clean_one():
    given = {"PATH": "/bin", "HTTPS_PROXY": "http://p", "SSL_CERT_FILE": "/x", "ZITI_HOME": "/y", "PFXLOG_NO_JSON": "1"}
    assert environment(Path("/home"), given) == {
        "PATH": "/bin",
        "HOME": "/home",
        "TMPDIR": "/home",
        "GOTRACEBACK": "single",
    }


@pytest.mark.parametrize(
    ("text", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("1.2.3", False), ("", False)]
)
def test_addresses_are_not_names(text, expected):
    assert is_address(text) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("", "127.0.0.1"), ("10.0.0.1", "10.0.0.1"), ("name", "name")],
)
def test_who_listens_everywhere_is_reached_on_loopback(host, expected):
    assert reached_at(host) == expected


@pytest.mark.parametrize(("host", "expected"), [("a", "a:1"), ("127.0.0.1", "127.0.0.1:1"), ("::1", "[::1]:1")])
def test_ipv6_stands_in_brackets(host, expected):
    assert host_port(host, 1) == expected
