from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.model.units import (
    Address,
    Secret,
    format_size,
    is_host,
    parse_address,
    parse_duration_s,
    parse_size_bytes,
)

DURATIONS: dict[Any, float] = {
    "250ms": 0.25, "30s": 30, "5m": 300, "1h": 3600, "2d": 172800, "1h30m": 5400, "1m1s1ms": 61.001, "1.5h": 5400,
    "0s": 0, 0: 0, 30: 30, 0.5: 0.5,
}  # fmt: skip


@pytest.mark.parametrize("text", DURATIONS)
def test_durations_are_seconds(text: Any) -> None:
    assert parse_duration_s(text) == pytest.approx(DURATIONS[text])


@pytest.mark.parametrize(
    "text", ["", "30", "s", "30 s", "-5s", "5sec", "1h 30m", "30S", "1,5s", ".5s", "5s ", "inf", "nan"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write it like 250ms, 30s, 5m or 1h30m"):
        parse_duration_s(text)


@pytest.mark.parametrize("number", [-1, -0.1, float("inf"), float("nan"), float("-inf"), 10**400, "9" * 400 + "d"])
def test_a_duration_goes_forward_and_ends(number: Any) -> None:
    with pytest.raises(ValueError, match="negative or endless"):
        parse_duration_s(number)


@pytest.mark.parametrize("truth", [True, False])
def test_a_truth_is_neither_a_duration_nor_a_size(truth: bool) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration_s(truth)
    with pytest.raises(ValueError, match="is not a size"):
        parse_size_bytes(truth)


SIZES: dict[Any, int] = {
    "0": 0, "17": 17, "17B": 17, "64KiB": 65536, "10MiB": 10485760, "1GiB": 2**30, "2TiB": 2**41, "1kB": 1000,
    "1MB": 10**6, "1GB": 10**9, "1TB": 10**12, "50 GiB": 50 * 2**30, "1.5KiB": 1536, 0: 0, 4096: 4096,
}  # fmt: skip


@pytest.mark.parametrize("text", SIZES)
def test_sizes_are_bytes(text: Any) -> None:
    assert parse_size_bytes(text) == SIZES[text]


@pytest.mark.parametrize("text", ["", "KiB", "64kib", "64K", "-1KiB", "64KiB ", "1 2", "1e3", "64 KiB!", "ten"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size; write it like 64KiB, 10MiB or 1GB"):
        parse_size_bytes(text)


@pytest.mark.parametrize("number", [-1, 10**400, "9" * 400, "9" * 400 + "TiB", "9999999999TB"])
def test_a_size_is_not_below_zero_and_ends(number: Any) -> None:
    with pytest.raises(ValueError, match="cannot be negative or endless"):
        parse_size_bytes(number)


ADDRESSES: dict[Any, Address] = {
    "127.0.0.1:8080": Address("127.0.0.1", 8080), "localhost:0": Address("localhost", 0),
    ":80": Address("127.0.0.1", 80),
    "80": Address("127.0.0.1", 80), 80: Address("127.0.0.1", 80), "[::1]:80": Address("::1", 80),
    "0.0.0.0:65535": Address("0.0.0.0", 65535), "unix:/run/x.sock": Address(path="/run/x.sock"),
}  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_are_hosts_with_ports_or_paths(text: Any) -> None:
    assert parse_address(text) == ADDRESSES[text]


NOT_ADDRESSES = {
    **dict.fromkeys(["", "localhost", "localhost:", "x:y", "x:65536", "x:-1", "x:²", "x:80 "], "is not an address"),
    "::1:80": "write an IPv6 address in brackets, like", "a:b:80": "in brackets",
    "unix:x.sock": "the path of a UNIX socket starts with /", "unix:": "starts with /",
}  # fmt: skip


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=NOT_ADDRESSES[text]):
        parse_address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "[::1]:80", "unix:/run/x.sock", "example.com:443"])
def test_an_address_prints_as_it_is_written(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize("text", ["a", "a.example", "a.example.", "127.0.0.1", "::1", "münchen.example", "x" * 63])
def test_these_are_hosts(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "a..b", "x" * 64, "\ud800"])
def test_these_are_no_hosts(text: str) -> None:
    assert not is_host(text)


@given(st.from_regex(r"[a-z0-9.-]{1,20}|[0-9a-f:]{2,20}", fullmatch=True), st.integers(0, 65535))
def test_every_address_comes_back_from_its_text(host: str, port: int) -> None:
    address = Address(host=host, port=port)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("parse", [parse_duration_s, parse_size_bytes, parse_address])
@given(text=st.text(max_size=30))
def test_any_text_is_a_value_or_a_value_error(parse: Any, text: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        assert str(error)


def test_a_secret_does_not_print() -> None:
    secret = Secret("s3cret")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", format(secret), str([secret]), str({"a": secret})]
    assert "s3cret" not in "".join(shown)
    assert shown[0] == "***"


def test_a_secret_is_revealed_to_who_asks() -> None:
    assert Secret("s3cret").reveal() == "s3cret"


def test_secrets_compare_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_an_empty_secret_is_no_secret() -> None:
    assert not Secret("")
    assert Secret("a")


def test_a_secret_can_be_copied() -> None:
    assert copy.deepcopy(Secret("a")) == Secret("a")
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")


def test_a_secret_has_no_dict_to_look_into() -> None:
    assert not hasattr(Secret("a"), "__dict__")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (50 * 2**30, "50 GiB"), (2**62, "4.194e+06 TiB")],
)
def test_a_size_is_written_for_people(size_bytes, text):
    assert format_size(size_bytes) == text
