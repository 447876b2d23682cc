"""Fuzz by coverage: `python -m tests.fuzz.run TARGET --seconds N`. Needs `pip install atheris`.

Begins with the seeds and tests/fuzz/corpus/TARGET, goes on with what earlier runs left in .cache/fuzz/TARGET, writes an
input that fails to .cache/fuzz/TARGET-failed. `--keep` adds to the corpus what reaches new code, then ends. Options of
libFuzzer (`-jobs=2`) are passed on.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORPUS, CACHE = Path(__file__).parent / "corpus", ROOT / ".cache" / "fuzz"
_LONGEST, _LONGEST_KEPT = 2048, 512
_PARSERS = ["zrokd.net.http1", "zrokd.net.proxy_protocol", "zrokd.model.naming"]


def main() -> None:
    """Run one target; the exit code is libFuzzer's: 0 when nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", action="store_true")
    asked, options = parser.parse_known_args()
    import atheris

    with atheris.instrument_imports(include=_PARSERS):
        from tests.fuzz.targets import TARGETS, seeds
    if asked.target not in TARGETS:
        parser.error(f"no target {asked.target!r}; there are {', '.join(TARGETS)}")
    found, failed, kept = CACHE / asked.target, CACHE / f"{asked.target}-failed", CORPUS / asked.target
    for folder in (found, failed, kept):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(asked.target)):
        (found / f"seed-{number}").write_bytes(seed)
    if not any(option.startswith("-merge") for option in options):
        options += ["-timeout=5", "-print_final_stats=1", f"-artifact_prefix={failed}/"]
        options += ["-merge=1", f"-max_len={_LONGEST_KEPT}", str(kept)] if asked.keep else [f"-max_len={_LONGEST}"]
        options += [f"-max_total_time={0 if asked.keep else asked.seconds}", str(found)]
        options += [] if asked.keep else [str(kept)]
    atheris.Setup([_program(asked.target), *options], TARGETS[asked.target])
    atheris.Fuzz()


def _program(target: str) -> str:
    """What libFuzzer runs where it needs further processes."""
    path = CACHE / f"{target}.sh"
    command = shlex.join([sys.executable, "-m", "tests.fuzz.run", target])
    path.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {command} "$@"\n')
    path.chmod(0o755)
    return str(path)


if __name__ == "__main__":
    main()
