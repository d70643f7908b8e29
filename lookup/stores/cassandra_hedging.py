"""When to ask a second node for what a first one has not answered: not before most answers would have come.

A fixed delay that a slow ring exceeds as a whole would multiply its load, and make it slower still. The
median of the answers' times tells a slow ring from one slow node: a frozen one of three delays a third.
"""

from __future__ import annotations

from typing import Final

from cassandra.policies import ConstantSpeculativeExecutionPolicy, SpeculativeExecutionPolicy

_MEDIANS: Final = 2.0
_STEP: Final = 1.05
"""By so much each answer moves the estimate: a ring that is suddenly ten times slower is known after 50."""

_HEDGES: Final = 2


class HedgePace:
    """Follows the median time of answers. Times in seconds.

    least_s    the delay is never shorter: what a healthy ring's answers seldom exceed
    longest_s  nor longer: the second node needs time as well
    """

    def __init__(self, least_s: float, longest_s: float) -> None:
        self._least_s = least_s
        self._longest_s = longest_s
        self._median_s = least_s / _MEDIANS

    @property
    def delay_s(self) -> float:
        """How long to wait for a node now."""
        return min(self._longest_s, max(self._least_s, _MEDIANS * self._median_s))

    def answered(self, after_s: float) -> None:
        """A request was answered, by whichever node."""
        if after_s > self._median_s:
            self._median_s = min(self._longest_s, self._median_s * _STEP)
        else:
            self._median_s = max(self._least_s / _MEDIANS, self._median_s / _STEP)


class PacedHedging(SpeculativeExecutionPolicy):  # type: ignore[misc]  # the driver has no types
    """The driver's side of it: called on any of its threads."""

    def __init__(self, pace: HedgePace) -> None:
        self._pace = pace

    def new_plan(self, keyspace: object, statement: object) -> object:
        """Of one request."""
        return ConstantSpeculativeExecutionPolicy(self._pace.delay_s, _HEDGES).new_plan(keyspace, statement)
