import errno
import json
import logging
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zrokd.model.naming import Mapping, MappingChanges
from zrokd.model.share import Gating
from zrokd.proxy import snapshot

LOG = logging.getLogger("test.snapshot")
GATED = Gating(gate="basic", config={"users": [{"username": "ann", "hash": "scrypt$x"}]})
NAMES = MappingChanges(
    epoch="e1",
    version=7,
    full=True,
    mappings=(
        Mapping(version=3, host="a.zone", token="tok-a", mode="proxy", limited=True, interstitial=False),
        Mapping(version=7, host="b.zone", token="tok-b", mode="web", gating=GATED),
    ),
)


def test_what_was_saved_is_loaded(tmp_path):
    assert snapshot.save(tmp_path / "names.json", NAMES, LOG)
    assert snapshot.load(tmp_path / "names.json", LOG) == NAMES


def test_no_file_is_no_snapshot_and_no_warning(tmp_path, caplog):
    assert snapshot.load(tmp_path / "names.json", LOG) is None
    assert caplog.records == []


def test_the_file_is_for_us_alone_and_nothing_is_left_beside_it(tmp_path):
    old = os.umask(0)
    try:
        snapshot.save(tmp_path / "names.json", NAMES, LOG)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "names.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["names.json"]


def test_a_half_written_file_of_a_crash_is_no_obstacle(tmp_path):
    left = tmp_path / f".names.json.{os.getpid()}.new"
    left.write_text("half")
    left.chmod(0o644)
    assert snapshot.save(tmp_path / "names.json", NAMES, LOG)
    assert stat.S_IMODE((tmp_path / "names.json").stat().st_mode) == 0o600


def laid_out(tree):
    """As a snapshot is written: a line each mapping."""
    if not isinstance(tree, dict) or not isinstance(tree.get("mappings"), list):
        return json.dumps(tree)
    head = json.dumps({key: value for key, value in tree.items() if key != "mappings"})
    begin = f'{head[:-1]}, "mappings": [' if len(head) > 2 else '{"mappings": ['
    return begin + ",".join(f"\n{json.dumps(one)}" for one in tree["mappings"]) + "\n]}\n"


A_NAME = {"version": 1, "host": "a", "token": "t", "mode": "", "gating": {"gate": "", "config": {}}}
GOOD = {"format": 1, "epoch": "e", "version": 1, "mappings": [A_NAME, A_NAME]}
FOREIGN = {
    "empty": "",
    "cut in a name": laid_out(GOOD)[:-20],
    "cut between names": laid_out(GOOD).rsplit("\n", 3)[0],
    "cut before its end": laid_out(GOOD)[:-2],
    "goes on": laid_out(GOOD) * 2,
    "another format": laid_out({**GOOD, "format": 2}),
    "no version": laid_out({k: v for k, v in GOOD.items() if k != "version"}),
    "version is a text": laid_out({**GOOD, "version": "1"}),
    "version is below zero": laid_out({**GOOD, "version": -1}),
    "version is past all numbers": laid_out({**GOOD, "version": 10**22}),
    "version is true": laid_out({**GOOD, "version": True}),
    "a list": "[]",
    "null": "null",
    "names are a text": laid_out({**GOOD, "mappings": "abc"}),
    "a name without a token": laid_out({**GOOD, "mappings": [{"host": "a"}]}),
    "a name is none": laid_out({**GOOD, "mappings": [A_NAME, None]}),
    "deep": "[" * 100_000,
    "binary": bytes(range(256)).decode("latin-1"),
}


def test_what_the_next_test_spoils_is_good(tmp_path):
    (tmp_path / "names.json").write_text(laid_out(GOOD))
    assert len(snapshot.load(tmp_path / "names.json", LOG).mappings) == 2


@pytest.mark.parametrize("name", FOREIGN)
def test_a_damaged_or_foreign_file_is_ignored_with_one_warning(tmp_path, caplog, name):
    path = tmp_path / "names.json"
    path.write_text(FOREIGN[name], encoding="latin-1")
    assert snapshot.load(path, LOG) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(path) in caplog.text


def test_a_file_that_cannot_be_read_is_ignored_with_one_warning(tmp_path, caplog):
    (tmp_path / "names.json").mkdir()
    assert snapshot.load(tmp_path / "names.json", LOG) is None
    assert "cannot be read" in caplog.text


KEYS = ["format", "epoch", "version", "mappings", "host", "token", "mode", "gating", "gate", "config"]
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES)
def test_no_json_breaks_the_loader(tmp_path, tree):
    (tmp_path / "names.json").write_text(laid_out(tree))
    logging.getLogger("test.snapshot.fuzz").disabled = True
    snapshot.load(tmp_path / "names.json", logging.getLogger("test.snapshot.fuzz"))


@pytest.mark.parametrize("step", ["fsync", "write", "replace"])
def test_a_full_disk_keeps_the_old_file_and_says_one_sentence(tmp_path, caplog, monkeypatch, step):
    path = tmp_path / "names.json"
    snapshot.save(path, NAMES, LOG)

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        monkeypatch.setattr(snapshot, "_write", full)
    assert not snapshot.save(path, MappingChanges(epoch="e2", version=9, full=True, mappings=()), LOG)
    monkeypatch.undo()
    assert snapshot.load(path, LOG) == NAMES
    assert [path.name for path in tmp_path.iterdir()] == ["names.json"]
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_really_full_is_told_the_same_way(tmp_path, caplog, monkeypatch):
    real = os.open

    def to_full(path, flags, *mode, **more):
        return real("/dev/full", os.O_WRONLY) if str(path).endswith(".new") else real(path, flags, *mode, **more)

    monkeypatch.setattr(os, "open", to_full)
    assert not snapshot.write_whole(tmp_path / "x", ["text"], LOG)
    assert not (tmp_path / "x").exists()
    assert len(caplog.records) == 1
