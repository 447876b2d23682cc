"""A stranger's plugins: built as wheels, installed, tested by their authors, and used by a running daemon."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zrokd.testing.scenario import Scenario

SAMPLES = Path(__file__).parents[1] / "samples"
NAMES = ["zrokd-auth-pin", "zrokd-gate-hours"]

# Runs with the installed samples on its path: a whole zrokd whose YAML uses them.
USE = """
from gevent import monkey; monkey.patch_all()
import json, sys
from pathlib import Path
import requests
from zrokd.testing.scenario import Scenario

share = {"mode": "hello", "gate": "office"}
changes = {
    "auth": [{"use": "token"}, {"use": "pin", "pin": "271828"}],
    "roles": {"frontend": {"gates": {"office": {"use": "hours", "opens": 0, "closes": 24}}}},
}
with Scenario(Path(sys.argv[1]), shares=[share], changes=changes) as zrokd:
    (host,) = zrokd.hosts()
    told = {"open": zrokd.get(host).status}
    for name, pin in (("right", "271828"), ("wrong", "314159")):
        answer = requests.get(
            f"{zrokd.controller_url}/api/v2/zrokd/accounts", headers={"x-token": pin}, timeout=10
        )
        told[name] = answer.status_code
    closed = {"roles": {"frontend": {"gates": {"office": {"opens": 0, "closes": 0}}}}}
    told["reloaded"] = zrokd.reload(closed)
    told["closed"] = zrokd.get(host).status
print(json.dumps(told))
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def run(*command, folder=None, **environ):
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, **environ}, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the samples installed from wheels."""
    folder = tmp_path_factory.mktemp("samples")
    for name in NAMES:
        shutil.copytree(SAMPLES / name, folder / name)
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), folder / name)
    wheels = sorted(map(str, (folder / "dist").glob("*.whl")))
    assert len(wheels) == len(NAMES)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check"]
    run(*pip, "--target", str(folder / "site"), *wheels)
    return folder / "site"


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_one_short_file(name):
    (module,) = (SAMPLES / name).glob("zrokd_*.py")
    useful = [line for line in module.read_text().splitlines() if line.strip() and '"""' not in line]
    useful = [line for line in useful if not line.startswith(("import", "from"))]
    assert len(useful) <= 20


@pytest.mark.parametrize("name", NAMES)
def test_its_author_runs_the_contract_suite(installed, name, tmp_path):
    (tmp_path / "conftest.py").write_text(
        'from gevent import monkey\nmonkey.patch_all()\npytest_plugins = ["zrokd.testing.plugin"]\n'
    )
    for file in (SAMPLES / name).glob("test_*.py"):
        shutil.copy(file, tmp_path)
    told = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path, PYTHONPATH=str(installed)
    )
    assert " passed" in told
    assert "skipped" not in told


def test_a_running_daemon_uses_them(installed, tmp_path):
    told = json.loads(run(sys.executable, "-c", USE, str(tmp_path), PYTHONPATH=str(installed)).splitlines()[-1])
    assert told == {"open": 200, "right": 200, "wrong": 401, "reloaded": True, "closed": 403}


def test_they_are_listed_with_their_distribution(installed):
    code = "from zrokd.host.registry import Registry\nfor s, n, o in Registry().all_names(): print(f'{s}.{n} {o}')"
    listed = run(sys.executable, "-c", code, PYTHONPATH=str(installed)).splitlines()
    assert {"auth.pin zrokd-auth-pin 1.0", "gate.hours zrokd-gate-hours 1.0"} <= set(listed)


def test_a_single_file_hears_of_the_start_of_connections_and_of_the_end(tmp_path):
    shutil.copytree(SAMPLES / "single", tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    changes = {"plugin_path": [str(tmp_path / "plugins")], "observers": [{"use": "tally"}]}
    with Scenario(tmp_path, shares=[{"mode": "hello"}], changes=changes) as zrokd:
        before_ms = time.time() * 1000
        (host,) = zrokd.hosts()
        assert zrokd.get(host).status == 200
        (token,) = zrokd.ready
    (file,) = tmp_path.rglob("tally.json")
    told = json.loads(file.read_text())
    assert before_ms - 60_000 < told["since_ms"] <= before_ms
    assert told["bytes"][token] > 100
