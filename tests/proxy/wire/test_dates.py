"""The Date of an own reply: IMF-fixdate in GMT, as the standard library reads and writes it."""

from __future__ import annotations

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
