"""What an agent is told in the words of the YAML, and what is kept of it."""

import json
import logging
import stat

import pytest
from zrokd_plugins.role_backend.orders import AccessOrder, Orders, addresses_of, share_of

from zrokd.errors import Invalid, StartError
from zrokd.model.agent import AccessPrivateRequest, NameSelection, SharePrivateRequest, SharePublicRequest
from zrokd.model.units import Address, parse_address

LOG = logging.getLogger("test.orders")


@pytest.fixture
def orders(tmp_path):
    """orders(): those in the file, as after a start."""

    def made(z_id="z1"):
        one = Orders(tmp_path / "state" / "orders.json", lambda function, *args: function(*args), LOG)
        one.load(z_id)
        return one

    return made


@pytest.mark.parametrize(
    ("told", "share"),
    [
        (SharePublicRequest(target="3000"), {"mode": {"use": "proxy", "target": "3000"}, "basic_auth": []}),
        (
            SharePublicRequest(
                target="/srv",
                backend_mode="web",
                basic_auth=("a:b",),
                name_selections=(NameSelection(namespace_token="public", name="docs"),),
                closed=True,
                access_grants=("x@example.com",),
            ),
            {
                "mode": {"use": "web", "target": "/srv"},
                "basic_auth": ["a:b"],
                "namespace": "public",
                "name": "docs",
            },
        ),
        (
            SharePrivateRequest(target="127.0.0.1:22", backend_mode="tcpTunnel", insecure=True, closed=True),
            {
                "mode": {"use": "tcp", "target": "127.0.0.1:22", "insecure": True},
                "private": True,
                "permission": "closed",
                "grants": [],
            },
        ),
        (
            SharePrivateRequest(private_share_token="mine", access_grants=("x@example.com",)),
            {
                "mode": {"use": "proxy"},
                "private": True,
                "permission": "open",
                "grants": ["x@example.com"],
                "token": "mine",
            },
        ),
    ],
)
def test_a_share_is_said_in_the_words_of_the_yaml(told, share):
    assert share_of(told) == share


@pytest.mark.parametrize(
    ("told", "places"),
    [
        ({}, ["127.0.0.1:9191"]),
        ({"bind_address": "0.0.0.0:80"}, ["0.0.0.0:80"]),
        ({"auto_mode": True, "auto_start_port": 8887}, ["127.0.0.1:8887", "127.0.0.1:8888"]),
        ({"auto_mode": True, "auto_address": "::1", "auto_start_port": 1, "auto_end_port": 1}, ["[::1]:1"]),
    ],
)
def test_an_access_listens_at_the_first_of_these(told, places):
    assert addresses_of(AccessPrivateRequest(**told)) == [parse_address(place) for place in places]


def test_what_was_told_is_there_after_a_restart_and_for_nobody_else_to_read(orders, tmp_path):
    one = orders()
    one.add_share("agent:1", {"mode": {"use": "hello"}})
    one.add_access("agent:2", AccessOrder(share="tok", listen=Address(host="127.0.0.1", port=1)))
    again = orders()
    assert again.shares == {"agent:1": {"mode": {"use": "hello"}}}
    assert again.accesses == {"agent:2": {"share": "tok", "listen": "127.0.0.1:1"}}
    again.remove("agent:1")
    again.remove("agent:1")
    assert (orders().shares, len(orders().accesses)) == ({}, 1)
    assert stat.S_IMODE((tmp_path / "state" / "orders.json").stat().st_mode) == 0o600


def test_those_of_another_environment_are_left_out_unless_it_took_its_place(orders):
    one = orders()
    one.add_share("agent:1", {})
    assert orders("z2").shares == {}
    one.move("z2")
    assert orders("z2").shares == {"agent:1": {}}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 2}', '{"version": 1, "z_id": "z1", "shares": [1]}'])
def test_a_damaged_file_is_told_and_forgotten(orders, tmp_path, text):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "orders.json").write_text(text)
    assert (orders().shares, orders().accesses) == ({}, {})


def test_there_are_so_many_and_no_more(orders, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.role_backend.orders._MOST", 1)
    one = orders()
    one.add_share("agent:1", {})
    with pytest.raises(Invalid, match="release some"):
        one.add_share("agent:2", {})
    assert set(orders().shares) == {"agent:1"}


def test_they_fit_into_what_is_read_again(orders):
    one = orders()
    with pytest.raises(Invalid, match="too much"):
        one.add_share("agent:1", {"grants": ["x" * 1000] * 1000})
    assert one.shares == {}
    one.add_share("agent:1", {"grants": ["x" * 1000] * 100})
    assert json.dumps(orders().shares) == json.dumps(one.shares)


def test_what_cannot_be_kept_is_not_promised(orders, monkeypatch):
    def full(path, document):
        raise StartError("the disk is full")

    one = orders()
    monkeypatch.setattr("zrokd_plugins.role_backend.orders.write_json", full)
    with pytest.raises(StartError):
        one.add_share("agent:1", {})
    assert one.shares == {}
