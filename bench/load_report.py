"""What a load test saw, by home cell: latency, errors, whether each reply came from the right cell.

Strangers, whom no cell knows, have a line of their own, so that the line for all counts what locust counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.demo.tally import Verdict

_HEAD: Final = (
    "cell",
    "requests",
    "req/s",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "max ms",
    "degraded",
    "errors",
    "wrong cell",
)


STRANGERS: Final = "strangers"
EXPLAINED: Final = (
    "strangers: users without a home. The edge itself tells them so (404), as it should: no cell is asked."
    "\nall: every request that locust counts, theirs too."
    "\ndegraded: answers of the edge for a cell that was down, as was due."
)


@dataclass(slots=True)
class CellLoad:
    """What the users of one cell got; latencies of every kind of reply, in milliseconds."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return self.verdicts[Verdict.ERROR] + self.verdicts[Verdict.LOST]


class LoadReport:
    """Fed with each reply; knows the cells from the beginning, so that one without traffic is seen too.

    Any complaint fails the test. `taken_down` is the cell that was taken down meanwhile, "" until then.
    """

    def __init__(self, cells: Sequence[str]) -> None:
        self._cells = {name: CellLoad() for name in cells}
        self._strangers = CellLoad()
        self.taken_down = ""
        self._complaints: Counter[str] = Counter()

    def note(self, home: str, verdict: Verdict, latency_ms: float, complaint: str) -> None:
        """`verdict` DEGRADED means that such a reply was due; `complaint` is "" when nothing was wrong."""
        load = self._cells[home]
        load.verdicts[verdict] += 1
        load.latencies_ms.append(latency_ms)
        if complaint:
            self._complaints[f"{home}: {complaint}"] += 1

    def note_stranger(self, verdict: Verdict, latency_ms: float, complaint: str) -> None:
        """The same for somebody without a home; RIGHT means that the edge said so."""
        self._strangers.verdicts[verdict] += 1
        self._strangers.latencies_ms.append(latency_ms)
        if complaint:
            self._complaints[f"{STRANGERS}: {complaint}"] += 1

    def complain(self, complaint: str) -> None:
        """Something that is no cell's was wrong."""
        self._complaints[complaint] += 1

    def failures(self) -> list[str]:
        """Why the load test failed; empty when it did not."""
        found = [f"{count} × {complaint}" for complaint, count in self._complaints.most_common()]
        found += [
            f"{name}: no request was sent" for name, load in self._cells.items() if not load.latencies_ms
        ]
        if self.taken_down and not self._cells[self.taken_down].verdicts[Verdict.DEGRADED]:
            found.append(f"{self.taken_down}: no degraded reply, although it was taken down")
        return found

    def table(self, seconds: float) -> str:
        """One line per cell, one for the strangers, and one for all."""
        everything = CellLoad()
        parts = {**self._cells, STRANGERS: self._strangers}
        for load in parts.values():
            everything.verdicts.update(load.verdicts)
            everything.latencies_ms += load.latencies_ms
        rows = [_row(name, load, seconds) for name, load in (*parts.items(), ("all", everything))]
        widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
        return "\n".join(
            "  ".join(text.ljust(width) if at == 0 else text.rjust(width) for at, (text, width) in cells)
            for cells in (enumerate(zip(row, widths, strict=True)) for row in (_HEAD, *rows))
        )

    def write(self, path: Path, seconds: float) -> None:
        """The same as JSON, for a script."""
        rows = {name: _named(name, load, seconds) for name, load in self._cells.items()}
        document = {
            "seconds": round(seconds, 1),
            "taken_down": self.taken_down,
            "cells": rows,
            STRANGERS: _named(STRANGERS, self._strangers, seconds),
            "failures": self.failures(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _named(name: str, load: CellLoad, seconds: float) -> dict[str, str]:
    return dict(zip(_HEAD[1:], _row(name, load, seconds)[1:], strict=True))


def _row(name: str, load: CellLoad, seconds: float) -> tuple[str, ...]:
    ordered = sorted(load.latencies_ms)
    return (
        name,
        str(len(ordered)),
        f"{len(ordered) / seconds:.1f}",
        *(f"{quantile(ordered, share):.1f}" for share in (0.5, 0.95, 0.99, 1.0)),
        str(load.verdicts[Verdict.DEGRADED]),
        str(load.errors),
        str(load.verdicts[Verdict.WRONG]),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` (0..1) of the ordered values stay below or at; 0.0 when there are none."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
