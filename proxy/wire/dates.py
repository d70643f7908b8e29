"""The text of a Date field (RFC 9110 section 6.6.1), made once a second however often it is asked for."""

from __future__ import annotations

import time
from typing import Final

_DAYS: Final = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS: Final = (
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
)  # fmt: skip
"""Not by strftime: the words are English in every locale."""


class Dates:
    """Times as HTTP writes them; the last one is remembered."""

    __slots__ = ("_line", "_second", "_text", "_tick_s")

    def __init__(self) -> None:
        self._tick_s = -1.0
        self._line = b""
        self._second = -1
        self._text = b""

    def at(self, now_s: float) -> bytes:
        """This Unix time as IMF-fixdate, e.g. b"Sun, 06 Nov 1994 08:49:37 GMT"."""
        second = int(now_s)
        if second != self._second:
            at = time.gmtime(second)
            day = b"%b, %02d %b %04d" % (_DAYS[at.tm_wday], at.tm_mday, _MONTHS[at.tm_mon - 1], at.tm_year)
            self._text = b"%b %02d:%02d:%02d GMT" % (day, at.tm_hour, at.tm_min, at.tm_sec)
            self._second = second
        return self._text

    def line(self, tick_s: float) -> bytes:
        """The field line, with its end, that dates what is received now; the clock is read once a tick.

        tick_s  any time that moves on several times a second
        """
        if tick_s != self._tick_s:
            self._tick_s = tick_s
            self._line = b"Date: %b\r\n" % self.at(time.time())
        return self._line
