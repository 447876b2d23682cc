"""The network of the tests is a real one, and comes back when it is broken."""

from __future__ import annotations

import json

import pytest

from tests.ziti import network


def test_it_answers_and_knows_its_router(ziti_network):
    assert ziti_network.is_online("router1")
    assert ziti_network.all("/edge-routers")[0]["name"] == "router1"


def test_an_identity_is_enrolled_and_speaks_for_itself(ziti_network):
    document = json.loads(ziti_network.identity("n-ann", ["people"]))
    assert document["ztAPI"].startswith(ziti_network.url)
    assert set(document["id"]) >= {"cert", "key", "ca"}
    (found,) = [each for each in ziti_network.all("/identities") if each["name"] == "n-ann"]
    assert found["roleAttributes"] == ["people"]


def test_a_service_lives_as_long_as_it_is_prepared(ziti_network):
    with ziti_network.prepared("n-service") as name:
        assert name in [each["name"] for each in ziti_network.all("/services")]
    assert name not in [each["name"] for each in ziti_network.all("/services")]
    assert [each for each in ziti_network.all("/service-policies") if name in each["name"]] == []


@pytest.mark.leaves_behind("its processes are others after each restart")
@pytest.mark.parametrize("kill", [False, True])
def test_every_part_can_be_broken_alone_and_together(ziti_networks, kill):
    made = ziti_networks(routers=2)
    for part in (made.controller, *made.routers):
        part.restart(kill=kill)
    made.restart(kill=kill)
    assert [router.running for router in made.routers] == [True, True]
    assert all(made.is_online(router.name) for router in made.routers)


def test_two_networks_do_not_know_each_other(ziti_network, ziti_networks):
    other = ziti_networks()
    assert other.port != ziti_network.port
    other.service("n-mine")
    assert "n-mine" not in [each["name"] for each in ziti_network.all("/services")]


def test_without_go_and_program_it_is_told_what_helps(monkeypatch, tmp_path):
    monkeypatch.setattr(network, "BINARY", tmp_path / "ziti-x" / "ziti")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(network.NoGo, match=r"no ziti at .*/ziti-x/ziti and no Go to build it with"):
        network.build()


def test_a_program_that_is_there_is_not_built_again(monkeypatch, tmp_path):
    monkeypatch.setattr(network, "BINARY", tmp_path / "ziti-x" / "ziti")
    monkeypatch.setenv("PATH", "/nowhere")
    network.BINARY.parent.mkdir()
    network.BINARY.touch()
    assert network.build() == network.BINARY
