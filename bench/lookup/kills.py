"""`python -m bench.lookup kills`: Redis and Cassandra are killed and frozen under load; what clients saw."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console
from rich.table import Table

from bench.lookup.edge_under_load import STALE, USERS, Load, Sample, loaded
from bench.lookup.figures import percentile
from bench.servers.cassandra import DATACENTRE, CassandraRing
from bench.servers.process import ServerProcess
from bench.servers.redis import start_redis
from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_schema import init
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.writer import spread

_HOMES: Final = tuple((f"eu-west-1-cell-{number:02}", "eu") for number in range(1, 5))
_PHASES: Final = ("before", "away", "starting", "after")
"""A frozen server goes on at once, without the third. Cassandra takes a core or two while it starts."""

_WARM_UP_S: Final = 40.0
_PHASE_S: Final = 10.0
_RECOVERY_S: Final = 60.0
_SEED_TIMEOUT_S: Final = 30.0
_CALM_S: Final = 2.0
"""Without an error for so long, and with a lease: recovered."""


@dataclass(frozen=True, slots=True)
class Row:
    """What clients saw in one phase. Errors by kind: a read or a write that got 503; stale reads were served.

    recovered_s   after the server was back, until the last error; None in other phases
    """

    what: str
    phase: str
    requests: int
    reads_503: int
    writes_503: int
    stale: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    answered_by: dict[str, int]
    recovered_s: float | None = None


class Outage:
    """Takes one server away and brings it back: `begin` and `end` block."""

    def __init__(self, what: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self.what = what
        self.begin = begin
        self.end = end


def killed(what: str, server: ServerProcess) -> Outage:
    """SIGKILL; later it is started again."""

    def start() -> None:
        server.start()
        server.wait_ready()

    return Outage(f"{what} killed", server.kill, start)


def frozen(what: str, server: ServerProcess) -> Outage:
    """SIGSTOP, later SIGCONT."""
    return Outage(
        f"{what} frozen", partial(server.signal, signal.SIGSTOP), partial(server.signal, signal.SIGCONT)
    )


def main(out: Path, surroundings: dict[str, str]) -> None:
    """Measure, print, keep."""
    logging.getLogger("lookup").setLevel(logging.CRITICAL)  # failures are the point here
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in (3, 1):
            rows += _on_ring(Path(folder) / f"ring-{size}", size)
    _show(rows, surroundings)
    out.mkdir(parents=True, exist_ok=True)
    stamp = surroundings["date"][:19].replace("-", "").replace(":", "")
    path = out / f"kills-{stamp}.json"
    kept = {"surroundings": surroundings, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(kept, indent=1) + "\n")
    print("kept in", path.name)


def _on_ring(folder: Path, size: int) -> list[Row]:
    redis = start_redis(folder / "redis")
    ring = CassandraRing(folder / "cassandra", datacentres=(DATACENTRE,) * size, spares_cores=True)
    try:
        ring.start()
        cassandra = CassandraSettings(tuple(ring.addresses()), ring.port, datacentre=DATACENTRE)
        node, name = ring.nodes[-1], "one of three nodes" if size == 3 else "the only node"
        outages = [killed(name, node), frozen(name, node)]
        if size == 3:
            outages += [killed("Redis", redis), frozen("Redis", redis)]
        servers = RedisSettings(((redis.host, redis.port),))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_seed(cassandra, size))
            runner.run(_warm_up(cassandra, servers))
            return [row for outage in outages for row in runner.run(_through(outage, cassandra, servers))]
    finally:
        ring.stop()
        redis.stop()


async def _seed(settings: CassandraSettings, copies: int) -> None:
    await init(settings, {DATACENTRE: copies})
    patient = replace(settings, request_timeout_s=_SEED_TIMEOUT_S)  # nodes that were just started are slow
    store = await CassandraStore.open(patient, None)
    await store.load(spread((f"user:{number}" for number in range(USERS)), _HOMES, time.time()))
    await store.close()


async def _warm_up(cassandra: CassandraSettings, redis: RedisSettings) -> None:
    """Java compiles itself for what it is asked, which takes a core."""
    async with loaded(cassandra, redis):
        await asyncio.sleep(_WARM_UP_S)


async def _through(outage: Outage, cassandra: CassandraSettings, redis: RedisSettings) -> list[Row]:
    """One phase after the other; the edge is never restarted."""
    async with loaded(cassandra, redis) as (edge, load):
        await asyncio.sleep(_PHASE_S / 2)  # caches warm
        marks = [time.monotonic()]
        await asyncio.sleep(_PHASE_S)
        marks.append(time.monotonic())
        await asyncio.to_thread(outage.begin)
        await asyncio.sleep(_PHASE_S)
        marks.append(time.monotonic())
        await asyncio.to_thread(outage.end)
        marks.append(time.monotonic())
        while not (edge.is_whole and _is_calm(load, marks[-1])):
            if time.monotonic() > marks[-1] + _RECOVERY_S:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(max(0.0, marks[-1] + _PHASE_S - time.monotonic()))
        marks.append(time.monotonic())
        await load.drain()
        samples = load.samples
    parts = [
        (phase, [sample for sample in samples if first <= sample.begun_s < last])
        for phase, (first, last) in zip(_PHASES, pairwise(marks), strict=True)
    ]
    rows = [row_of(outage.what, phase, part) for phase, part in parts if part]
    failed = [s.begun_s + s.took_ms / 1e3 for s in samples if _is_error(s) and s.begun_s >= marks[3]]
    return [*rows[:-1], replace(rows[-1], recovered_s=max(failed, default=marks[3]) - marks[3])]


def _is_error(sample: Sample) -> bool:
    return sample.answer in ("503", STALE)


def _is_calm(load: Load, since_s: float) -> bool:
    now_s = time.monotonic()
    recent = [sample for sample in load.samples[-2000:] if sample.begun_s > now_s - _CALM_S]
    return now_s > since_s + _CALM_S and not any(map(_is_error, recent))


def row_of(what: str, phase: str, samples: Sequence[Sample]) -> Row:
    """The sums of one phase's samples, of which there must be some."""
    took_ms = [sample.took_ms for sample in samples]
    answers = Counter(sample.answer for sample in samples)
    return Row(
        what,
        phase,
        len(samples),
        sum(sample.answer == "503" and not sample.is_write for sample in samples),
        sum(sample.answer == "503" and sample.is_write for sample in samples),
        answers[STALE],
        percentile(took_ms, 0.5),
        percentile(took_ms, 0.99),
        max(took_ms),
        dict(answers.most_common()),
    )


def _show(rows: Sequence[Row], surroundings: dict[str, str]) -> None:
    table = Table(title=", ".join(surroundings.values()))
    headings = (
        "what",
        "phase",
        "requests",
        "reads 503",
        "writes 503",
        "stale",
        "p50 ms",
        "p99 ms",
        "longest ms",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("what", "phase") else "right")
    table.add_column("answered by")
    for row in rows:
        by = ", ".join(f"{answer} {count / row.requests:.0%}" for answer, count in row.answered_by.items())
        phase = row.phase if row.recovered_s is None else f"after, errors for {row.recovered_s:.1f} s"
        counts = (row.requests, row.reads_503, row.writes_503, row.stale)
        times = (row.p50_ms, row.p99_ms, row.longest_ms)
        table.add_row(row.what, phase, *map(str, counts), *(f"{ms:.1f}" for ms in times), by)
    Console(width=160).print(table)
