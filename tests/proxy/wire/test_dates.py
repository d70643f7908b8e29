"""The Date of a reply: IMF-fixdate in GMT, as the standard library reads and writes it."""

from __future__ import annotations

import time
from email.utils import formatdate, parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.dates import Dates

END_OF_9999_S = 253402300799


@given(st.integers(0, END_OF_9999_S))
def test_a_date_is_what_the_standard_library_says(second: int) -> None:
    date = Dates().at(float(second)).decode()
    assert date == formatdate(second, usegmt=True)
    assert parsedate_to_datetime(date).timestamp() == second


def test_a_date_is_made_once_for_a_second_and_follows_the_clock_both_ways() -> None:
    dates = Dates()
    first = dates.at(784111777.0)
    assert first == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert dates.at(784111777.999) is first
    assert dates.at(784111778.0) == b"Sun, 06 Nov 1994 08:49:38 GMT"
    assert dates.at(784111777.0) == first


def test_a_line_is_dated_by_the_clock_and_made_once_a_tick() -> None:
    dates = Dates()
    began_s = int(time.time())
    first = dates.line(7.0)
    name, _, value = first.removesuffix(b"\r\n").partition(b": ")
    assert name == b"Date"
    assert began_s <= parsedate_to_datetime(value.decode()).timestamp() <= time.time()
    assert dates.line(7.0) is first
    assert dates.line(7.1) is not first
