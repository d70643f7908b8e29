"""A worker counts here: plain integer additions in a list (HOT: on every request), published now and then.

Published means copied to the worker's own row of shared memory; adding there would take twice the time. Only
the owner of a row writes to it, so no lock is needed. No call raises for a value it does not know: such a
status or slug is counted as "other".
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

from lookup.resolution import OUTCOME_LABELS, TIER_LABELS
from proxy.observe.layout import (
    ALL_USERS,
    ATTEMPT_FAILURES,
    CAPACITY,
    CELL_WIDTH,
    CIRCUIT_OPENINGS,
    CIRCUITS_OPEN,
    COMPARED,
    CONNECTIONS,
    CROWDED,
    FAILURE_INDEX,
    FALLBACKS,
    FEED_SEEN_MS,
    FIXED_WIDTH,
    FLAG,
    HEDGES,
    IN_FLIGHT,
    KEYS_GOOD_MS,
    KEYS_REFUSED,
    KEYS_UNUSABLE,
    LOG_DROPPED,
    LOOKUP_BOUNDS_S,
    LOOKUP_BUCKET_COUNT,
    LOOKUP_BUCKETS,
    LOOKUP_NS,
    LOOKUPS,
    MISROUTES,
    NOT_MINE,
    REFUSALS,
    RELAY_ENDANGERED,
    RELAY_LAG_MS,
    RELAY_LOOKS,
    RELAY_PENDING,
    REPLY_OTHER,
    REPLY_PLACES,
    REQUEST_BOUNDS_S,
    REQUEST_BUCKETS,
    REQUEST_NS,
    RETRIES,
    SLUG_INDEX,
    SLUG_OTHER,
    TIER_FAILURES,
    TOKEN_KEYS,
    USERS,
    cell_start,
    cells_in,
)

_NS_PER_S: Final = 1e9
_OUTCOME_COUNT: Final = len(OUTCOME_LABELS)
_LOOKUP_PLACES: Final = tuple(
    (LOOKUPS + tier * _OUTCOME_COUNT, LOOKUP_BUCKETS + tier * LOOKUP_BUCKET_COUNT, LOOKUP_NS + tier)
    for tier in range(len(TIER_LABELS))
)
_SERVING: Final = 1
_DOWN: Final = 2
_UNKNOWN: Final = 3


class CellMeter:
    """The counters of one cell."""

    __slots__ = ("_counts", "_in_flight", "_start", "changed")

    def __init__(self, counts: list[int], start: int) -> None:
        self._counts = counts
        self._start: int = start
        self._in_flight: int = start + IN_FLIGHT
        self.changed = False

    @property
    def in_flight(self) -> int:
        """Requests for this cell under way."""
        return self._counts[self._in_flight]

    def enter(self) -> None:
        """A request for this cell begins; exactly one `leave` follows."""
        self._counts[self._in_flight] += 1
        self.changed = True

    def leave(self) -> None:
        """The request ended, however it ended."""
        self._counts[self._in_flight] -= 1
        self.changed = True

    def reply(self, status: int, seconds: float) -> None:
        """The client was answered with `status`, `seconds` after its request began."""
        counts = self._counts
        start = self._start
        counts[start + (REPLY_PLACES[status] if 0 <= status < 600 else REPLY_OTHER)] += 1
        counts[start + REQUEST_BUCKETS + bisect_left(REQUEST_BOUNDS_S, seconds)] += 1
        counts[start + REQUEST_NS] += int(seconds * _NS_PER_S)
        self.changed = True

    def refused_head(self, status: int) -> None:
        """The client was answered with `status`; what it sent never became a request, so it took no time."""
        self._counts[self._start + (REPLY_PLACES[status] if 0 <= status < 600 else REPLY_OTHER)] += 1
        self.changed = True

    def fallback(self, reason: str) -> None:
        """A degraded answer was given in place of this cell's; `reason` is a Problem.slug."""
        self._counts[self._start + FALLBACKS + SLUG_INDEX.get(reason, SLUG_OTHER)] += 1
        self.changed = True

    def attempt_failed(self) -> None:
        """An exchange with the cell failed (whether or not it is tried again)."""
        self._counts[self._start + ATTEMPT_FAILURES] += 1
        self.changed = True

    def retry(self) -> None:
        """A request is sent to the cell once more."""
        self._counts[self._start + RETRIES] += 1
        self.changed = True

    def users(self, count: int, capacity: int | None, crowded: bool) -> None:
        """So many users live there; `crowded`: that is too many, or about to be."""
        counts = self._counts
        counts[self._start + USERS] = count
        counts[self._start + CAPACITY] = 0 if capacity is None else 1 + capacity
        counts[self._start + CROWDED] = int(crowded)
        self.changed = True

    def not_mine(self, result: int) -> None:
        """This cell said that a user is not at home there; `result` is a NotMineResult."""
        self._counts[self._start + NOT_MINE + result] += 1
        self.changed = True

    def flag(self, down: bool, unknown: bool = False) -> None:
        """The flag that this worker now applies to the cell; of an unknown one that it is unknown."""
        self._counts[self._start + FLAG] = _UNKNOWN if unknown else _DOWN if down else _SERVING
        self.changed = True


class Meters:
    """All counters of one worker.

    `row` is a writable memoryview of format "q" with `layout.row_length(cells)` items; raises ValueError when
    its length fits no inventory.

    What is counted stands in the row after the next `publish`, which the worker calls ten times a second and
    at its end; one that is killed takes the last tenth of a second with it.

    cells  one CellMeter per cell, by `Cell.index`
    none   for requests that never got a cell (label cell="none")
    """

    __slots__ = ("_counts", "_row", "cells", "none")

    def __init__(self, row: memoryview) -> None:
        count = cells_in(len(row))
        self._row: memoryview = row
        self._counts: list[int] = row.tolist()
        self.cells: list[CellMeter] = [CellMeter(self._counts, cell_start(index)) for index in range(count)]
        self.none: CellMeter = CellMeter(self._counts, cell_start(count))

    def publish(self) -> None:
        """Copy what has changed to the row."""
        row, counts = self._row, self._counts
        row[:FIXED_WIDTH] = memoryview(array("q", counts[:FIXED_WIDTH]))
        for index in range(len(self.cells) + 1):
            meter = self.cells[index] if index < len(self.cells) else self.none
            if meter.changed:
                meter.changed = False
                start = cell_start(index)
                row[start : start + CELL_WIDTH] = memoryview(array("q", counts[start : start + CELL_WIDTH]))

    def lookup(self, tier: int, outcome: int, seconds: float) -> None:
        """The resolver answered from `tier` (a Tier) with `outcome` (an Outcome) within `seconds`."""
        counts = self._counts
        outcomes, buckets, total_ns = _LOOKUP_PLACES[tier]
        counts[outcomes + outcome] += 1
        counts[buckets + bisect_left(LOOKUP_BOUNDS_S, seconds)] += 1
        counts[total_ns] += int(seconds * _NS_PER_S)

    def hedged(self, tier: int) -> None:
        """A reading of `tier` was late and raced by the next tier."""
        self._counts[HEDGES + tier] += 1

    def compared(self, tier: int) -> None:
        """An answer that `tier` would give was compared with the store."""
        self._counts[COMPARED + tier] += 1

    def misrouted(self, tier: int) -> None:
        """It was another one than the store's for longer than allowed."""
        self._counts[MISROUTES + tier] += 1

    def tier_failed(self, tier: int, kind: str) -> None:
        """`tier` failed, answered wrongly or was skipped: `kind` is one of lookup.observer.FAILURES."""
        self._counts[TIER_FAILURES + tier * len(FAILURE_INDEX) + FAILURE_INDEX[kind]] += 1

    def circuit(self, tier: int, is_open: bool) -> None:
        """A reader of `tier` skips it from now on, or asks it again."""
        self._counts[CIRCUITS_OPEN + tier] += 1 if is_open else -1
        if is_open:
            self._counts[CIRCUIT_OPENINGS + tier] += 1

    def relay(self, looks: bool, pending: int, lag_s: float, endangered: bool) -> None:
        """Whether this worker brings writes to the feed; how many wait, and for how long the oldest; whether
        the feed may be evicted where it is kept."""
        counts = self._counts
        counts[RELAY_LOOKS] = int(looks)
        counts[RELAY_PENDING] = pending
        counts[RELAY_LAG_MS] = int(lag_s * 1000.0)
        counts[RELAY_ENDANGERED] = int(endangered)

    def all_users(self, count: int) -> None:
        """This worker counts users; so many live in all cells."""
        self._counts[ALL_USERS] = 1 + count

    def token_keys(self, in_force: int, refused: int, unusable: bool, good_at_s: float) -> None:
        """So many keys verify tokens; what is wrong with their file; when it last was good (Unix seconds)."""
        counts = self._counts
        counts[TOKEN_KEYS] = 1 + in_force
        counts[KEYS_REFUSED] = refused
        counts[KEYS_UNUSABLE] = int(unusable)
        counts[KEYS_GOOD_MS] = int(good_at_s * 1000.0)

    def refused(self, slug: str) -> None:
        """A request was refused with the problem of this slug."""
        self._counts[REFUSALS + SLUG_INDEX.get(slug, SLUG_OTHER)] += 1

    def connected(self) -> None:
        """A client connected; exactly one `disconnected` follows."""
        self._counts[CONNECTIONS] += 1

    def disconnected(self) -> None:
        """A client's connection ended."""
        self._counts[CONNECTIONS] -= 1

    def log_dropped(self, lines: int) -> None:
        """`lines` lines of the access log could not be written and are lost."""
        self._counts[LOG_DROPPED] += lines

    def feed_seen(self, now_s: float) -> None:
        """Flags and moved keys are known as of `now_s` (Unix seconds): the feed gave a sign of life."""
        self._counts[FEED_SEEN_MS] = int(now_s * 1000.0)
