"""A head that arrives in pieces: says when it is worth another look, at a cost in proportion to its bytes.

Joining and searching all there is for each piece would cost a worker a second for a head sent byte by byte.
"""

from __future__ import annotations

from typing import Final

from proxy.wire.fields import MAX_HEAD_BYTES, MAX_TARGET_BYTES

_LONG_LINE_BYTES: Final = MAX_TARGET_BYTES + 256
"""Beyond it, a start line without an end may be refused (`diagnose_unfinished`)."""


class UnfinishedHead:
    """The bytes since the start of a message, after a first look at them found no end of the head."""

    __slots__ = ("_bytes", "_line_ended")

    def __init__(self, looked_at: bytes) -> None:
        self._bytes = bytearray(looked_at)
        self._line_ended = looked_at.find(b"\n", 2) >= 0  # an empty line before the start line is forgiven

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, piece: bytes) -> bool:
        """Add what came; True if the head may have ended by it, or may be refused for it."""
        gathered = self._bytes
        before = len(gathered)
        gathered += piece
        after = len(gathered)
        if after > MAX_HEAD_BYTES or before <= _LONG_LINE_BYTES < after:
            return True
        new = gathered[max(0, before - 3) :]
        if not self._line_ended and gathered.find(b"\n", max(2, before)) >= 0:
            self._line_ended = True
            return True
        return b"\r\n\r\n" in new or _has_broken_line_end(new[-len(piece) - 1 :])

    def take(self) -> bytes:
        """All that was gathered."""
        return bytes(self._bytes)


def _has_broken_line_end(octets: bytearray) -> bool:
    """Whether a CR or LF stands alone. The first octet was judged before, a last CR can't be yet."""
    ends = octets.count(b"\r\n")
    return octets.count(b"\n", 1) != ends or octets.count(b"\r", 0, -1) != ends
