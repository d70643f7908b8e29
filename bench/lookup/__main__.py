"""`python -m bench.lookup`: what the lookup costs per hit, miss and remembered home, and as a service."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, time
from typing import Final

from rich.console import Console
from rich.table import Table

import lookup.resolver
from bench.lookup import hits, kills, misses, service, size
from bench.lookup.figures import Figure
from bench.peers.machine import processor
from bench.peers.pythons import is_optimised
from lookup.writer import spread

HOMES: Final = tuple((f"eu-west-1-cell-{number:02}", "eu") for number in range(1, 5))
RESULTS: Final = Path(__file__).resolve().parents[1] / "results"


def main() -> None:
    """Measure, print, keep."""
    asked = _arguments()
    if asked.what == "kills":
        load = f"load average {os.getloadavg()[0]:.1f} at the start"
        kills.main(asked.out, {**_surroundings(), "load": load})
        return
    figures = size.measure(asked.entries, min(asked.entries, 200_000))
    figures += asyncio.run(_with_store(asked.users))
    surroundings = _surroundings()
    _show(figures, surroundings)
    print("kept in", _keep(figures, surroundings, asked.out).name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.lookup", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("costs", "kills"),
        default="costs",
        help="kills: what clients see while Redis or Cassandra is killed or frozen (minutes, 4 GB, Java)",
    )
    parser.add_argument("--entries", type=int, default=1_000_000, help="homes to remember for their size")
    parser.add_argument("--users", type=int, default=100_000, help="users in the store")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the figures as JSON")
    return parser.parse_args()


async def _with_store(users: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "home.sqlite"
        store = await misses.CountingStore.open(path, create=True)
        try:
            begun_s = perf_counter()
            await store.load(spread((f"user:{number}" for number in range(users)), HOMES, time()))
            seeding = Figure(f"seeding {users:,} users", perf_counter() - begun_s, "s", 3)
            found = [*hits.measure(store, users), *await misses.measure(store, users), seeding]
            return [*found, *await service.measure(path, users)]
        finally:
            await store.close()


def _surroundings() -> dict[str, str]:
    dpkg_built = any(
        Path("/var/lib/dpkg/info").glob(f"libpython{sys.version_info[0]}.{sys.version_info[1]}-*.list")
    )
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    optimised = is_optimised(arguments, sys.base_prefix, dpkg_built)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(Path("/proc/cpuinfo").read_text()),
        "kernel": platform.release(),
        "python": f"{platform.python_version()}, {'optimised' if optimised else 'unoptimised'} build",
        "lookup": "interpreted" if lookup.resolver.__file__.endswith(".py") else "compiled",
    }


def _show(figures: Sequence[Figure], surroundings: dict[str, str]) -> None:
    table = Table(title=", ".join(surroundings.values()))
    for heading in ("what", "measured", "unit", "target", ""):
        table.add_column(heading, justify="right" if heading in ("measured", "target") else "left")
    for figure in figures:
        target = "" if figure.target is None else f"{figure.target:,g}"
        verdict = {None: "", True: "met", False: "MISSED"}[figure.met]
        precision = ".1f" if figure.value < 100 else ".0f"
        table.add_row(
            figure.name, f"{figure.value:,{precision}}", figure.unit, target, f"{verdict} {figure.note}"
        )
    Console(width=120).print(table)


def _keep(figures: Sequence[Figure], surroundings: dict[str, str], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = surroundings["date"][:19].replace("-", "").replace(":", "")
    path = folder / f"lookup-{stamp}.json"
    content = {"surroundings": surroundings, "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


if __name__ == "__main__":
    main()
