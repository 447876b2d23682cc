"""The units are understood without a message, and give little away."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ["zrokd.service", "zrokd@.service", "zrokd.target", "zrokd-frontend.socket"]
SERVICES = [name for name in NAMES if name.endswith(".service")]
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here")


@pytest.fixture
def units(tmp_path):
    """The units, with a program that exists in place of /usr/bin/zrokd."""
    for name in NAMES:
        text = (UNITS / name).read_text().replace("/usr/bin/zrokd", "/bin/true")
        (tmp_path / name).write_text(text)
    return tmp_path


def run(*command, **environ):
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environ, "SYSTEMD_LOG_LEVEL": "info"}
    )


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_the_unit_is_understood_without_a_message(units, name):
    made = name.replace("@.", "@demo.")
    if made != name:
        (units / made).write_text((units / name).read_text())
    told = run("systemd-analyze", "verify", "--man=no", str(units / made), SYSTEMD_UNIT_PATH=f"{units}:")
    assert (told.stdout + told.stderr, told.returncode) == ("", 0)


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_the_unit_gives_little_away(units, name):
    told = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(units / name))
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert exposure, told.stdout + told.stderr
    assert float(exposure[1]) <= 1.5


@pytest.mark.parametrize("name", SERVICES)
def test_the_service_speaks_as_the_daemon_does(name):
    text = (UNITS / name).read_text()
    for line in (
        "Type=notify", "ExecReload=/bin/kill -HUP $MAINPID", "WatchdogSec=30", "RestartPreventExitStatus=2",
        "KillMode=mixed",
    ):  # fmt: skip
        assert f"\n{line}\n" in text


@pytest.mark.parametrize("name", SERVICES)
def test_there_is_room_for_32_workers_and_their_threads(name):
    (most,) = re.findall(r"^TasksMax=(\d+)$", (UNITS / name).read_text(), re.MULTILINE)
    assert int(most) >= 32 * 64


def test_each_daemon_of_the_template_gets_its_own_secrets_only():
    loaded = re.findall(r"^LoadCredential=(\S+):(\S+)$", (UNITS / "zrokd@.service").read_text(), re.MULTILINE)
    assert loaded == [(f"zrokd.{what}", f"zrokd.%i.{what}") for what in ("account", "admin", "frontend")]


def test_both_services_are_hardened_alike():
    first, second = ((UNITS / name).read_text().partition("CapabilityBoundingSet=")[2] for name in SERVICES)
    assert first.partition("[Install]")[0] == second.partition("[Install]")[0]


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed here")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make users, even in a folder")
def test_users_and_folders_are_made(tmp_path):
    (tmp_path / "etc").mkdir()
    made = run("systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.d/zrokd.conf"))
    assert made.returncode == 0, made.stderr
    users = (tmp_path / "etc/passwd").read_text()
    group = re.search(r"^zrokd:[^:]*:(\d+):", (tmp_path / "etc/group").read_text(), re.MULTILINE)[1]
    for user in ("zrokd", "zrokd-controller", "zrokd-frontend", "zrokd-backend"):
        assert re.search(rf"^{user}:[^:]*:\d+:{group}:", users, re.MULTILINE)
    made = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", str(UNITS / "tmpfiles.d/zrokd.conf"))
    assert made.returncode == 0, made.stderr
    found = (tmp_path / "run/zrokd/overlay").stat()
    assert (found.st_mode & 0o7777, found.st_gid) == (0o2770, int(group))
