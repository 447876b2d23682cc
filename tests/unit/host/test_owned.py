import contextlib
import grp
import os
import pwd
import types

import pytest

from zrokd.errors import PluginError, StartError
from zrokd.host.lock import StateLock
from zrokd.host.owned import refuse_strangers
from zrokd.host.registry import Registry

US, OTHER = 4711, 815


@pytest.fixture
def people(monkeypatch):
    """We are ann (4711), whose group is her own; staff (50) has several members, bob is in the group of eve."""
    users = {US: ("ann", US), 0: ("root", 0), OTHER: ("bob", 50), 77: ("eve", 77)}
    groups = {US: ("ann", []), 0: ("root", []), 50: ("staff", []), 77: ("eve", ["eve", "bob"])}

    def user(uid):
        name, gid = users[uid]
        return types.SimpleNamespace(pw_name=name, pw_gid=gid)

    def group(gid):
        name, members = groups[gid]
        return types.SimpleNamespace(gr_name=name, gr_mem=members)

    monkeypatch.setattr(pwd, "getpwuid", user)
    monkeypatch.setattr(grp, "getgrgid", group)
    return monkeypatch


class Place:
    def __init__(self, mode, uid, gid):
        self._status = types.SimpleNamespace(st_mode=mode, st_uid=uid, st_gid=gid)

    def stat(self):
        return self._status

    def __str__(self):
        return "/x"


@pytest.mark.parametrize(
    ("us", "mode", "uid", "gid", "refused"),
    [
        (US, 0o755, US, US, ""),
        (US, 0o755, 0, 0, ""),
        (US, 0o755, OTHER, US, r"belongs to another user \(815\)"),
        (US, 0o700, OTHER, OTHER, "belongs to another user"),
        (0, 0o755, US, US, "belongs to another user"),
        (US, 0o777, US, US, "everybody; run chmod o-w /x"),
        (US, 0o757, 0, 0, "everybody"),
        (US, 0o775, US, US, ""),
        (US, 0o775, US, 50, "the group staff; run chmod g-w /x"),
        (US, 0o775, 0, 0, ""),
        (US, 0o775, 0, 50, "the group staff"),
        (US, 0o775, 0, US, "the group ann"),
        (77, 0o775, 77, 77, "the group eve"),
        (9000, 0o775, 9000, 9000, ""),
        (9000, 0o775, 9000, 9001, "the group 9001"),
    ],
)
def test_who_else_may_write_is_refused(people, us, mode, uid, gid, refused):
    people.setattr(os, "geteuid", lambda: us)
    path = Place(mode, uid, gid)
    with pytest.raises(PluginError, match=f"the thing /x .*{refused}") if refused else contextlib.nullcontext():
        refuse_strangers(path, "the thing", PluginError)


@pytest.mark.parametrize(("uid", "fine"), [(0, True), (US, False)])
def test_what_root_lets_a_group_write_is_ours_where_we_are_let_in_so(people, uid, fine):
    people.setattr(os, "geteuid", lambda: US)
    path = Place(0o2775, uid, 50)
    with contextlib.nullcontext() if fine else pytest.raises(StartError, match="the group staff"):
        refuse_strangers(path, "the state directory", StartError, through_group=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
@pytest.mark.parametrize("part", [".", "mine.py"])
@pytest.mark.parametrize(("owner", "mode"), [((65534, 0), 0o755), ((0, 65534), 0o775)])
def test_a_plugin_that_others_may_change_is_not_imported(folder, part, owner, mode):
    path = folder(mine="raise SystemExit('imported')")
    os.chown(path / part, *owner)
    (path / part).chmod(mode)
    with pytest.raises(PluginError, match="belongs to another user|can be written by the group"):
        Registry([path])


@needs_root
def test_a_state_directory_that_a_group_may_change_is_refused(tmp_path):
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 0, 65534)
    (tmp_path / "state").chmod(0o770)
    with pytest.raises(StartError, match="the state directory .* can be written by the group .*; run chmod g-w"):
        StateLock(tmp_path / "state").acquire()
