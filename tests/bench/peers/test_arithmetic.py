"""The bench's sums: ratios within a round, percentiles, the order of a round."""

from __future__ import annotations

import pytest

from bench.peers.arithmetic import Spread, percentile, ratios, spread, turn


def test_a_ratio_is_made_within_its_round_not_of_the_medians() -> None:
    assert spread(ratios([30.0, 60.0, 33.0], [20.0, 50.0, 30.0])).median == 1.2


def test_a_spread_tells_the_middle_half_so_that_one_disturbed_round_does_not_show() -> None:
    assert spread([1.0, 1.1, 1.2, 1.3, 9.0]) == Spread(1.2, 1.1, 1.3)
    assert spread([1.5]) == Spread(1.5, 1.5, 1.5)


def test_rounds_of_different_number_are_not_compared() -> None:
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100)])
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(share: float, value: int) -> None:
    assert percentile(range(1, 101), share) == value


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_each_round_begins_with_another_row_and_has_them_all() -> None:
    assert [turn(["a", "b", "c"], index) for index in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
