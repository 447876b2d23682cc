"""The component: which network it is on, and as whom."""

from __future__ import annotations

import logging

import pytest
from zrokd_plugins.overlay_ziti import ZitiOverlay, web, zrokd_provide_overlays
from zrokd_plugins.overlay_ziti.api import Api
from zrokd_plugins.overlay_ziti.enrol import enrol

from zrokd.contracts import Overlay
from zrokd.errors import OverlayError, StartError
from zrokd.model.units import Secret

PASSWORD = "canary-of-the-network"


@pytest.fixture
def overlays(small_ctx, controller):
    """overlays(bootstrap=False): an overlay on the controller; all are closed at the end."""
    made = []

    def make(settings=None, **admin):
        given = {"username": "admin", "password": Secret(PASSWORD), **admin}
        whole = {"controller": controller.url, "ca": str(controller.authority.ca), "admin": given}
        made.append(
            ZitiOverlay(ZitiOverlay.Settings.model_validate(whole if settings is None else settings), small_ctx)
        )
        made[-1].open()
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_the_administrators_half_makes_what_an_instance_needs(overlays, controller):
    admin = overlays().admin("one")
    assert admin.list_shares() == set()
    assert set(controller.kind("service-policies")) == {"zrokd.one.public"}


def test_or_only_checks_where_told_so(overlays, controller):
    checking = overlays(bootstrap=False)
    with pytest.raises(OverlayError, match="run `zrokd admin bootstrap`"):
        checking.admin("one")
    assert not controller.kind("service-policies")
    overlays().bootstrap("one")
    assert checking.admin("one").list_shares() == set()


def test_a_network_that_is_away_at_the_start_is_waited_for(overlays, controller, monkeypatch):
    overlay = overlays()
    with monkeypatch.context() as away:
        away.setattr(web._Connection, "connect", _refuse)
        admin = overlay.admin("one")
        with pytest.raises(OverlayError, match="cannot be reached"):
            admin.list_shares()
        assert "cannot be reached" in overlay.health().detail
    assert admin.list_shares() == set()
    assert set(controller.kind("service-policies")) == {"zrokd.one.public"}
    asked = len(controller.asked)
    admin.list_shares()
    assert len(controller.asked) == asked + 1, "what stands is not looked at again"


def _refuse(_connection):
    raise ConnectionRefusedError(111, "Connection refused")


def test_a_controller_that_is_too_busy_at_the_start_is_waited_for(overlays, controller, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.overlay_ziti.management._PATIENCE_S", 0.2)
    monkeypatch.setattr(Api.__init__, "__kwdefaults__", {**Api.__init__.__kwdefaults__, "patience_s": 0.2})
    controller.faults.append(lambda asked: None if "authenticate" in asked.path else (503, {"error": {}}))
    admin = overlays().admin("one")
    controller.faults.clear()
    assert admin.list_shares() == set()


def test_a_network_that_does_not_know_us_at_the_start_is_not_waited_for(overlays, controller):
    controller.knows_us = False
    with pytest.raises(OverlayError, match=r"look at overlay\.admin"):
        overlays().admin("one")


def test_without_an_administrator_there_is_no_such_half(overlays):
    with pytest.raises(OverlayError, match=r"needs overlay\.admin"):
        overlays({}).admin("one")


def test_authorities_that_cannot_be_read_are_told(overlays, controller, tmp_path):
    settings = {"controller": controller.url, "ca": str(tmp_path / "none"), "admin": {"username": "a", "password": "b"}}
    settings["admin"]["password"] = Secret("b")
    with pytest.raises(StartError, match=r"overlay\.ca"):
        overlays(settings).admin("one")


def test_a_node_needs_nothing_but_its_identity(overlays, controller):
    node = overlays({}).node(enrol(controller.token()).to_json())
    with pytest.raises(OverlayError, match="no service 'nowhere'"):
        node.dial("nowhere")
    node.close()


@pytest.mark.parametrize("document", ["", "{}", "[]", '{"overlay":"local"}'])
def test_a_damaged_identity_is_told(overlays, document):
    with pytest.raises(OverlayError, match="identity document"):
        overlays({}).node(document)


def test_its_health_tells_whether_the_administrator_gets_an_answer(overlays, controller):
    overlay = overlays()
    assert overlay.health().ok
    admin = overlay.admin("one")
    assert overlay.health().ok
    controller.knows_us = False
    controller.tokens.clear()
    with pytest.raises(OverlayError):
        admin.list_shares()
    assert "overlay.admin" in overlay.health().detail
    controller.knows_us = True
    admin.list_shares()
    assert overlay.health().ok


def test_no_secret_is_logged(overlays, controller, caplog):
    caplog.set_level(logging.DEBUG)
    overlays().admin("one").create_frontend("edge")
    assert PASSWORD not in caplog.text
    assert not [token for token in controller.tokens if token in caplog.text]
    assert "PRIVATE" not in caplog.text


def test_the_module_provides_it():
    (provided,) = zrokd_provide_overlays()
    assert issubclass(provided, Overlay)
    assert (provided.slot, provided.name) == ("overlay", "ziti")
