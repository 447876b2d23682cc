"""What was found once stays found, and a few seconds of fuzzing each find nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, seeds

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]
SECONDS = 4


EACH = [pytest.param(name, marks=pytest.mark.slow if name == "exchange" else ()) for name in TARGETS]


@pytest.mark.parametrize("name", EACH)
def test_the_kept_corpus_passes(name):
    inputs = [*seeds(name), *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]
    assert len(inputs) > 1
    for data in inputs:
        TARGETS[name](data)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python")
@pytest.mark.parametrize("name", TARGETS)
def test_a_few_seconds_find_nothing(name):
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", name, "--seconds", str(SECONDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stat::number_of_executed_units" in done.stderr
