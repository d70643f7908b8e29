"""Request ids and trace contexts, cut from a pool of random digits (one system call for a thousand ids)."""

from __future__ import annotations

import os
from typing import Final

_DRAWS: Final = 1024
REQUEST_ID_DIGITS: Final = 32
SPAN_ID_DIGITS: Final = 16


class IdPool:
    """Hexadecimal digits from the system's random source."""

    __slots__ = ("_digits", "_next")

    def __init__(self) -> None:
        self._digits = b""
        self._next = 0

    def take(self, digits: int) -> bytes:
        """That many random lower-case hexadecimal digits."""
        start = self._next
        end = start + digits
        if end > len(self._digits):
            self._digits = os.urandom(_DRAWS * REQUEST_ID_DIGITS // 2).hex().encode()
            start, end = 0, digits
        self._next = end
        return self._digits[start:end]
