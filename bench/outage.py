"""The time for which a load test has a cell flagged down, and which replies may come meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from bench.demo.tally import Verdict

APPLIED_WITHIN_S: Final = 1.0
"""Each edge follows a flag so soon after it is set."""


@dataclass(slots=True)
class Outage:
    """Of one cell, by one clock; `inf` for what has not come.

    down_from_s, down_s    when the flag `down` began to be set, and when it was
    back_from_s, back_s    the same of `serving`
    """

    cell: str
    down_from_s: float = inf
    down_s: float = inf
    back_from_s: float = inf
    back_s: float = inf

    def judged(self, verdict: Verdict, home: str, asked_s: float, answered_s: float) -> Verdict:
        """The verdict on a reply, or ERROR where the flag makes it wrong: degraded undue, or due and not."""
        if verdict is Verdict.DEGRADED and not self._may_be_degraded(home, asked_s, answered_s):
            return Verdict.ERROR
        if verdict is Verdict.RIGHT and self._must_be_degraded(home, asked_s, answered_s):
            return Verdict.ERROR
        return verdict

    def _may_be_degraded(self, home: str, asked_s: float, answered_s: float) -> bool:
        in_time = answered_s >= self.down_from_s and asked_s <= self.back_s + APPLIED_WITHIN_S
        return home == self.cell and in_time

    def _must_be_degraded(self, home: str, asked_s: float, answered_s: float) -> bool:
        in_time = asked_s > self.down_s + APPLIED_WITHIN_S and answered_s < self.back_from_s
        return home == self.cell and in_time
