from ipaddress import ip_address, ip_network

import pytest

from zrokd.model.http import RequestHead
from zrokd.net.http1.origin import address_of, claimed, origin, parsed

OURS = ip_network("10.0.0.0/8")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:80", "1.2.3.4"),
        ("::1", "::1"),
        ("[::1]:80", "::1"),
        ("[::ffff:1.2.3.4]:80", "1.2.3.4"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("unix:/run/x", None),
        ("", None),
        ("1.2.3.4.5", None),
    ],
)
def test_an_address_is_read_in_every_form_it_is_written_in(text, address):
    assert address_of(text) == (address and ip_address(address))


def test_a_claim_counts_from_the_right_up_to_what_is_no_address():
    head = RequestHead(
        b"GET", b"/", 1, ((b"x-forwarded-for", b"6.6.6.6, ?, 1.1.1.1"), (b"X-Forwarded-For", b"2.2.2.2"))
    )
    assert claimed(head) == (ip_address("1.1.1.1"), ip_address("2.2.2.2"))


@pytest.mark.parametrize("zone", [b"::1%eth0", b'[::1%"];host="evil"]:80', b"::%x, 2.2.2.2"])
def test_a_zone_is_no_part_of_a_claim_and_cannot_hide_anything(zone):
    head = RequestHead(b"GET", b"/", 1, ((b"X-Forwarded-For", b"6.6.6.6, " + zone),))
    assert ip_address("6.6.6.6") not in claimed(head)
    assert all("%" not in str(each) for each in claimed(head))


@pytest.mark.parametrize(
    ("chain", "believed"),
    [(["6.6.6.6", "1.1.1.1", "10.0.0.1"], "1.1.1.1"), (["10.0.0.2", "10.0.0.1"], "10.0.0.2"), (["1.1.1.1"], "1.1.1.1")],
)
def test_the_last_that_is_not_trusted_is_believed(chain, believed):
    assert origin(tuple(map(ip_address, chain)), lambda each: each in OURS) == ip_address(believed)


def test_of_a_chain_without_end_only_the_last_are_believed():
    told = ", ".join(f"10.0.{number // 256}.{number % 256}" for number in range(3000))
    head = RequestHead(b"GET", b"/", 1, ((b"X-Forwarded-For", told.encode()),))
    assert [str(each) for each in claimed(head)] == told.split(", ")[-32:]


@pytest.mark.parametrize("text", ["z" * 20_000, f"[{'1:' * 10_000}]:80", "1" * 46])
def test_what_is_too_long_for_an_address_is_not_kept_in_memory(text):
    kept = parsed.cache_info().misses
    assert address_of(text) is None
    assert parsed.cache_info().misses == kept
