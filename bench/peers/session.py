"""One run of the bench: start what can be started, check it, measure the sections that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.peers import bodies, machine, ratio, table, tail, wrk
from bench.peers.check import check
from bench.peers.launch import Launcher, free_port
from bench.peers.pythons import PythonBuild
from bench.peers.results import Results
from bench.peers.rows import Row
from bench.peers.servers import MissingError, Running, nginx
from bench.peers.traffic import CELL_NAMES, Algorithm, World, make_world, write_requests

Tell = Callable[[str], None]

TAIL_PEERS: Final = ("haproxy-hs256",)
QUICK_DURATION_S: Final = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    rounds: int
    duration_s: int
    quick: bool
    sections: frozenset[str]


@dataclass(slots=True)
class Stage:
    """What runs while the bench measures: origin, proxies, request files."""

    launcher: Launcher
    world: World
    requests: dict[Algorithm, Path] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)


def run(
    plan: Plan,
    cores: tuple[int, int],
    rows: Sequence[Row],
    builds: Sequence[PythonBuild],
    missing: dict[str, str],
    tell: Tell,
) -> Results:
    """Measure; rows whose program is not installed are left out and named in the results' `missing`.

    Raises MissingError when nginx or wrk is: without origin or load there is nothing to measure.
    """
    wrk.find()
    nginx.find()
    found = Results(machine.describe(builds), plan.quick, missing=missing)
    with Launcher(*cores) as launcher:
        if plan.sections & {"table", "tail"}:
            _requests(plan, rows, launcher, found, tell)
        if plan.sections & {"bodies", "memory"}:
            _bodies(plan, builds, launcher, found, tell)
    return found


def _requests(plan: Plan, rows: Sequence[Row], launcher: Launcher, found: Results, tell: Tell) -> None:
    stage = Stage(launcher, make_world(tuple(free_port() for _ in CELL_NAMES)))
    if "table" not in plan.sections:
        rows = _for_tail(rows)
    rows = start_rows(stage, rows, found.missing, tell)
    if "table" in plan.sections:
        found.table = table.measure(
            launcher, rows, stage.running, stage.requests, plan.rounds, plan.duration_s, tell
        )
        found.ratios = ratio.compare(found.table)
    if "tail" in plan.sections:
        origin_port = stage.world.cells[0].port
        found.tails = tail.measure(
            launcher,
            _for_tail(rows),
            stage.running,
            origin_port,
            stage.requests,
            plan.rounds,
            2 * plan.duration_s,
            tell,
        )


def _for_tail(rows: Sequence[Row]) -> list[Row]:
    """HS256 only: at a fixed rate what differs is the proxy, not the signature."""
    return [
        row
        for row in rows
        if row.algorithm is Algorithm.HS256 and (row.build is not None or row.key in TAIL_PEERS)
    ]


def start_rows(stage: Stage, rows: Sequence[Row], missing: dict[str, str], tell: Tell) -> list[Row]:
    """Start the origin and every row's server, check each row; returns the rows that run."""
    nginx.start_origin(stage.launcher, stage.world.cells)
    started = []
    for row in rows:
        if row.algorithm not in stage.requests:
            tell(f"making 20,000 requests with {row.algorithm} tokens")
            stage.requests[row.algorithm] = stage.launcher.folder / f"{row.algorithm}.requests"
            write_requests(stage.world, row.algorithm, stage.requests[row.algorithm])
        try:
            if row.server not in stage.running:
                tell(f"starting {row.server}")
                stage.running[row.server] = row.start(stage.launcher, stage.world)
        except MissingError as error:
            missing[row.key] = str(error)
            continue
        tell(f"checking {row.key}")
        check(row, stage.running[row.server], stage.world)
        started.append(row)
    return started


def _bodies(
    plan: Plan, builds: Sequence[PythonBuild], launcher: Launcher, found: Results, tell: Tell
) -> None:
    tell("starting proxies for big bodies")
    servers = bodies.start(launcher, builds)
    if "memory" in plan.sections:  # first: what a fresh worker grows by is seen best
        found.memory = bodies.transfer(launcher, servers, tell)
    if "bodies" in plan.sections:
        found.bodies = bodies.measure(launcher, servers, plan.rounds, plan.duration_s, tell)
