"""Request ids and trace contexts, cut from a pool of random digits (one system call for a thousand ids)."""

from __future__ import annotations

import os
from struct import Struct
from typing import Final

REQUEST_ID_DIGITS: Final = 32
_TRACE_ID_DIGITS: Final = 32
_SPAN_ID_DIGITS: Final = 16
_DRAWN_BYTES: Final = 16384
_LINES_AT_ONCE: Final = 64
_DIGITS_OF_LINES: Final = Struct(f"{_TRACE_ID_DIGITS}s{_SPAN_ID_DIGITS}s" * _LINES_AT_ONCE)
_LINES: Final = b"traceparent: 00-%b-%b-00\r\n" * _LINES_AT_ONCE


class IdPool:
    """Hexadecimal digits from the system's random source."""

    __slots__ = ("_digits", "_next", "_trace_lines")

    def __init__(self) -> None:
        self._digits = b""
        self._next = 0
        self._trace_lines: list[bytes] = []

    def take(self, digits: int) -> bytes:
        """That many random lower-case hexadecimal digits."""
        start = self._next
        end = start + digits
        if end > len(self._digits):
            self._digits = os.urandom(_DRAWN_BYTES).hex().encode()
            start, end = 0, digits
        self._next = end
        return self._digits[start:end]

    def trace_line(self) -> bytes:
        """A line `traceparent: ...` with its CRLF: a new trace that is not sampled (W3C Trace Context)."""
        if not self._trace_lines:
            self._trace_lines = _new_trace_lines()
        return self._trace_lines.pop()


def _new_trace_lines() -> list[bytes]:
    digits = os.urandom(_DIGITS_OF_LINES.size // 2).hex().encode()
    return (_LINES % _DIGITS_OF_LINES.unpack(digits)).splitlines(keepends=True)
