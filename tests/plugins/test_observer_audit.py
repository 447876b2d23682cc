import errno
import json
import logging
import os

import pytest
from zrokd_plugins import observer_audit
from zrokd_plugins.observer_audit import AuditObserver, AuditSettings, zrokd_provide_observers

from zrokd.model.account import Principal
from zrokd.model.environment import Environment
from zrokd.model.share import Access, Gating, Share, ShareMode

ANN = Principal(account_id=1, email="ann@example.com", method="token")
ENVIRONMENT = Environment(id=1, account_id=1, z_id="z1", description="desk", host="linux", address="10.0.0.1")
SHARE = Share(
    id=1, token="tok", env_z_id="z1", account_id=1, share_mode=ShareMode.PUBLIC, mode="proxy", target="http://x",
    endpoints=("a.example.com",), gating=Gating(gate="basic", config={"users": [{"hash": "canary-hash"}]}),
)  # fmt: skip
ACCESS = Access(id=1, token="acc", share_token="tok", env_z_id="z2", mode="proxy", bind_address="127.0.0.1:9")
EVENTS = [
    ("zrokd_on_environment_created", "environment.created", ENVIRONMENT),
    ("zrokd_on_environment_deleted", "environment.deleted", ENVIRONMENT),
    ("zrokd_on_share_created", "share.created", SHARE),
    ("zrokd_on_share_deleted", "share.deleted", SHARE),
    ("zrokd_on_access_created", "access.created", ACCESS),
    ("zrokd_on_access_deleted", "access.deleted", ACCESS),
]


@pytest.fixture
def audit(small_ctx):
    small_ctx.clock.now_ms = lambda: 1_700_000_000_123
    return AuditObserver(AuditSettings(path="audit.jsonl"), small_ctx)


@pytest.fixture
def lines(audit):
    return lambda: [json.loads(line) for line in audit.path.read_text().splitlines()]


@pytest.mark.parametrize(("hook", "event", "noun"), EVENTS)
def test_each_change_is_one_line_with_time_and_author(audit, lines, hook, event, noun):
    getattr(audit, hook)(noun, ANN)
    (line,) = lines()
    head = {"time": "2023-11-14T22:13:20.123+00:00", "event": event, "by": "ann@example.com", "auth": "token"}
    assert line.items() >= head.items()


def test_a_line_says_what_it_was(audit, lines):
    audit.zrokd_on_environment_created(ENVIRONMENT, ANN)
    audit.zrokd_on_share_created(SHARE, ANN)
    audit.zrokd_on_access_created(ACCESS, Principal(admin=True))
    environment, share, access = lines()
    assert environment.items() >= {"environment": "z1", "host": "linux", "description": "desk"}.items()
    assert share["hosts"] == ["a.example.com"]
    assert (share["share"], share["mode"], share["share_mode"], share["gate"]) == ("tok", "proxy", "public", "basic")
    assert (access["access"], access["share"], access["bind_address"]) == ("acc", "tok", "127.0.0.1:9")
    assert access["by"] == "admin"


def test_nothing_secret_is_kept(audit):
    audit.zrokd_on_share_created(SHARE, ANN)
    assert "canary" not in audit.path.read_text()


def test_a_line_stays_a_line_whatever_people_write(audit, lines):
    evil = Environment(id=1, account_id=1, z_id="z1", description='x"\r\n{"event": "forged"}\u2028\x1b[2J', host="\0")
    audit.zrokd_on_environment_created(evil, ANN)
    raw = audit.path.read_bytes()
    assert raw.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in raw)
    assert lines()[0]["description"] == evil.description


def test_the_file_is_for_the_operator_and_group(audit):
    audit.zrokd_on_share_created(SHARE, ANN)
    assert audit.path.stat().st_mode & 0o137 == 0


def test_a_renamed_file_is_left_alone_and_a_new_one_begun(audit, lines):
    audit.zrokd_on_share_created(SHARE, ANN)
    audit.path.rename(audit.path.with_suffix(".1"))
    audit.zrokd_on_share_deleted(SHARE, ANN)
    assert [line["event"] for line in lines()] == ["share.deleted"]


def test_lines_are_written_off_the_hub(audit, small_ctx):
    audit.zrokd_on_share_created(SHARE, ANN)
    assert small_ctx.offloaded == 1


def test_without_a_path_the_log_has_the_line(small_ctx, caplog):
    with caplog.at_level(logging.INFO):
        AuditObserver(AuditSettings(), small_ctx).zrokd_on_share_created(SHARE, ANN)
    assert json.loads(caplog.messages[0])["event"] == "share.created"


def test_a_file_that_cannot_be_written_costs_nobody_anything_and_the_log_has_the_line(audit, caplog):
    audit.path.mkdir()
    with caplog.at_level(logging.ERROR):
        audit.zrokd_on_share_created(SHARE, ANN)
    assert "cannot be written (Is a directory)" in caplog.text
    assert '"event": "share.created"' in caplog.text


def test_half_a_line_of_a_full_disk_does_not_spoil_the_next(audit, monkeypatch, caplog):
    left = [5]

    def write(fd, data):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count, left[0] = left[0], 0
        return real(fd, data[:count])

    real = os.write
    monkeypatch.setattr(observer_audit.os, "write", write)
    audit.zrokd_on_share_created(SHARE, ANN)
    assert "No space left" in caplog.text
    monkeypatch.undo()
    audit.zrokd_on_share_deleted(SHARE, ANN)
    half, whole = audit.path.read_text().splitlines()
    assert len(half) == 5
    assert json.loads(whole)["event"] == "share.deleted"


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_observers()] == ["audit"]
