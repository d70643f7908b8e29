"""Random digits: as many as asked for, hexadecimal, never handed out twice, over many refills."""

from __future__ import annotations

import re
from itertools import pairwise

from proxy.wire.ids import REQUEST_ID_DIGITS, IdPool


def test_ids_are_lower_case_hexadecimal_of_the_length_asked_for() -> None:
    pool = IdPool()
    for _ in range(3000):
        for digits in (REQUEST_ID_DIGITS, 16, 1):
            assert re.fullmatch(rb"[0-9a-f]{%d}" % digits, pool.take(digits))


def test_no_id_is_handed_out_twice() -> None:
    pool, other = IdPool(), IdPool()
    taken = [pool.take(REQUEST_ID_DIGITS) for _ in range(5000)]
    taken += [other.take(REQUEST_ID_DIGITS) for _ in range(5000)]
    assert len(set(taken)) == len(taken)


def test_no_digit_is_part_of_two_ids() -> None:
    pool = IdPool()
    ids = [pool.take(16) for _ in range(2000)]
    touching = sum(one[-1] == other[0] for one, other in pairwise(ids))
    assert touching < len(ids) / 4, "by chance it is one in sixteen"


def test_an_id_is_whole_wherever_the_pool_runs_out() -> None:
    for digits in range(1, 60):
        pool = IdPool()
        assert {len(pool.take(digits)) for _ in range(40000 // digits)} == {digits}


def test_every_digit_varies() -> None:
    pool = IdPool()
    taken = [pool.take(REQUEST_ID_DIGITS) for _ in range(2000)]
    for position in range(REQUEST_ID_DIGITS):
        assert {one[position] for one in taken} == set(b"0123456789abcdef")
