"""Notices when a cell begins to fail and when it answers again, from what the workers counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.observe.rows import CellOutcomes

LOOK_EVERY_S: Final = 1.0

_FAILURES: Final = 3
"""In a row; one that was too slow is no news of the cell."""

_STEADY_LOOKS: Final = 5
"""Of a cell that answers now and then nobody is told every second that it answers again."""

_NOTHING_YET: Final = CellOutcomes(0, 0)


@dataclass(slots=True)
class _Cell:
    """`unanswered` exchanges failed since its last reply; `steady` looks ago it began to answer."""

    name: str
    seen: CellOutcomes = _NOTHING_YET
    unanswered: int = 0
    steady: int = 0
    fails: bool = False


class CellWatch:
    """`look` is called every LOOK_EVERY_S.

    names   of the cells, by their index
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._cells = [_Cell(name) for name in names]

    def look(self, outcomes: Sequence[CellOutcomes]) -> list[str]:
        """What has changed, in words, by all that was counted so far, of each cell by its index."""
        told = [_look(cell, now) for cell, now in zip(self._cells, outcomes, strict=True)]
        return [text for text in told if text]

    def failing(self) -> list[str]:
        """The cells that do not answer."""
        return [cell.name for cell in self._cells if cell.fails]


def _look(cell: _Cell, now: CellOutcomes) -> str:
    failures = now.failures - cell.seen.failures
    answers = now.answers - cell.seen.answers
    cell.seen = now
    if answers > 0:
        cell.unanswered = 0
    else:
        cell.unanswered += failures
    if not cell.fails:
        cell.fails = cell.unanswered >= _FAILURES
        cell.steady = 0
        return _fails(cell) if cell.fails else ""
    if answers <= 0 and failures:
        cell.steady = 0
    elif answers > 0 or cell.steady:
        cell.steady += 1
    if cell.steady < _STEADY_LOOKS:
        return ""
    cell.fails = False
    return f"cell {cell.name} answers again"


def _fails(cell: _Cell) -> str:
    since = f"{cell.unanswered} exchanges failed since its last reply"
    return f"cell {cell.name} does not answer: {since}; `reason` in the access log says how"
