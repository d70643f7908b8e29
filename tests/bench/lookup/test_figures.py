"""What a figure says of its target."""

from __future__ import annotations

import pytest

from bench.lookup.figures import Figure, percentile


def test_a_rate_must_reach_its_target_and_uses_more_of_it_the_lower_it_is() -> None:
    figure = Figure("keys", 50_000, "keys/s", 100_000)
    assert (figure.met, figure.used) == (False, 2.0)
    assert figure.target_text == "≥ 100,000"
    assert Figure("keys", 100_000, "keys/s", 100_000).met


def test_anything_else_must_not_exceed_its_target() -> None:
    figure = Figure("p99", 4.0, "ms", 5.0)
    assert (figure.met, figure.used) == (True, 0.8)
    assert figure.target_text == "≤ 5"
    assert Figure("p99", 5.1, "ms", 5.0).met is False


def test_a_target_of_none_at_all_is_missed_by_one_and_uses_no_part_of_anything() -> None:
    assert Figure("not answered", 0, "lookups", 0).met
    figure = Figure("not answered", 1, "lookups", 0)
    assert (figure.met, figure.used) == (False, None)


def test_without_a_target_nothing_is_met_or_missed() -> None:
    figure = Figure("the slowest", 7.0, "ms")
    assert (figure.met, figure.used, figure.target_text) == (None, None, "")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (123_456.7, "keys/s", "123,457"),
        (4.25, "ms", "4.2"),
        (1.0, "readings", "1"),
        (1.0275, "x", "1.028"),
        (1.0, "x", "1.000"),
    ],
)
def test_a_value_is_written_with_as_many_digits_as_it_deserves(value: float, unit: str, text: str) -> None:
    assert Figure("it", value, unit).text == text


def test_a_percentile_is_the_sample_below_which_that_share_lies() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert percentile([1.0], 0.999) == 1.0
