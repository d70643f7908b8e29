"""Every part of the benches says what it is, and does nothing else, when it is asked for help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import PARTS

FOLDER = Path(__file__).parents[2] / "bench"


def said_by(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, timeout=60.0, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_help(part: str) -> None:
    assert said_by(part, "--help").lower().startswith("usage: ")


@pytest.mark.parametrize("words", [("bench",), ("bench", "--help")])
def test_the_parts_are_listed(words: tuple[str, ...]) -> None:
    assert all(part in said_by(*words) for part in PARTS)


def test_no_part_that_can_be_run_is_missing() -> None:
    runnable = {path.parent for path in FOLDER.glob("*/__main__.py")} | {FOLDER / "load", FOLDER / "moves"}
    assert {f"bench.{path.name}" for path in runnable} == set(PARTS)
