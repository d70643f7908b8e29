"""What the figures were measured on: processor, kernel, versions, the commit. No names, no paths."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.peers import wrk
from bench.peers.pythons import PythonBuild
from bench.peers.servers import MissingError, envoy, haproxy, nginx

ROOT: Final = Path(__file__).resolve().parents[2]
VERSION: Final = re.compile(r"\d+\.\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One run's circumstances; `load_average` is that of the minute before it began."""

    date: str
    commit: str
    processor: str
    cores: int
    kernel: str
    load_average: float
    programs: dict[str, str]
    pythons: dict[str, str]


def describe(builds: Sequence[PythonBuild]) -> Surroundings:
    """Look around, now."""
    asked = {"nginx": (nginx.find, "-v"), "haproxy": (haproxy.find, "-v"), "envoy": (envoy.find, "--version")}
    programs = {name: _version(*how) for name, how in asked.items()}
    return Surroundings(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        processor=processor(Path("/proc/cpuinfo").read_text()),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        load_average=os.getloadavg()[0],
        programs={**programs, "wrk": wrk.version()},
        pythons={build.name: build.label for build in builds},
    )


def processor(cpuinfo: str) -> str:
    """The processor's own name, or the architecture where /proc/cpuinfo names none (ARM)."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _version(find: object, option: str) -> str:
    assert callable(find)
    try:
        program = str(find())
    except MissingError:
        return "missing"
    ran = subprocess.run([program, option], capture_output=True, text=True, check=False)
    found = VERSION.search((ran.stdout + ran.stderr).replace(program, ""))
    return found[0] if found else "unknown"


def commit() -> str:
    """The commit that is checked out, marked when files differ from it."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    ran = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT, check=False)
    return ran.stdout.strip() or "unknown"
