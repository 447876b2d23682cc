import base64
import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from zrokd_plugins.gate_basic import BasicGate, BasicSettings, BasicUser, zrokd_provide_gates

from zrokd.errors import Invalid
from zrokd.model.http import Allow, RequestHead, Respond, Route
from zrokd.model.passwords import hash_password
from zrokd.model.units import Secret

ANN, BOB = hash_password("ann's"), hash_password("bob's")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Rig:
    def __init__(self, **settings) -> None:
        self.clock, self.offloaded = Clock(), []
        ctx = SimpleNamespace(clock=self.clock, offload=self.offload, log=logging.getLogger("test.gate"))
        self.gate = BasicGate(BasicSettings(**settings), ctx)
        self.gate.open()
        self.offloaded.clear()

    def offload(self, function, *args):
        self.offloaded.append(args)
        return function(*args)

    def check(self, user: str, password: str, route: Route | None = None):
        return self.gate.check(head(basic(user, password)), route or shared())


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def head(authorization: bytes | None) -> RequestHead:
    fields = () if authorization is None else ((b"Authorization", authorization),)
    return RequestHead(b"GET", b"/", 1, ((b"Host", b"a.example"), *fields))


def shared(*users: tuple[str, str]) -> Route:
    told = [{"username": name, "hash": encoded} for name, encoded in users or [("ann", ANN)]]
    return Route(host="a.example", token="t", gate="basic", gate_config=(("users", told),))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_the_module_provides_it():
    assert zrokd_provide_gates() == [BasicGate]
    assert (BasicGate.slot, BasicGate.name) == ("gate", "basic")


def test_a_user_of_the_share_passes_named_and_without_the_password(rig):
    verdict = rig.check("ann", "ann's")
    assert verdict == Allow(((b"zrok-auth-provider", b"basic"), (b"zrok-auth-user", b"ann")), drop=(b"authorization",))


def test_a_user_of_the_yaml_passes_before_every_share():
    rig = Rig(users=[BasicUser(username="bob", hash=Secret(BOB))])
    assert isinstance(rig.check("bob", "bob's"), Allow)
    assert isinstance(rig.check("bob", "bob's", Route(host="x", token="x", gate="basic")), Allow)
    assert isinstance(rig.check("ann", "ann's"), Allow)


def test_the_share_decides_when_both_know_the_name():
    rig = Rig(users=[BasicUser(username="ann", hash=Secret(BOB))])
    assert isinstance(rig.check("ann", "ann's"), Allow)
    assert isinstance(rig.check("ann", "bob's"), Respond)


@pytest.mark.parametrize(
    ("user", "password"), [("ann", "wrong"), ("ann", ""), ("bob", "ann's"), ("", ""), ("Ann", "ann's"), ("x", "")]
)
def test_anybody_else_is_asked_to_sign_in(rig, user, password):
    verdict = rig.check(user, password)
    assert verdict.status == 401
    assert dict(verdict.fields)[b"WWW-Authenticate"] == b'Basic realm="a.example", charset="UTF-8"'
    assert dict(verdict.fields)[b"Cache-Control"] == b"no-store"


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"Basic",
        b"Basic !!!",
        b"Bearer abc",
        b"Basic " + base64.b64encode(b"nocolon"),
        b"Basic " + base64.b64encode(b"\xff\xfe:x"),
        b"Basic " + base64.b64encode(b"ann\r\nX: y:ann's"),
        b"Basic" + base64.b64encode(b"ann:ann's"),
    ],
)
def test_without_well_formed_credentials_nothing_is_verified(rig, value):
    assert rig.gate.check(head(value), shared()).status == 401
    assert rig.offloaded == []


def test_the_scheme_may_be_written_in_any_case(rig):
    value = b"bAsIc   " + base64.b64encode(b"ann:ann's")
    assert isinstance(rig.gate.check(head(value), shared()), Allow)


def test_a_password_may_hold_colons_and_any_letters(rig):
    encoded = hash_password("a:b☃")
    assert isinstance(rig.check("ann", "a:b☃", shared(("ann", encoded))), Allow)


def test_a_share_without_users_lets_nobody_in(rig):
    assert rig.check("ann", "ann's", Route(host="x", token="x", gate="basic")).status == 401


def test_verifying_happens_off_the_hub_and_right_ones_only_once_a_minute(rig):
    for _ in range(3):
        assert isinstance(rig.check("ann", "ann's"), Allow)
    assert len(rig.offloaded) == 1
    rig.clock.now += 60.1
    assert isinstance(rig.check("ann", "ann's"), Allow)
    assert len(rig.offloaded) == 2


def test_wrong_ones_are_verified_each_time(rig):
    for _ in range(3):
        assert isinstance(rig.check("ann", "wrong"), Respond)
    assert len(rig.offloaded) == 3


def test_an_unknown_user_takes_as_long_as_a_known_one(rig):
    rig.check("nobody", "x")
    ((password, encoded),) = rig.offloaded
    assert password == "x"
    assert encoded.split("$")[1:4] == ANN.split("$")[1:4]


def test_an_unknown_user_cannot_pass_with_the_decoys_password(rig):
    assert rig.check("nobody", "").status == 401
    assert rig.check("nobody", "").status == 401


def test_a_changed_password_ends_what_was_remembered(rig):
    rig.check("ann", "ann's")
    assert rig.check("ann", "ann's", shared(("ann", BOB))).status == 401


def test_what_is_remembered_for_one_share_opens_no_other(rig):
    rig.check("ann", "ann's")
    assert rig.check("ann", "ann's", shared(("bob", BOB))).status == 401


def test_neither_passwords_nor_credentials_are_kept_to_remember(rig):
    rig.check("ann", "ann's")
    kept = repr(vars(rig.gate))
    assert "ann's" not in kept
    assert base64.b64encode(b"ann:ann's").decode() not in kept


def test_what_is_remembered_is_bounded(rig, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.gate_basic._MOST_KNOWN", 2)
    users = [(name, ANN) for name in "abc"]
    for name, _ in users:
        rig.check(name, "ann's", shared(*users))
    rig.offloaded.clear()
    rig.check("c", "ann's", shared(*users))
    assert rig.offloaded == []
    rig.check("a", "ann's", shared(*users))
    assert len(rig.offloaded) == 1


def test_a_flood_of_sign_ins_is_told_to_wait_and_those_remembered_still_pass(rig, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.gate_basic._MOST_CHECKS", 1)
    seen = []

    def while_one_is_verified(function, *args):
        seen.append(rig.check("ann", "other"))
        seen.append(rig.check("ann", "ann's"))
        return function(*args)

    assert isinstance(rig.check("ann", "ann's"), Allow)
    rig.gate.ctx.offload = while_one_is_verified
    rig.check("ann", "wrong")
    assert seen[0].status == 503
    assert dict(seen[0].fields)[b"Retry-After"] == b"1"
    assert isinstance(seen[1], Allow)


@pytest.mark.parametrize("users", ["ann", 7, {"ann": ANN}])
def test_a_share_configured_wrong_lets_nobody_in(rig, users):
    route = Route(host="a", token="t", gate="basic", gate_config=(("users", users),))
    with pytest.raises((Invalid, TypeError, KeyError)):
        rig.gate.check(head(basic("ann", "ann's")), route)


def test_a_realm_cannot_break_out_of_its_quotes(rig):
    verdict = rig.gate.check(head(None), Route(host='x", evil="1\\', token="t"))
    assert dict(verdict.fields)[b"WWW-Authenticate"] == b'Basic realm="x, evil=1", charset="UTF-8"'


@pytest.mark.parametrize(
    "user",
    [
        {"username": "a:b", "hash": ANN},
        {"username": "", "hash": ANN},
        {"username": "a", "hash": "plain"},
        {"username": "a", "hash": "scrypt$2$536870912$1$AAAA$AAAA"},
    ],
)
def test_a_user_that_can_never_sign_in_is_a_mistake_in_the_yaml(user):
    with pytest.raises(ValidationError) as refused:
        BasicSettings.model_validate({"users": [user]})
    assert ANN not in str(refused.value)


@given(st.binary(max_size=60))
def test_no_field_value_breaks_it(value):
    gate = BasicGate(BasicSettings(), SimpleNamespace(offload=lambda *_: False, clock=Clock()))
    assert gate.check(head(value), shared()).status in (401, 503)
