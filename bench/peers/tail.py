"""Latency at a fixed rate: the open-loop generator against each row in turn, and against the origin alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers.arithmetic import turn
from bench.peers.launch import Launcher
from bench.peers.openloop import Latencies
from bench.peers.rows import Row
from bench.peers.servers import Running
from bench.peers.traffic import Algorithm

RATE_PER_S: Final = 6_000
FIRST_WARM_UP_S: Final = 4
"""Longer than all 20,000 users take at RATE_PER_S: a first look-up costs a hundred times a remembered one."""
WARM_UP_S: Final = 2
ORIGIN: Final = "origin"
ROOT: Final = Path(__file__).resolve().parents[2]


class BrokenTailError(Exception):
    """A proxy answered wrongly, or not at all, at the fixed rate."""


@dataclass(frozen=True, slots=True)
class Tail:
    """One row (or the origin without a proxy) and what each round gave."""

    key: str
    label: str
    rounds: tuple[Latencies, ...]


def measure(
    launcher: Launcher,
    rows: Sequence[Row],
    running: Mapping[str, Running],
    origin_port: int,
    requests: Mapping[Algorithm, Path],
    rounds: int,
    duration_s: int,
    tell: Callable[[str], None],
) -> list[Tail]:
    """Every row once per round; every run has arrival times of its own, the same for all rows of a round."""
    targets = {ORIGIN: (origin_port, Algorithm.HS256, "no proxy: the origin itself")}
    targets |= {row.key: (running[row.server].port, row.algorithm, row.label) for row in rows}
    found: dict[str, list[Latencies]] = {key: [] for key in targets}
    for index in range(rounds):
        for key in turn(list(targets), index):
            tell(f"{RATE_PER_S} requests/s, round {index + 1} of {rounds}: {key}")
            port, algorithm, _ = targets[key]
            ready, warm_up_s = requests[algorithm], WARM_UP_S if index else FIRST_WARM_UP_S
            found[key].append(_run(port, ready, launcher.load_core, warm_up_s, duration_s, seed=index))
    return [Tail(key, label, tuple(found[key])) for key, (_, _, label) in targets.items()]


def _run(port: int, requests: Path, core: int, warm_up_s: int, duration_s: int, seed: int) -> Latencies:
    command: list[str | Path] = ["taskset", "-c", str(core), sys.executable, "-m", "bench.peers.openloop"]
    command += [str(port), requests, "--rate", str(RATE_PER_S), "--warm-up", str(warm_up_s)]
    command += ["--duration", str(duration_s), "--seed", str(seed)]
    patience_s = 4 * (duration_s + warm_up_s) + 60
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=patience_s, check=False)
    if ran.returncode:
        raise BrokenTailError(f"port {port}: {ran.stderr[-600:]}")
    return Latencies(**json.loads(ran.stdout))
