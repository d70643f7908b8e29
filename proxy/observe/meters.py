"""A worker counts here: plain integer additions in its own row of shared memory (HOT: on every request).

Only the owner of a row writes to it, so no lock is needed; who reads may see counters a few additions apart.
No call raises for a value it does not know: such a status or slug is counted as "other".
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from lookup.resolution import OUTCOME_LABELS
from proxy.observe.layout import (
    ATTEMPT_FAILURES,
    COMPARED,
    CONNECTIONS,
    FALLBACKS,
    FEED_SEEN_MS,
    FLAG,
    HEDGES,
    IN_FLIGHT,
    LOG_DROPPED,
    LOOKUP_BOUNDS_S,
    LOOKUP_BUCKET_COUNT,
    LOOKUP_BUCKETS,
    LOOKUP_NS,
    LOOKUPS,
    MISROUTES,
    REFUSALS,
    REPLY_OTHER,
    REPLY_PLACES,
    REQUEST_BOUNDS_S,
    REQUEST_BUCKETS,
    REQUEST_NS,
    RETRIES,
    SLUG_INDEX,
    SLUG_OTHER,
    cell_start,
    cells_in,
)

_NS_PER_S: Final = 1e9
_OUTCOME_COUNT: Final = len(OUTCOME_LABELS)
_SERVING: Final = 1
_DOWN: Final = 2
_UNKNOWN: Final = 3


class CellMeter:
    """The counters of one cell."""

    __slots__ = ("_in_flight", "_row", "_start")

    def __init__(self, row: memoryview, start: int) -> None:
        self._row: memoryview = row
        self._start: int = start
        self._in_flight: int = start + IN_FLIGHT

    def enter(self) -> None:
        """A request for this cell begins; exactly one `leave` follows."""
        self._row[self._in_flight] += 1

    def leave(self) -> None:
        """The request ended, however it ended."""
        self._row[self._in_flight] -= 1

    def reply(self, status: int, seconds: float) -> None:
        """The client was answered with `status`, `seconds` after its request began."""
        row = self._row
        start = self._start
        row[start + (REPLY_PLACES[status] if 0 <= status < 600 else REPLY_OTHER)] += 1
        row[start + REQUEST_BUCKETS + bisect_left(REQUEST_BOUNDS_S, seconds)] += 1
        row[start + REQUEST_NS] += int(seconds * _NS_PER_S)

    def fallback(self, reason: str) -> None:
        """A degraded answer was given in place of this cell's; `reason` is a Problem.slug."""
        self._row[self._start + FALLBACKS + SLUG_INDEX.get(reason, SLUG_OTHER)] += 1

    def attempt_failed(self) -> None:
        """An exchange with the cell failed (whether or not it is tried again)."""
        self._row[self._start + ATTEMPT_FAILURES] += 1

    def retry(self) -> None:
        """A request is sent to the cell once more."""
        self._row[self._start + RETRIES] += 1

    def flag(self, down: bool, unknown: bool = False) -> None:
        """The flag that this worker now applies to the cell; of an unknown one that it is unknown."""
        self._row[self._start + FLAG] = _UNKNOWN if unknown else _DOWN if down else _SERVING


class Meters:
    """All counters of one worker.

    `row` is a writable memoryview of format "q" with `layout.row_length(cells)` items; raises ValueError when
    its length fits no inventory.

    cells  one CellMeter per cell, by `Cell.index`
    none   for requests that never got a cell (label cell="none")
    """

    __slots__ = ("_row", "cells", "none")

    def __init__(self, row: memoryview) -> None:
        count = cells_in(len(row))
        self._row: memoryview = row
        self.cells: list[CellMeter] = [CellMeter(row, cell_start(index)) for index in range(count)]
        self.none: CellMeter = CellMeter(row, cell_start(count))

    def lookup(self, tier: int, outcome: int, seconds: float) -> None:
        """The resolver answered from `tier` (a Tier) with `outcome` (an Outcome) within `seconds`."""
        row = self._row
        row[LOOKUPS + tier * _OUTCOME_COUNT + outcome] += 1
        row[LOOKUP_BUCKETS + tier * LOOKUP_BUCKET_COUNT + bisect_left(LOOKUP_BOUNDS_S, seconds)] += 1
        row[LOOKUP_NS + tier] += int(seconds * _NS_PER_S)

    def hedged(self, tier: int) -> None:
        """A reading of `tier` was late and raced by the next tier."""
        self._row[HEDGES + tier] += 1

    def compared(self, tier: int) -> None:
        """An answer that `tier` would give was compared with the store."""
        self._row[COMPARED + tier] += 1

    def misrouted(self, tier: int) -> None:
        """It was another one than the store's for longer than allowed."""
        self._row[MISROUTES + tier] += 1

    def refused(self, slug: str) -> None:
        """A request was refused with the problem of this slug."""
        self._row[REFUSALS + SLUG_INDEX.get(slug, SLUG_OTHER)] += 1

    def connected(self) -> None:
        """A client connected; exactly one `disconnected` follows."""
        self._row[CONNECTIONS] += 1

    def disconnected(self) -> None:
        """A client's connection ended."""
        self._row[CONNECTIONS] -= 1

    def log_dropped(self, lines: int) -> None:
        """`lines` lines of the access log could not be written and are lost."""
        self._row[LOG_DROPPED] += lines

    def feed_seen(self, now_s: float) -> None:
        """Flags and moved keys are known as of `now_s` (Unix seconds): the feed gave a sign of life."""
        self._row[FEED_SEEN_MS] = int(now_s * 1000.0)
