"""Random digits: as many as asked for, hexadecimal, never handed out twice, over many refills."""

from __future__ import annotations

import re

from proxy.wire.ids import REQUEST_ID_DIGITS, SPAN_ID_DIGITS, IdPool


def test_ids_are_lower_case_hexadecimal_of_the_length_asked_for() -> None:
    pool = IdPool()
    for _ in range(3000):
        for digits in (REQUEST_ID_DIGITS, SPAN_ID_DIGITS, 1):
            assert re.fullmatch(rb"[0-9a-f]{%d}" % digits, pool.take(digits))


def test_no_id_is_handed_out_twice() -> None:
    pool, other = IdPool(), IdPool()
    taken = [pool.take(REQUEST_ID_DIGITS) for _ in range(5000)]
    taken += [other.take(REQUEST_ID_DIGITS) for _ in range(5000)]
    assert len(set(taken)) == len(taken)


def test_no_digits_are_part_of_two_ids() -> None:
    pool = IdPool()
    stream = b"".join(pool.take(48) for _ in range(2000))
    windows = {stream[start : start + 16] for start in range(len(stream) - 15)}
    assert len(windows) == len(stream) - 15


def test_every_digit_varies() -> None:
    pool = IdPool()
    taken = [pool.take(REQUEST_ID_DIGITS) for _ in range(2000)]
    for position in range(REQUEST_ID_DIGITS):
        assert {one[position] for one in taken} == set(b"0123456789abcdef")
