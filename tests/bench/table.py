"""Runs the benchmarks, or those named, and writes one table of them: `python -m tests.bench.table [NAME...]`.

The table lies in .cache/bench.md: what ran them, then each row that a benchmark printed, with the command that makes it
again. What was measured stays there when a later benchmark fails or is interrupted.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.kit import loaded
from tests.ziti.network import VERSION

ROOT = Path(__file__).parents[2]
TABLE = ROOT / ".cache" / "bench.md"
_COLUMNS = "| command | workload | of | figures | beside others | goals |\n|---|---|---|---|---|---|\n"
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


def rows(name: str, file: Path) -> Iterator[str]:
    """Those that a benchmark prints, as it prints them; what else it says goes by."""
    with subprocess.Popen([sys.executable, str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            if line.startswith("|"):
                yield f"| `dev.py bench {name}` " + re.sub(" +", " ", line)
    if child.returncode:
        yield f"| `dev.py bench {name}` | failed | | | | |\n"


def main(names: list[str]) -> int:
    """All of it; whether a benchmark failed or is none."""
    files = {file.stem.removeprefix("bench_"): file for file in sorted(Path(__file__).parent.glob("bench_*.py"))}
    if unknown := set(names) - set(files):
        sys.exit(f"dev.py: no benchmark is called {' or '.join(sorted(unknown))}; there are {', '.join(files)}")
    heading = "".join(f"- {line}\n" for line in machine())
    print(heading, flush=True)
    failed = False
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w") as table:
        table.write(f"{heading}\n{_COLUMNS}")
        for name in names or files:
            print(f"\n== {name}", flush=True)
            for line in rows(name, files[name]):
                failed |= "| failed |" in line
                table.write(line)
                table.flush()
        table.write(f"\n{loaded()} at the end\n")
    print(f"\nthe table is in {TABLE.relative_to(ROOT)}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
