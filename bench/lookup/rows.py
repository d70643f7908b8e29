"""The rows: what each measures, by which command it is had, and how its figures are shown and kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.lookup import hits, misses, service, size
from bench.lookup.edge import edge
from bench.lookup.feed import feed
from bench.lookup.figures import Figure
from bench.lookup.on_servers import cold_start, stampede, store_misses
from bench.lookup.redis_hits import redis_hits
from bench.lookup.stage import Stage, homes, run
from bench.lookup.surroundings import Surroundings
from bench.lookup.zipf import zipf
from bench.peers import chart

EMBEDDED_USERS: Final = 100_000
_EVICTIONS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Row:
    """`python -m bench.lookup NAME` measures it."""

    name: str
    title: str
    measure: Callable[[Stage], list[Figure]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A row and what it gave."""

    row: Row
    figures: Sequence[Figure]


def _size(stage: Stage) -> list[Figure]:
    return size.measure(stage.asked.entries, min(stage.asked.entries, _EVICTIONS))


def _hits(stage: Stage) -> list[Figure]:
    return run(_embedded(stage, hits_too=True))


def _sqlite(stage: Stage) -> list[Figure]:
    return run(_embedded(stage, hits_too=False))


async def _embedded(stage: Stage, *, hits_too: bool) -> list[Figure]:
    store = await _seeded(stage, "hits" if hits_too else "misses")
    try:
        if hits_too:
            return hits.measure(store, EMBEDDED_USERS)
        return await misses.measure(store, EMBEDDED_USERS)
    finally:
        await store.close()


def _service(stage: Stage) -> list[Figure]:
    async def measure() -> list[Figure]:
        await (await _seeded(stage, "service")).close()
        return await service.measure(stage.folder / "service.sqlite", EMBEDDED_USERS)

    return asyncio.run(measure())


async def _seeded(stage: Stage, name: str) -> misses.CountingStore:
    store = await misses.CountingStore.open(stage.folder / f"{name}.sqlite", create=True)
    await store.load(homes(f"user:{number}" for number in range(EMBEDDED_USERS)))
    return store


ROWS: Final = (
    Row("size", "what a remembered home takes", _size),
    Row("hits", "memory and claims answer", _hits),
    Row("redis", "Redis answers every lookup, one process", redis_hits),
    Row("zipf", "Zipf over many users: memory, Redis, Cassandra", zipf),
    Row("misses", "Cassandra answers every lookup, 1,000 a second", store_misses),
    Row("sqlite", "the embedded store answers every lookup", _sqlite),
    Row("cold", "cold start: 50,000 users at 5,000 a second", cold_start),
    Row("stampede", "10,000 at once ask for one cold key", stampede),
    Row("feed", "a move reaches all workers", feed),
    Row("service", "the lookup service answers batches of 1,000 from memory, one process", _service),
    Row("edge", "the proxy's CPU per request, memory answers", edge),
)


def show(console: Console, measured: Measured) -> None:
    """One table."""
    table = Table(title=f"{measured.row.name}: {measured.row.title}", title_justify="left")
    for heading in ("what", "measured", "unit", "target", "", "note"):
        table.add_column(heading, justify="right" if heading in ("measured", "target") else "left")
    for figure in measured.figures:
        verdict = {None: "", True: "met", False: "[red]MISSED[/]"}[figure.met]
        table.add_row(figure.name, figure.text, figure.unit, figure.target_text, verdict, figure.note)
    console.print(table)


def keep(measured: Sequence[Measured], surroundings: Surroundings, folder: Path) -> Path:
    """Write `lookup-DATE.json`; every figure, and what it was measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = surroundings.date[:19].replace("-", "").replace(":", "")
    path = folder / f"lookup-{stamp}.json"
    rows = {
        each.row.name: {
            "title": each.row.title,
            "command": f"python -m bench.lookup {each.row.name}",
            "figures": [asdict(figure) for figure in each.figures],
        }
        for each in measured
    }
    content = {"surroundings": asdict(surroundings), "rows": rows}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def draw(measured: Sequence[Measured], surroundings: Surroundings, path: Path) -> None:
    """A bar for each figure with a target: how much of what is allowed was used. Raises MissingError."""
    bars = [
        chart.Bar(f"{each.row.name}: {figure.name}", used, f"{figure.text} {figure.unit}", met)
        for each in measured
        for figure in each.figures
        if (used := figure.used) is not None and (met := figure.met) is not None
    ]
    if bars:
        axis = "part of what is allowed that was used, logarithmic; right of 1: missed"
        chart.draw_bars(bars, axis, str(surroundings), path, limit=1.0)
