from __future__ import annotations

from itertools import count

import pytest

from lookup.assignment import Alias, check_epoch
from lookup.chunks import chunks
from tests.lookup.fakes import NOW_S, home


def test_items_stay_in_order_and_the_rest_comes_last() -> None:
    assert list(chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks([], 3)) == []


def test_an_endless_source_is_not_read_ahead() -> None:
    source = count()
    assert next(chunks(source, 3)) == [0, 1, 2]
    assert next(source) == 3


@pytest.mark.parametrize(("epoch", "at_s", "expected"), [(2, NOW_S, 2), (0, NOW_S, -1), (3, 0.0, 2)])
def test_a_record_that_can_not_follow_is_refused(epoch: int, at_s: float, expected: int) -> None:
    for new in (home("user:1", "cell-a", epoch, at_s), Alias("email:a@x", "user:1", epoch, at_s)):
        with pytest.raises(ValueError, match="can't follow"):
            check_epoch(new, expected)


def test_a_record_of_a_later_epoch_can_follow() -> None:
    check_epoch(home("user:1", "cell-a", 1), -1)
    check_epoch(Alias("email:a@x", "user:1", 9, NOW_S), 2)
