"""Keep a run's figures: one JSON file, and beside it the chart. Holds no path and no host name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.peers.bodies import Bodies, Memory
from bench.peers.machine import Surroundings
from bench.peers.ratio import Ratio
from bench.peers.table import Measured
from bench.peers.tail import Tail


@dataclass(slots=True)
class Results:
    """Everything one run found; a section that did not run is empty."""

    surroundings: Surroundings
    quick: bool
    table: Sequence[Measured] = ()
    ratios: Sequence[Ratio] = ()
    tails: Sequence[Tail] = ()
    bodies: Sequence[Bodies] = ()
    memory: Sequence[Memory] = ()
    missing: dict[str, str] = field(default_factory=dict)


def write(results: Results, folder: Path) -> Path:
    """Write `peers-DATE.json` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = results.surroundings.date[:19].replace("-", "").replace(":", "")
    path = folder / f"peers-{stamp}.json"
    path.write_text(json.dumps(as_json(results), indent=1, ensure_ascii=False) + "\n")
    return path


def as_json(results: Results) -> dict[str, object]:
    """The file's content: every sample of every round, so that other sums can be made of it later."""
    return {
        "surroundings": asdict(results.surroundings),
        "quick": results.quick,
        "table": [
            {
                "key": measured.row.key,
                "label": measured.row.label,
                "note": measured.row.note,
                "rounds": [asdict(sample) for sample in measured.samples],
            }
            for measured in results.table
        ],
        "ratios": [asdict(ratio) for ratio in results.ratios],
        "tails": [asdict(tail) for tail in results.tails],
        "bodies": [asdict(bodies) for bodies in results.bodies],
        "memory": [asdict(memory) for memory in results.memory],
        "missing": sorted(results.missing),
    }
