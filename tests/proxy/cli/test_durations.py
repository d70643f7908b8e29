"""Durations and moments as people write and read them."""

from __future__ import annotations

import click
import pytest

from proxy.cli.durations import Duration
from proxy.cli.tables import span


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30s", 30), ("15m", 900), ("2h", 7200), ("1d", 86_400)]
)
def test_a_duration_is_read_with_its_unit(text: str, seconds: int) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "2 h", "2w", "1.5h", "h", "999999999d", "²"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration; write e"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0314, "31 ms"),
        (45, "45 s"),
        (60, "1 min"),
        (7500, "2 h 5 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_span_is_told_in_the_units_that_matter(seconds: float, text: str) -> None:
    assert span(seconds) == text
