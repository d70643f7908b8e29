"""CPU time per request, peers in turn, round after round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers import proc, wrk
from bench.peers.arithmetic import turn
from bench.peers.launch import Launcher
from bench.peers.rows import Row
from bench.peers.servers import Running
from bench.peers.traffic import ACTIVE_USERS, Algorithm
from bench.peers.wrk import Wrk

FIRST_WARM_UP_S: Final = 4
WARM_UP_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: CPU of all the proxy's processes per reply, replies per second, share of its core in use.

    wrong  replies other than 2xx and broken connections
    """

    cpu_us: float
    replies_per_s: float
    busy: float
    wrong: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One row and what each round gave."""

    row: Row
    samples: tuple[Sample, ...]

    def cpu_us(self) -> list[float]:
        """CPU per request, round by round."""
        return [sample.cpu_us for sample in self.samples]


def measure(
    launcher: Launcher,
    rows: Sequence[Row],
    running: Mapping[str, Running],
    requests: Mapping[Algorithm, Path],
    rounds: int,
    duration_s: int,
    tell: Callable[[str], None],
) -> list[Measured]:
    """Every row once per round, each round beginning with another row; each run after a warm-up of its own.

    A warm-up passes over all 20,000 users, so that what is kept by token or user is there, and not due for
    re-reading in the measured run because another row's turn came in between.
    """
    script = launcher.folder / "varied.lua"
    wrk.write_script(script)
    load = Wrk(script, launcher.load_core)
    by_key = {row.key: row for row in rows}
    samples: dict[str, list[Sample]] = {row.key: [] for row in rows}
    pass_s: dict[str, int] = {}
    for row in rows:
        tell(f"warming up {row.key}")
        pass_s[row.key] = _warm_up(load, requests[row.algorithm], running[row.server].port, FIRST_WARM_UP_S)
    for index in range(rounds):
        for key in turn(list(by_key), index):
            tell(f"round {index + 1} of {rounds}: {key}")
            row = by_key[key]
            target = running[row.server]
            _warm_up(load, requests[row.algorithm], target.port, pass_s[key])
            samples[key].append(_run(load, requests[row.algorithm], target, duration_s))
    return [Measured(row, tuple(samples[row.key])) for row in rows]


def _warm_up(load: Wrk, requests: Path, port: int, duration_s: int) -> int:
    """Until one try (each begins with the first request) passed over all users without a wrong reply.

    Returns the whole seconds that a pass takes.
    """
    for attempt in range(WARM_UP_TRIES):
        got = load.run(requests, port, duration_s << attempt)
        if got.replies >= ACTIVE_USERS and not got.wrong:
            return math.ceil(got.duration_s * ACTIVE_USERS / got.replies)
    load.run_well(requests, port, duration_s)
    return duration_s


def _run(load: Wrk, requests: Path, target: Running, duration_s: int) -> Sample:
    pids = proc.tree(target.root_pid)
    cpu_before_s, start_s = proc.cpu_s(pids), time.monotonic()
    got = load.run_well(requests, target.port, duration_s)
    cpu_s, elapsed_s = proc.cpu_s(pids) - cpu_before_s, time.monotonic() - start_s
    return Sample(cpu_s / got.replies * 1e6, got.replies / got.duration_s, cpu_s / elapsed_s, got.wrong)
