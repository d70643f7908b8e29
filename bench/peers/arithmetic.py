"""The sums of the bench: ratios within a round, their median and spread, percentiles. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of what several rounds gave, and between what the middle half of them lies."""

    median: float
    lower: float
    upper: float


def spread(values: Sequence[float]) -> Spread:
    """Median, lower and upper quartile of at least one value."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    lower, _, upper = quantiles(values, method="inclusive")
    return Spread(median(values), lower, upper)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours divided by theirs, round by round: both of a round were measured in the same minute."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed (nearest rank)."""
    rank = -(-share * len(ascending) // 1)
    return ascending[max(0, int(rank) - 1)]


def turn(names: Sequence[str], round_index: int) -> list[str]:
    """The order of one round: each round begins with another one, so that none is always first."""
    start = round_index % len(names)
    return [*names[start:], *names[:start]]
