"""What a network's router and identities were told for good."""

from __future__ import annotations

import stat

import pytest
from zrokd_plugins.overlay_ziti.managed import ManagedNetwork
from zrokd_plugins.overlay_ziti.settings import ManagedSettings
from zrokd_plugins.overlay_ziti.told import ToldAddress

from zrokd.errors import StartError


@pytest.fixture
def told(tmp_path):
    (tmp_path / "router").mkdir()
    return ToldAddress(tmp_path)


LOCAL = ["127.0.0.1", "localhost"]


@pytest.mark.parametrize(
    ("first", "now", "names"),
    [
        ("127.0.0.1:1280", "127.0.0.1:1280", LOCAL),
        ("127.0.0.1:1280", "ziti.example.com:1280", ["ziti.example.com", *LOCAL]),  # it has got a name
        ("one.example.com:1280", "two.example.com:1280", ["two.example.com", *LOCAL]),
        ("[::1]:1280", "[::1]:1280", ["::1", "localhost"]),
    ],
)
def test_what_was_told_first_still_answers(told, first, now, names):
    told.keep(first)
    told.check(now, names)


@pytest.mark.parametrize(
    ("first", "now", "names"),
    [
        ("127.0.0.1:1280", "127.0.0.1:1281", LOCAL),
        ("127.0.0.1:1280", "127.0.0.2:1280", ["127.0.0.2", "localhost"]),
        ("ziti.example.com:1280", "ziti.example.com:1281", ["ziti.example.com", *LOCAL]),
        ("[::1]:1280", "127.0.0.1:1280", LOCAL),
    ],
)
def test_where_nobody_would_answer_is_refused(told, first, now, names):
    told.keep(first)
    with pytest.raises(StartError) as refused:
        told.check(now, names)
    said = str(refused.value)
    assert said.startswith("overlay.managed.controller: ")
    assert f"was made with {first}" in said
    assert f"this would be {now}: put the first address back, or begin a new network" in said


def test_the_first_is_kept(told, tmp_path):
    told.keep("127.0.0.1:1280")
    told.keep("127.0.0.1:1281")
    file = tmp_path / "controller-address"
    assert file.read_text() == "127.0.0.1:1280\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_older_version_left_it_at_the_router(told, tmp_path):
    endpoints = tmp_path / "router" / "endpoints.yml"
    endpoints.write_text("endpoints:\n- tls:127.0.0.1:1280\n")
    with pytest.raises(StartError, match=r"made with 127\.0\.0\.1:1280,"):
        told.check("127.0.0.1:1281", LOCAL)
    told.keep("localhost:1280")
    told.renew_router()
    assert not endpoints.exists()
    with pytest.raises(StartError, match=r"made with 127\.0\.0\.1:1280,"):
        told.check("127.0.0.1:1281", LOCAL)


@pytest.mark.parametrize("left", [None, "", "endpoints: []\n"])
def test_where_nothing_tells_of_it_all_is_taken(told, tmp_path, left):
    if left is not None:
        (tmp_path / "router" / "endpoints.yml").write_text(left)
    told.check("127.0.0.1:1281", LOCAL)
    told.keep("127.0.0.1:1281")
    assert (tmp_path / "controller-address").read_text() == "127.0.0.1:1281\n"


def test_a_network_that_is_made_anew_begins_anew(told, tmp_path):
    told.keep("127.0.0.1:1280")
    (tmp_path / "router" / "endpoints.yml").write_text("endpoints:\n- tls:127.0.0.1:1280\n")
    told.forget()
    told.check("127.0.0.1:1281", LOCAL)


def test_a_managed_network_that_has_moved_is_refused_before_anything_runs(fake_program, zrokd_context):
    program = fake_program("assert arguments == ['version'], arguments\nprint('v1.6.0')")
    settings = ManagedSettings(binary=str(program.binary), controller="127.0.0.1:1281")
    network = ManagedNetwork(settings, zrokd_context)
    network.folder.mkdir(parents=True)
    (network.folder / "ctrl.db").write_bytes(b"")
    ToldAddress(network.folder).keep("127.0.0.1:1280")
    with pytest.raises(StartError, match=r"overlay\.managed\.controller: .* was made with 127\.0\.0\.1:1280"):
        network.open(None)
    assert [path.name for path in sorted(network.folder.iterdir())] == ["controller-address", "ctrl.db"]
