"""What came back, by home cell of who asked: counts for ever, latencies for some seconds. Sends nothing."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.errors import CELL_DOWN, LOOKUP_UNAVAILABLE, MOVING

RECENT_S: Final = 5.0


class Verdict(StrEnum):
    """What one reply was. DEGRADED: the edge answered for the cell and said so. LOST: no reply came.
    LATE: the home was not found in time, while the machine had more to do than it can."""

    RIGHT = "right"
    DEGRADED = "degraded"
    ERROR = "error"
    LATE = "late"
    WRONG = "wrong"
    LOST = "lost"


def judge(status: int, degraded: bool, answered_by: str, home: str) -> Verdict:
    """`answered_by` is the cell that the reply's body names, "" when none does."""
    if answered_by and (answered_by != home or status == 500):
        return Verdict.WRONG
    if degraded:
        return Verdict.DEGRADED
    return Verdict.RIGHT if answered_by and status == 200 else Verdict.ERROR


def excused(verdict: Verdict, problem: str, is_busy: bool) -> Verdict:
    """An error is LATE if by its problem the lookup was late and the machine is too busy to be in time, and
    DEGRADED if it says that the user is being moved: its writes wait."""
    if verdict is Verdict.ERROR and problem == MOVING.slug:
        return Verdict.DEGRADED
    is_late = verdict is Verdict.ERROR and problem == LOOKUP_UNAVAILABLE.slug
    return Verdict.LATE if is_late and is_busy else verdict


@dataclass(slots=True)
class CellTally:
    """What the users of one cell got."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    _recent: deque[tuple[float, float]] = field(default_factory=deque)
    _latest: str = ""

    def note(self, verdict: Verdict, reason: str, now_s: float, latency_s: float) -> None:
        self.verdicts[verdict] += 1
        if verdict is not Verdict.RIGHT:
            self.reasons[reason] += 1
        self._latest = "answers" if verdict is Verdict.RIGHT else _in_a_word(reason)
        self._recent.append((now_s, latency_s))
        self._forget(now_s)

    def seen(self, now_s: float) -> str:
        """What its users see of the cell, in a word, by the latest reply; "" when there was none of late."""
        self._forget(now_s)
        return self._latest if self._recent else ""

    def rate(self, now_s: float) -> float:
        """Requests per second, of late."""
        self._forget(now_s)
        return len(self._recent) / RECENT_S

    def latency_s(self, share: float) -> float:
        """The latency that `share` (0..1) of the latest requests stayed below; 0.0 when there were none."""
        if not self._recent:
            return 0.0
        ordered = sorted(latency_s for _, latency_s in self._recent)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def _forget(self, now_s: float) -> None:
        while self._recent and self._recent[0][0] < now_s - RECENT_S:
            self._recent.popleft()


def _in_a_word(reason: str) -> str:
    """Of `503 cell-unreachable`: unreachable. A cell that is flagged down is not even asked."""
    word = reason.rpartition(" ")[2]
    return "not asked" if word == CELL_DOWN.slug else word.removeprefix("cell-")


class Tally:
    """The tallies of all cells."""

    def __init__(self, cells: list[str]) -> None:
        self.cells: Mapping[str, CellTally] = {name: CellTally() for name in cells}

    def note(self, home: str, verdict: Verdict, reason: str, latency_s: float) -> None:
        self.cells[home].note(verdict, reason, time.monotonic(), latency_s)

    def count(self, verdict: Verdict) -> int:
        return sum(cell.verdicts[verdict] for cell in self.cells.values())

    def instead(self) -> str:
        """What came instead of right replies, the commonest first: `140 × 503 cell-down`; "" for nothing."""
        reasons: Counter[str] = sum((cell.reasons for cell in self.cells.values()), Counter())
        return ", ".join(f"{count:,} × {reason}" for reason, count in reasons.most_common())

    def total(self) -> int:
        return sum(cell.verdicts.total() for cell in self.cells.values())
