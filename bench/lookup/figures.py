"""One measured figure, and small sums over samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, its value and unit; `target` is the most (or, for rates, the least) it should be."""

    name: str
    value: float
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None without one. Rates must reach it, the rest must not exceed it."""
        if self.target is None:
            return None
        return self.value >= self.target if self._is_rate else self.value <= self.target

    @property
    def used(self) -> float | None:
        """How much of what is allowed it takes: 1 meets the target exactly. None without a target above 0."""
        if not self.target:
            return None
        return self.target / self.value if self._is_rate else self.value / self.target

    @property
    def text(self) -> str:
        """The value with as many digits as it deserves."""
        digits = 3 if self.unit == "x" else 1 if abs(self.value) < 100 and self.value % 1 else 0
        return f"{self.value:,.{digits}f}"

    @property
    def target_text(self) -> str:
        """The target, and on which side of it the value belongs."""
        return "" if self.target is None else f"{'≥' if self._is_rate else '≤'} {self.target:,g}"

    @property
    def _is_rate(self) -> bool:
        return self.unit.endswith("s/s")


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which that share of all lies."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
