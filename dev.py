#!/usr/bin/env python3
"""Everything a checkout needs, with nothing but python3: `python3 dev.py demo`, `python3 dev.py test`.

Makes `.venv`, installs zrokd into it, and runs the one thing asked for. Standard library only; changes nothing outside
this folder, needs no root and no git.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
PYTHON = VENV / "bin" / "python"
WHEELS = ("usr/share/python-wheels", "usr/lib/python3/dist-packages/ensurepip/_bundled")
OLDEST = (3, 11)
READY_S = 60.0


def main(given: list | None = None) -> int:
    """Run a sub-command; its exit code."""
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    demo_parser = commands.add_parser("demo", help="a whole zrokd on this machine, with two shares")
    demo_parser.add_argument("--once", action="store_true", help="fetch the shares once, print what came, and end")
    what = "the tests (--ziti, --postgres: real ones; --parts N: processes; --again: what fails); others go to pytest"
    test_parser = commands.add_parser("test", help=what, add_help=False, allow_abbrev=False)
    test_parser.add_argument("--parts", type=int, metavar="N", default=0)
    test_parser.add_argument("--again", action="store_true")
    bench_parser = commands.add_parser("bench", help="the benchmarks, or those named (forward, http, relay, ...)")
    bench_parser.add_argument("names", nargs="*")
    bench_parser.add_argument("--quick", action="store_true", help="as short as they go: whether they run, no more")
    commands.add_parser("lint", help="ruff")
    commands.add_parser("type", help="mypy")
    docs_parser = commands.add_parser("docs", help="write the generated pages of docs/")
    docs_parser.add_argument("--check", action="store_true", help="only say which are stale")
    commands.add_parser("clean", help="remove .venv and what tools left behind")
    arguments, further = parser.parse_known_args(given)
    if further and arguments.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    arguments.further = further
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every process would compile all anew: eight seconds for pytest
    if sys.version_info < OLDEST:
        return fail(f"python3 is {sys.version.split()[0]}; zrokd needs {OLDEST[0]}.{OLDEST[1]} or newer")
    try:
        code = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
    except SetupError as error:
        return fail(str(error))
    except BrokenPipeError:  # as in `demo --once | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would try again at its end
        return 128 + signal.SIGPIPE
    return code


def fail(sentence: str) -> int:
    """Say what is wrong; the exit code."""
    print(f"dev.py: {sentence}", file=sys.stderr)
    return 1


class SetupError(Exception):
    """The environment cannot be made; the text says what to do."""


# -- the environment ---


def ensure(*extras: str) -> None:
    """`.venv` has zrokd with these extras. At once when nothing changed since the last time."""
    wanted = hashlib.sha256(
        b"\0".join([sys.version.encode(), *((ROOT / name).read_bytes() for name in ("setup.cfg", "pyproject.toml"))])
    ).hexdigest()
    stamp = VENV / f"installed-{'-'.join(extras)}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    what = f"zrokd with {', '.join(extras)}" if extras else "zrokd"
    print(f"dev.py: setting up {VENV.name}: {what} (once; needs the package index)", file=sys.stderr, flush=True)
    make_venv()
    # What a build of a wheel leaves here would tell of the plugins of its own day.
    shutil.rmtree(ROOT / "zrokd.egg-info", ignore_errors=True)
    run_quietly(
        [
            PYTHON,
            "-m",
            "pip",
            "install",
            "--prefer-binary",
            "--disable-pip-version-check",
            "-e",
            f".[{','.join(extras)}]",
        ],
        "the packages cannot be installed; is the package index reachable?",
    )
    stamp.write_text(wanted)


def make_venv() -> None:
    """A virtual environment with pip in it. Idempotent."""
    if not PYTHON.exists():
        with_pip = importlib.util.find_spec("ensurepip") is not None
        options = [] if with_pip else ["--without-pip"]
        run_quietly([sys.executable, "-m", "venv", *options, str(VENV)], "python3 -m venv fails")
    if subprocess.run([PYTHON, "-c", "import pip"], capture_output=True).returncode == 0:
        return
    wheel = find_pip_wheel() or download_pip_wheel()
    run_quietly(
        [PYTHON, f"{wheel}/pip", "install", "--disable-pip-version-check", str(wheel)], "pip cannot be installed"
    )


def find_pip_wheel(root: Path = Path("/")) -> Path | None:
    """A wheel of pip that the system keeps for its own use."""
    return next((wheel for folder in WHEELS for wheel in sorted((root / folder).glob("pip-*.whl"))), None)


def download_pip_wheel() -> Path:
    """Debian's wheel of pip, unpacked below .cache: its python3 alone has neither pip nor ensurepip."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise SetupError("this python3 has no pip and no ensurepip; install them (pip, venv) and run this again")
    folder = CACHE / "apt"
    for part in ("lists/partial", "archives/partial", "unpacked"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    options = [
        f"Dir::State::lists={folder}/lists",
        f"Dir::Cache={folder}",
        "Debug::NoLocking=true",
        "APT::Sandbox::User=",
        "Acquire::Languages=none",
    ]
    apt = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
    hint = "pip cannot be had; run: apt-get install python3-venv"
    run_quietly([*apt, "update"], hint)
    run_quietly([*apt, "download", "python3-pip-whl"], hint, cwd=folder)
    for package in folder.glob("python3-pip-whl_*.deb"):
        run_quietly(["dpkg-deb", "-x", str(package), str(folder / "unpacked")], hint)
    wheel = find_pip_wheel(folder / "unpacked")
    if wheel is None:
        raise SetupError(hint)
    return wheel


def run_quietly(command: list, sentence: str, cwd: Path = ROOT) -> None:
    """Run a command whose output matters only when it fails. :raises SetupError: with `sentence` and its end."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise SetupError(f"{sentence}\n{tail}")


# -- demo ---


def demo(arguments: argparse.Namespace) -> int:
    """One daemon that is everything, on conf/demo.yml."""
    ensure("tui")
    with tempfile.TemporaryDirectory(prefix="zrokd-demo-") as state:
        folder = Path(state) / "folder"
        folder.mkdir()
        (folder / "hello.txt").write_text("This file is shared from a folder.\n")
        environ = {
            **os.environ,
            "ZROKD_DEMO_DIR": f"{state}/state",
            "ZROKD_DEMO_FOLDER": str(folder),
            "ZROKD_DEMO_PORT": os.environ.get("ZROKD_DEMO_PORT") or str(free_port(8080)),
            "ZROKD_DEMO_API": os.environ.get("ZROKD_DEMO_API") or str(free_port(18080)),
        }
        command = [str(PYTHON), "-m", "zrokd", "run", "conf/demo.yml", "--screen"]
        return demo_once(command, environ) if arguments.once else demo_until_interrupt(command, environ)


def free_port(wanted: int) -> int:
    """`wanted` when it is free on loopback, else any that is."""
    for port in (wanted, 0):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that just ended do not matter
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                print(f"dev.py: port {wanted} is taken, so the demo takes another", file=sys.stderr, flush=True)
                continue
            return sock.getsockname()[1]
    raise SetupError("no port is free on 127.0.0.1")


def demo_until_interrupt(command: list, environ: dict) -> int:
    """The daemon in the foreground; Ctrl-C reaches it as well as us, and it is the one that ends."""
    signal.signal(signal.SIGINT, lambda *_: None)  # a function, not SIG_IGN: that the daemon would inherit
    with subprocess.Popen(command, cwd=ROOT, env=environ) as daemon:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: daemon.terminate())
        return daemon.wait()


def demo_once(command: list, environ: dict) -> int:
    """Start, wait for both addresses, fetch each through the public entrance, print, end."""
    daemon = subprocess.Popen([*command, "--json"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGALRM, lambda *_: daemon.terminate())
    signal.alarm(int(READY_S))
    try:
        urls = ready_urls(daemon, count=2)
        fetched = [fetch(url) for url in urls]
    finally:
        signal.alarm(0)
        daemon.send_signal(signal.SIGINT)
        daemon.communicate()
    if len(urls) < 2 or not all(fetched) or daemon.returncode:
        return fail(f"the demo did not come up: {len(urls)} of 2 addresses, exit code {daemon.returncode}")
    return 0


def ready_urls(daemon: subprocess.Popen, count: int) -> list:
    """The public addresses, as the daemon tells that requests came through them; fewer when it ends first."""
    urls: list = []
    for line in daemon.stdout:
        event = json.loads(line)
        if event["event"] == "share_ready" and event["verified"]:
            urls += event["urls"]
            print(*event["urls"], flush=True)
        if len(urls) >= count:
            break
    return urls


def fetch(url: str) -> bool:
    """Get a page by its address, without DNS; print how it begins; whether it was there."""
    from http.client import HTTPConnection
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = HTTPConnection("127.0.0.1", parts.port, timeout=10)
    connection.request("GET", "/?format=json", headers={"Host": parts.netloc})
    answer = connection.getresponse()
    body = answer.read().decode(errors="replace")
    connection.close()
    print(f"\ncurl -H 'Host: {parts.hostname}' http://127.0.0.1:{parts.port}/\n{answer.status} {answer.reason}")
    print("\n".join(f"    {line[:100]}" for line in body.splitlines()[:12]))
    return answer.status == 200


# -- the rest ---


def test(arguments: argparse.Namespace) -> int:
    """pytest, in `--parts` processes that take file after file; by default one more than the cores: tests wait."""
    ensure("test")
    command = [PYTHON, "-m", "pytest", *arguments.further]
    count = arguments.parts or (1 if arguments.further else _usual_parts())
    caches = [_memory(f"{number}-{count}") if arguments.again else [] for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory(prefix="zrokd-tests-") as claims:
        # What part of all a process runs is not known before, and so no percentage.
        sharing = [f"--claim={claims}", "-o", "console_output_style=classic"] if count > 1 else []
        forget = ["--cache-clear"] if arguments.again else []
        outcomes = _run_parts([[*command, *sharing, *forget, *cache] for cache in caches])
    if arguments.again:
        outcomes = [_again([*command, *cache]) for cache, code in zip(caches, outcomes, strict=True) if code]
    return next(filter(None, outcomes), 0)


def _memory(name: str) -> list[str]:
    """Options to remember what fails, each part for itself."""
    return ["-o", f"cache_dir=.pytest_cache/{name}"]


def _run_parts(parts: list[list[str]]) -> list[int]:
    """Their exit codes. The first writes at once, what the others wrote follows."""
    with contextlib.ExitStack() as ends:
        outputs = [ends.enter_context(tempfile.TemporaryFile("w+")) for _ in parts[1:]]
        others = [ends.enter_context(_begun(part, output)) for part, output in zip(parts[1:], outputs, strict=True)]
        outcomes = [subprocess.call(parts[0], cwd=ROOT)]
        for process, output in zip(others, outputs, strict=True):
            outcomes.append(process.wait())
            output.seek(0)
            print(output.read(), flush=True)
    return outcomes


def _again(command: list[str]) -> int:
    """What failed, once more and alone: a busy machine breaks a test that waits, and hardly twice."""
    print("\ndev.py: once more, what failed above:", flush=True)
    return subprocess.call([*command, "--last-failed", "--last-failed-no-failures", "none"], cwd=ROOT)


def _usual_parts() -> int:
    cores = min(os.cpu_count() or 1, 7)
    return cores + 1 if cores > 1 else 1


def _begun(command: list[str], output: IO[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)


def bench(arguments: argparse.Namespace) -> int:
    """The benchmarks, or those named, as one table in .cache/bench.md. Their peers are Debian's packages."""
    ensure("test")
    quick = ["--quick"] if arguments.quick else []
    return subprocess.call([PYTHON, "-m", "tests.bench.table", *quick, *arguments.names], cwd=ROOT)


def lint(_arguments: argparse.Namespace) -> int:
    """ruff, rules and format."""
    ensure("lint", "test")
    ruff = [PYTHON, "-m", "ruff"]
    return subprocess.call([*ruff, "check", "."], cwd=ROOT) or subprocess.call(
        [*ruff, "format", "--check", "."], cwd=ROOT
    )


def types(_arguments: argparse.Namespace) -> int:
    """mypy, strict. It finds `plugins/` under its import name through a link."""
    ensure("lint", "test")
    folder = CACHE / "types"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "zrokd_plugins"
    if not link.is_symlink():
        link.symlink_to(ROOT / "plugins")
    command = [PYTHON, "-m", "mypy", "-p", "zrokd", "-p", "zrokd_plugins"]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, "MYPYPATH": str(folder)})


def docs(arguments: argparse.Namespace) -> int:
    """The generated pages."""
    ensure("test")
    return subprocess.call([PYTHON, "-m", "zrokd.cli.docs", *(["--check"] if arguments.check else [])], cwd=ROOT)


def clean(_arguments: argparse.Namespace) -> int:
    """Remove what can be made again."""
    for name in (".venv", ".cache", ".demo", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "build"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


COMMANDS = {"demo": demo, "test": test, "bench": bench, "lint": lint, "type": types, "docs": docs, "clean": clean}

if __name__ == "__main__":
    sys.exit(main())
