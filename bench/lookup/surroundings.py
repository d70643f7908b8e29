"""What a run's figures were measured on: machine, Python (compiled lookup or not), servers."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.peers.machine import commit, processor
from bench.peers.pythons import inspect
from bench.servers import cassandra_jars
from bench.servers.redis import find_redis_server


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`load_average` is that of the minute before the run began."""

    date: str
    commit: str
    processor: str
    cores: int
    kernel: str
    load_average: float
    python: str
    is_optimised: bool
    redis: str
    cassandra: str

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, Linux {self.kernel}; {self.python}; "
            f"Redis {self.redis}, Cassandra {self.cassandra}; {self.date[:10]}, {self.commit}; "
            f"load average {self.load_average:.1f} before"
        )


def look_around() -> Surroundings:
    """Now. Raises ServerError without a Redis."""
    build = inspect(Path(sys.executable), None)
    return Surroundings(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        processor=processor(Path("/proc/cpuinfo").read_text()),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        load_average=os.getloadavg()[0],
        python=build.label,
        is_optimised=build.optimised,
        redis=_redis_version(),
        cassandra=cassandra_jars.VERSION,
    )


def _redis_version() -> str:
    said = subprocess.run([find_redis_server(), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"v=([\d.]+)", said.stdout)
    return found[1] if found else "unknown"
