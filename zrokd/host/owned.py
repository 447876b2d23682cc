"""Files and folders that nobody but their owner may change."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from zrokd.errors import ZrokdError


def refuse_strangers(path: Path, what: str, error: type[ZrokdError], *, through_group: bool = False) -> None:
    """Make sure that only this user and root may change `path`. Blocks on the disk.

    `through_group`: what is root's may be writable by a group, for that is how this user may write there.
    :raises error: says who else may change it, and what to do. :raises OSError: it cannot be looked at.
    """
    status = path.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise error(f"{what} {path} belongs to another user ({status.st_uid}); make it yours or root's")
    if status.st_mode & stat.S_IWOTH:
        raise error(f"{what} {path} can be written by everybody; run chmod o-w {path}")
    ours_by_group = through_group and status.st_uid != os.geteuid()
    if status.st_mode & stat.S_IWGRP and not ours_by_group and not _is_private(status.st_uid, status.st_gid):
        raise error(f"{what} {path} can be written by the group {_name(status.st_gid)}; run chmod g-w {path}")


def _is_private(uid: int, gid: int) -> bool:
    """Whether a group is its user's own, as where new files are group-writable (umask 002) every user has one."""
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return uid == gid
    return user.pw_gid == gid and group.gr_name == user.pw_name and not {*group.gr_mem} - {user.pw_name}


def _name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
