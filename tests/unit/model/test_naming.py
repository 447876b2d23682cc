from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid
from zrokd.model.naming import (
    TOKEN_LENGTH,
    Mapping,
    Name,
    canonical_host,
    check_name,
    check_share_token,
    check_zone,
    new_share_token,
    new_token,
)

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def test_share_tokens_are_labels_without_vowels() -> None:
    tokens = {new_share_token() for _ in range(500)}
    assert len(tokens) == 500
    assert all(len(token) == TOKEN_LENGTH and LABEL.fullmatch(token) for token in tokens)
    assert not set("".join(tokens)) & set("aeiouy0134l")
    assert all(check_share_token(token) == token for token in tokens)


def test_other_tokens_have_letters_of_both_cases_and_digits() -> None:
    tokens = {new_token() for _ in range(500)}
    assert len(tokens) == 500
    letters = set("".join(tokens))
    assert all(len(token) == TOKEN_LENGTH and token.isalnum() and token.isascii() for token in tokens)
    assert any(map(str.isupper, letters))
    assert any(map(str.islower, letters))
    assert any(map(str.isdigit, letters))


RIGHT = ["abc", "a-b", "a1", "my-shop-2", "0x0", "a--b", "a" * 32]
WRONG = ["", "a", "-ab", "ab-", "Abc", "a_b", "a.b", "a b", "äbc", "abc\n", "a" * 64, "xn--ñ"]


@pytest.mark.parametrize("name", [name for name in RIGHT if len(name) > 2] + ["a" * 63])
def test_good_names_are_given_back(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", [*WRONG, "ab"])
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(Invalid, match="is not a valid name: 3 to 63 of a-z, 0-9 and -"):
        check_name(name)


@pytest.mark.parametrize("token", [token for token in RIGHT if len(token) > 2])
def test_good_share_tokens_are_given_back(token: str) -> None:
    assert check_share_token(token) == token


@pytest.mark.parametrize("token", [*WRONG, "ab", "a" * 33])
def test_bad_share_tokens_are_refused_with_the_rule(token: str) -> None:
    with pytest.raises(Invalid, match="is not a valid share token: 3 to 32 of a-z, 0-9 and -"):
        check_share_token(token)


@pytest.mark.parametrize("zone", ["localhost", "share.example.com", "a.b.c", "x1.y-z.de", "a" * 63 + ".com"])
def test_good_zones_are_given_back(zone: str) -> None:
    assert check_zone(zone) == zone


@pytest.mark.parametrize(
    "zone", ["", ".", ".example.com", "example.com.", "a..b", "Example.com", "*.example.com", "a b", "-a.com", "a-.com",
             "a" * 64 + ".com", ".".join(["abcdefghi"] * 20), "example.com:80", "ex\n"],
)  # fmt: skip
def test_bad_zones_are_refused_with_an_example(zone: str) -> None:
    with pytest.raises(Invalid, match="is not a DNS zone: write it like share.example.com"):
        check_zone(zone)


@pytest.mark.parametrize("check", [check_name, check_share_token, check_zone])
@given(text=st.text(max_size=80))
def test_whatever_passes_can_stand_in_a_host_name(check: Callable[[str], str], text: str) -> None:
    try:
        passed = check(text)
    except Invalid:
        return
    assert all(LABEL.fullmatch(label) and len(label) <= 63 for label in passed.split("."))


HOSTS = {
    "example.com": "example.com",
    "Example.COM": "example.com",
    "example.com.": "example.com",
    "a.localhost:8080": "a.localhost",
    "a.b.:80": "a.b",
    "a:": "a",
    "[::1]:80": "[::1]",
    "[::1]": "[::1]",
    "127.0.0.1:1": "127.0.0.1",
    **dict.fromkeys(["", ".", ":80", "a:b", "a:80x"], ""),
}


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_have_one_form(host: str) -> None:
    assert canonical_host(host) == HOSTS[host]


@given(st.from_regex(r"[A-Za-z0-9-]{1,10}(\.[A-Za-z0-9-]{1,10}){0,3}", fullmatch=True), st.integers(0, 65535))
def test_case_port_and_final_dot_make_no_difference(host: str, port: int) -> None:
    forms = {canonical_host(form) for form in (host, host.upper(), host.lower(), f"{host}.", f"{host}:{port}")}
    assert forms == {host.lower()}


@pytest.mark.parametrize("host", ["", ".", "..", "a..", "a..b", ".a", "a.b..:80", ":80"])
def test_a_host_with_an_empty_label_is_none(host: str) -> None:
    assert canonical_host(host) == ""


def test_a_name_knows_its_host() -> None:
    assert Name(namespace="public", zone="share.example.com", name="shop").host == "shop.share.example.com"


def test_a_mapping_without_a_token_takes_the_host_away() -> None:
    assert Mapping(version=1, host="a.b").deleted
    assert not Mapping(version=1, host="a.b", token="x").deleted


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("MY-SITE", "my-site"),
        ("bücher", "xn--bcher-kva"),
        ("Bücher", "xn--bcher-kva"),
        ("a_b", ""),
        ("ab", ""),
        ("ü" * 70, ""),
    ],
)
def test_a_name_that_dns_spells_otherwise_is_met_with_its_spelling(name: str, spelt: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_name(name)
    assert str(refused.value).partition("first and last")[2] == (f"; write {spelt}" if spelt else "")
