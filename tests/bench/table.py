"""Runs the benchmarks, or those named, and writes one table of them: `python -m tests.bench.table [--quick] [NAME...]`.

The table lies in .cache/bench.md: what ran them, then each row as soon as a benchmark prints it, with the command that
makes it again. One that fails or does not end is a row, too; the next one follows.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.kit import loaded
from tests.ziti.network import VERSION

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TABLE = ROOT / ".cache" / "bench.md"
_COLUMNS = "| command | workload | of | figures | beside others | goals |\n|---|---|---|---|---|---|\n"
LIMIT_S = 900  # of one benchmark; the longest takes half of it
_ENDING_S = 60
QUICK = {  # arguments that make them short: whether they run, no more
    "bounded": ["events", "stalled"],
    "forward": ["1"],
    "http": ["1", "64", "1"],
    "relay": ["256"],
    "workers": ["1", "32", "1"],
    "ziti_control": ["100", "50"],
    "ziti_http": ["1", "32"],
    "ziti_stream": ["1", "32"],
}
_PEERS = {"nginx": ["-v"], "haproxy": ["-v"], "wrk": ["-v"], "go": ["version"]}


def machine() -> Iterator[str]:
    """What the figures are of."""
    cpus = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    yield f"{platform.platform()}, {os.cpu_count()} cores{f' of {cpus[0]}' if cpus else ''}; {loaded()} at the start"
    yield f"Python {platform.python_version()}, gevent {importlib.metadata.version('gevent')}"
    yield from (version(name, *arguments) for name, arguments in _PEERS.items())
    yield f"OpenZiti {VERSION}"


def version(name: str, *arguments: str) -> str:
    """What a program says it is."""
    if shutil.which(name) is None:
        return f"{name}: not here"
    said = subprocess.run([name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return said.stdout.partition("\n")[0].strip()


class Bench:
    """One benchmark, run once."""

    def __init__(self, name: str, file: Path, arguments: Sequence[str] = ()) -> None:
        self.name, self.fault = name, ""
        self._command = [sys.executable, str(file), *arguments]

    def rows(self) -> Iterator[str]:
        """Those that it prints, as it prints them, and one when it fails; what else it says goes by."""
        began, told = time.monotonic(), 0
        with subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            limit = threading.Timer(LIMIT_S, self._interrupt, [child])
            limit.start()
            for line in child.stdout:
                print(line, end="", flush=True)
                if line.startswith("|"):
                    told += 1
                    yield f"| `dev.py bench {self.name}` " + re.sub(" +", " ", line)
            limit.cancel()
        if child.returncode or not told:
            self.fault = self.fault or f"exit code {child.returncode} after {told} rows"
            yield f"| `dev.py bench {self.name}` | failed: {self.fault} | | | | |\n"
        print(f"== {self.name}: {self.fault or 'done'}, {time.monotonic() - began:.0f} s", flush=True)

    def _interrupt(self, child: subprocess.Popen[str]) -> None:
        """As Ctrl-C does, so that it ends what it started."""
        self.fault = f"not done within {LIMIT_S} s"
        child.send_signal(signal.SIGINT)
        try:
            child.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            child.kill()


def main(given: list[str]) -> int:
    """All of it; whether a benchmark failed."""
    files = {file.stem.removeprefix("bench_"): file for file in sorted(HERE.glob("bench_*.py"))}
    names, quick = [each for each in given if each != "--quick"], "--quick" in given
    if unknown := set(names) - set(files):
        sys.exit(f"dev.py: no benchmark is called {' or '.join(sorted(unknown))}; there are {', '.join(files)}")
    heading = "".join(f"- {line}\n" for line in machine())
    print(heading, flush=True)
    failed = []
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w") as table:
        table.write(f"{heading}\n{_COLUMNS}")
        for number, name in enumerate(names or files, 1):
            print(f"\n== {name}, {number} of {len(names or files)}", flush=True)
            bench = Bench(name, files[name], QUICK.get(name, ()) if quick else ())
            for line in bench.rows():
                table.write(line)
                table.flush()
            failed += [name] if bench.fault else []
        table.write(f"\n{loaded()} at the end\n")
    print(f"\nthe table is in {TABLE}{'; failed: ' if failed else ''}{', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
