"""Finds one cookie in a Cookie field (RFC 6265, section 4.2). HOT: searched by bytes methods only."""

from __future__ import annotations

from typing import Final

AMBIGUOUS: Final = b""
"""Returned when the cookie is there with different values: nobody can tell which one the cell will believe.

A sibling domain can plant a second cookie of the same name, and servers differ in which of two they take.
"""

_MAX_CANDIDATES: Final = 16


def find_pair(cookie: bytes, name_equals: bytes) -> bytes | None:
    """The pair `name=value` as it stands in the field; None when it is absent, AMBIGUOUS when values differ.

    `name_equals` is the name with its "=". Names are case-sensitive; a quoted value keeps its quotes. A
    field that holds the text more than 16 times is AMBIGUOUS, which bounds the search.
    """
    found: bytes | None = None
    start = cookie.find(name_equals)
    for _ in range(_MAX_CANDIDATES):
        if start < 0:
            return found
        end = cookie.find(b";", start)
        if end < 0:
            end = len(cookie)
        if _begins_pair(cookie, start):
            pair = cookie[start:end].rstrip(b" \t")
            if found is not None and found != pair:
                return AMBIGUOUS
            found = pair
        start = cookie.find(name_equals, end)
    return AMBIGUOUS if start >= 0 else found


def _begins_pair(cookie: bytes, start: int) -> bool:
    """Whether only blanks stand between `start` and the semicolon or the field's begin before it."""
    before = cookie[:start].rstrip(b" \t")
    return not before or before.endswith(b";")
