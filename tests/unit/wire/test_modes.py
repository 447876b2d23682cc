import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.wire.modes import mode_from_wire, mode_to_wire


@pytest.mark.parametrize(
    ("ours", "zroks"),
    [
        ("proxy", "proxy"),
        ("web", "web"),
        ("tcp", "tcpTunnel"),
        ("udp", "udpTunnel"),
        ("drive", "drive"),
        ("socks", "socks"),
        ("caddy", "caddy"),
        ("", ""),
    ],
)
def test_modes_have_one_name_here_and_one_there(ours, zroks):
    assert mode_to_wire(ours) == zroks
    assert mode_from_wire(zroks) == ours


@given(st.from_regex(r"[a-z]{1,10}", fullmatch=True))
def test_a_mode_nobody_knows_keeps_its_name(mode):
    assert mode_from_wire(mode_to_wire(mode)) == mode
