"""CPU time per request, peers in turn, round after round."""

from __future__ import annotations

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
WARM_UP_S: Final = 2
WARM_UP_TRIES: Final = 3
SLICE_S: Final = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: CPU of all the proxy's processes per reply, replies per second, share of its core in use.

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


@dataclass(slots=True)
class _Sum:
    """What a row's slices of one round add up to."""

    cpu_s: float = 0.0
    elapsed_s: float = 0.0
    load_s: float = 0.0
    replies: int = 0
    wrong: int = 0

    def sample(self) -> Sample:
        return Sample(
            self.cpu_s / self.replies * 1e6,
            self.replies / self.load_s,
            self.cpu_s / self.elapsed_s,
            self.wrong,
        )


def measure(
    launcher: Launcher,
    rows: Sequence[Row],
    running: Mapping[str, Running],
    requests: Mapping[Algorithm, Path],
    rounds: int,
    duration_s: int,
    tell: Callable[[str], None],
) -> list[Measured]:
    """Every row for `duration_s` in each round, in slices of a second that take turns with the other rows'.

    A core's speed wanders by a third from one half minute to the next where others share its machine; slices
    bring rows that are compared within seconds of each other.

    Before the slices, a warm-up passes over all 20,000 users, so that what is kept by token or user is there,
    and not due for re-reading just because other rows' turns came in between.
    """
    script = launcher.folder / "varied.lua"
    wrk.write_script(script)
    load = Wrk(script, launcher.load_core)
    by_key = {row.key: row for row in rows}
    samples: dict[str, list[Sample]] = {row.key: [] for row in rows}
    for row in rows:
        tell(f"warming up {row.key}")
        _warm_up(load, requests[row.algorithm], running[row.server].port, FIRST_WARM_UP_S)
    for index in range(rounds):
        tell(f"round {index + 1} of {rounds}: warming up")
        for row in rows:
            _warm_up(load, requests[row.algorithm], running[row.server].port, WARM_UP_S)
        sums = {row.key: _Sum() for row in rows}
        for slice_index in range(duration_s // SLICE_S):
            for key in turn(list(by_key), index + slice_index):
                tell(f"round {index + 1} of {rounds}: {key}")
                row = by_key[key]
                _run(load, requests[row.algorithm], running[row.server], sums[key])
        for key, total in sums.items():
            samples[key].append(total.sample())
    return [Measured(row, tuple(samples[row.key])) for row in rows]


def _warm_up(load: Wrk, requests: Path, port: int, duration_s: int) -> None:
    """Until one try (each begins with the first request) passed over all users without a wrong reply."""
    for attempt in range(WARM_UP_TRIES):
        got = load.run(requests, port, duration_s << attempt)
        if got.replies >= ACTIVE_USERS and not got.wrong:
            return
    load.run_well(requests, port, duration_s)


def _run(load: Wrk, requests: Path, target: Running, total: _Sum) -> None:
    pids = proc.tree(target.root_pid)
    cpu_before_s, start_s = proc.cpu_s(pids), time.monotonic()
    got = load.run_well(requests, target.port, SLICE_S)
    total.cpu_s += proc.cpu_s(pids) - cpu_before_s
    total.elapsed_s += time.monotonic() - start_s
    total.load_s += got.duration_s
    total.replies += got.replies
    total.wrong += got.wrong
