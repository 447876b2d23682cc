"""The management API: paged, escaped, and not too many changes at once."""

from __future__ import annotations

import logging

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zrokd_plugins.overlay_ziti import management as module
from zrokd_plugins.overlay_ziti.api import Refused, quoted
from zrokd_plugins.overlay_ziti.management import Management
from zrokd_plugins.overlay_ziti.settings import AdminSettings

from tests.plugins.overlay_ziti.fake import No
from zrokd.errors import OverlayError
from zrokd.model.units import Secret

PASSWORD = "canary-of-the-network"


@pytest.fixture
def management(controller):
    admin = AdminSettings(username="admin", password=Secret(PASSWORD))
    made = Management((controller.url,), controller.ca, admin, log=logging.getLogger("test"))
    yield made
    made.close()


def test_an_administrator_comes_by_password(management, controller):
    management.list("/services")
    asked = controller.asked[0]
    assert asked.query == {"method": "password"}
    assert asked.json == {"username": "admin", "password": PASSWORD}


def test_or_by_certificate(controller, tmp_path):
    cert, key = controller.identity("admin")
    (tmp_path / "cert").write_text(cert)
    (tmp_path / "key").write_text(key)
    admin = AdminSettings(cert=str(tmp_path / "cert"), key=str(tmp_path / "key"))
    management = Management((controller.url,), controller.ca, admin, log=logging.getLogger("test"))
    management.list("/services")
    management.close()
    assert (controller.asked[0].query, controller.asked[0].json) == ({"method": "cert"}, {})


@pytest.mark.parametrize("missing", ["cert", "key"])
def test_a_file_that_cannot_be_read_is_told(controller, tmp_path, missing):
    for name in {"cert", "key"} - {missing}:
        (tmp_path / name).write_text("x")
    admin = AdminSettings(cert=str(tmp_path / "cert"), key=str(tmp_path / "key"))
    with pytest.raises(OverlayError, match=f"{missing} cannot be read"):
        Management((controller.url,), controller.ca, admin, log=logging.getLogger("test"))


def test_the_password_is_in_no_error_and_no_log(management, controller, caplog):
    caplog.set_level(logging.DEBUG)
    controller.knows_us = False
    with pytest.raises(OverlayError, match="look at overlay.admin") as caught:
        management.list("/services")
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in caplog.text
    assert management.trouble


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7])
def test_a_list_is_read_to_its_end(management, controller, monkeypatch, count):
    monkeypatch.setattr(module, "_PAGE", 2)
    controller.things["services"] = {f"i{n}": {"id": f"i{n}", "name": f"n{n}"} for n in range(count)}
    assert [each["id"] for each in management.list("/services")] == [f"i{n}" for n in range(count)]


def test_what_is_looked_for_is_found_by_fields_and_tags(management):
    ours = management.create("services", name="a", tags={"zrokd": "x"})
    management.create("services", name="b", tags={"zrokd": "y"})
    assert [each["id"] for each in management.find("services", tag_zrokd="x")] == [ours]
    assert management.first("services", name="b", tag_zrokd="x") is None
    found = management.first("services", name="b", tag_zrokd="y")
    assert found is not None
    assert management.get("services", str(found["id"]))["name"] == "b"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()))
def test_any_value_is_looked_for_as_it_is(management, controller, value):
    controller.things["services"] = {"1": {"id": "1", "name": value}, "2": {"id": "2", "name": value + '"'}}
    assert [each["id"] for each in management.find("services", name=value)] == ["1"]


@pytest.mark.parametrize(("value", "escaped"), [('a"b', 'a\\"b'), ("a\\", "a\\\\"), ("plain", "plain")])
def test_quotes_do_not_end_a_value(value, escaped):
    assert quoted(value) == f'"{escaped}"'


def test_a_name_that_is_taken_is_told_as_such(management):
    management.create("services", name="a")
    with pytest.raises(Refused) as caught:
        management.create("services", name="a")
    assert caught.value.taken


def test_a_change_is_made(management, controller):
    id_ = management.create("services", name="a", tags={})
    management.patch("services", id_, tags={"x": "y"})
    assert controller.kind("services")["a"]["tags"] == {"x": "y"}


def test_deleting_twice_is_once(management, controller):
    id_ = management.create("services", name="a")
    management.delete("services", id_)
    management.delete("services", id_)
    assert not controller.kind("services")


def test_a_delete_that_is_refused_is_told(management, controller):
    id_ = management.create("services", name="a")

    def refuse(asked):
        if asked.method == "DELETE":
            raise No(409, "CAN_NOT_DELETE_REFERENCED_ENTITY")

    controller.faults.append(refuse)
    with pytest.raises(Refused, match="409"):
        management.delete("services", id_)


def test_never_more_than_eight_changes_at_once(management, controller):
    management.list("/services")
    now, most = [0], [0]

    def slow(asked):
        if asked.method != "GET":
            now[0] += 1
            most[0] = max(most[0], now[0])
            gevent.sleep(0.01)
            now[0] -= 1

    controller.faults.append(slow)
    asking = [gevent.spawn(management.create, "services", name=f"n{n}") for n in range(40)]
    gevent.joinall(asking, timeout=20, raise_error=True)
    assert most[0] == 8
    assert len(controller.kind("services")) == 40


def test_a_create_whose_answer_was_lost_is_told_as_taken_and_not_made_twice(management, controller):
    def busy_after(asked):
        if asked.method == "POST" and asked.path.endswith("/services") and not controller.kind("services"):
            controller._thing(asked, "services")
            raise No(503, "TIMEOUT")

    controller.faults.append(busy_after)
    with pytest.raises(Refused) as caught:
        management.create("services", name="a")
    assert caught.value.taken
    assert len(controller.kind("services")) == 1


# -- circuits ---


def circuit(id_, service, client):
    return {"id": id_, "name": id_, "service": service, "tags": {"clientId": client} if client else None}


def test_only_the_circuits_of_the_identity_to_the_service_are_ended(management, controller):
    rows = [("1", "svc", "ann"), ("2", "svc", "bob"), ("3", "other", "ann"), ("4", "svc", "ann"), ("5", "svc", "")]
    controller.things["circuits"] = {row[0]: circuit(*row) for row in rows}
    assert management.end_circuits("svc", "ann") == 2
    assert set(controller.things["circuits"]) == {"2", "3", "5"}


def test_a_circuit_that_ended_by_itself_is_no_trouble(management, controller):
    controller.things["circuits"] = {"1": circuit("1", "svc", "ann")}

    def gone(asked):
        if asked.method == "DELETE":
            raise No(404, "NOT_FOUND")

    controller.faults.append(gone)
    assert management.end_circuits("svc", "ann") == 1
