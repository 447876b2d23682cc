"""What setup.cfg says is what the tree has, and what a wheel carries."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from zrokd.contracts import SLOTS
from zrokd.host.registry import Registry

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def _lines(text):
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def test_every_folder_with_modules_is_a_listed_package(setup):
    folders = {
        ".".join(("zrokd_plugins" if part == "plugins" and not i else part) for i, part in enumerate(file.parts[:-1]))
        for top in ("zrokd", "plugins")
        for file in (path.relative_to(ROOT) for path in (ROOT / top).rglob("*.py"))
    }
    assert sorted(_lines(setup["options"]["packages"])) == sorted(folders)


def test_every_plugin_has_its_entry_points_and_every_entry_point_its_plugin(setup):
    entries = dict(line.split(" = ") for line in _lines(setup["options.entry_points"]["zrokd"]))
    registry = Registry()
    provided = set()
    for key, module in entries.items():
        slot, _, name = key.partition(".")
        cls = registry(slot, name)
        assert cls.__module__ == module or cls.__module__.startswith(f"{module}.")
        provided.add(module.split(".")[1])
    on_disk = {p.stem for p in (ROOT / "plugins").iterdir() if p.stem not in ("__init__", "__pycache__")}
    assert provided == on_disk
    assert {key.partition(".")[0] for key in entries} == set(SLOTS)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.blocks_hub("waits for the build")
def test_a_wheel_has_everything_and_works_where_it_is_installed(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for top, inside in (("zrokd", "zrokd"), ("plugins", "zrokd_plugins")):
        for file in (ROOT / top).rglob("*"):
            if file.is_file() and file.suffix in (".py", ".typed", ".html", ".css"):
                assert f"{inside}/{file.relative_to(ROOT / top)}" in names
    target = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(target)
    shown = subprocess.run(
        [sys.executable, "-m", "zrokd", "check", str(ROOT / "conf" / "demo.yml")],
        cwd=target,
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
