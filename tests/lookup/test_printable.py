"""What others wrote is repeated without what a log or a terminal would obey."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lookup.printable import printable


def test_what_can_be_printed_stays() -> None:
    assert printable("gr\u00fc\u00dfe, 42 %") == "gr\u00fc\u00dfe, 42 %"


def test_line_ends_and_escapes_become_question_marks() -> None:
    assert printable("a\nb\x1b[2Jc\u2028d\u202ee") == "a?b?[2Jc?d?e"


@given(st.text())
def test_nothing_is_left_that_a_terminal_would_obey(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
