"""The rows of shared memory: one for each worker process; what dead ones counted is kept."""

from __future__ import annotations

import mmap
import os
from operator import add
from typing import Final, NamedTuple

from proxy.observe.layout import (
    ALL_USERS,
    ATTEMPT_FAILURES,
    BYTES_PER_COUNTER,
    CAPACITY,
    CELL_GAUGES,
    CELL_REPLIES,
    CROWDED,
    FALLBACKS,
    FEED_SEEN_MS,
    FIXED_GAUGES,
    FLAG,
    FLAGS,
    KEYS_GOOD_MS,
    KEYS_REFUSED,
    KEYS_UNUSABLE,
    NOT_MINE,
    RELAY_ENDANGERED,
    RELAY_LAG_MS,
    RELAY_LOOKS,
    RELAY_PENDING,
    TOKEN_KEYS,
    USERS,
    cell_start,
    cells_in,
    row_length,
)
from proxy.observe.token_keys import WorkerKeys


class CellUsers(NamedTuple):
    """Users of one cell; `capacity` is the most that it may have, less than none if that is not said."""

    users: int
    capacity: int
    crowded: bool


class CellOutcomes(NamedTuple):
    """Exchanges with a cell that failed, and replies that were surely its own, at the least."""

    failures: int
    answers: int


class RelayState(NamedTuple):
    """Writes that wait for the feed, the oldest one's age, and whether the feed may be evicted there."""

    pending: int
    lag_s: float
    endangered: bool


class Row:
    """One worker's counters, seen from this process. `descriptor` is for the worker to inherit."""

    __slots__ = ("_memory", "counters", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor: Final = descriptor
        self._memory = mmap.mmap(descriptor, 0)
        self.counters = memoryview(self._memory).cast("q")

    def feed_seen_s(self) -> float:
        """Unix seconds of the feed's last sign of life to this worker; 0.0 when there was none yet."""
        return float(self.counters[FEED_SEEN_MS]) / 1000.0

    def flag(self, cell: int) -> str:
        """The flag that this worker applies to the cell with this index; "" when it knows none yet."""
        value = self.counters[cell_start(cell) + FLAG]
        return FLAGS[value - 1] if value else ""

    def relay(self) -> RelayState | None:
        """None if others do that work."""
        counters = self.counters
        if not counters[RELAY_LOOKS]:
            return None
        return RelayState(
            counters[RELAY_PENDING], counters[RELAY_LAG_MS] / 1000.0, bool(counters[RELAY_ENDANGERED])
        )

    def census(self) -> tuple[int, list[CellUsers]] | None:
        """Users of all cells, and those of each cell by index; None when this worker does not count them."""
        counters = self.counters
        if not counters[ALL_USERS]:
            return None
        starts = [cell_start(index) for index in range(cells_in(len(counters)))]
        cells = [
            CellUsers(counters[at + USERS], counters[at + CAPACITY] - 1, bool(counters[at + CROWDED]))
            for at in starts
        ]
        return counters[ALL_USERS] - 1, cells

    def token_keys(self) -> WorkerKeys | None:
        """How this worker stands with the keys that verify tokens; None before it has looked."""
        counters = self.counters
        if not counters[TOKEN_KEYS]:
            return None
        return WorkerKeys(
            counters[TOKEN_KEYS] - 1,
            counters[KEYS_REFUSED],
            bool(counters[KEYS_UNUSABLE]),
            counters[KEYS_GOOD_MS] / 1000.0,
        )

    def close(self) -> None:
        """Unmap; `counters` can't be read any more."""
        self.counters.release()
        self._memory.close()
        os.close(self.descriptor)


class RowBank:
    """All rows of this edge, for an inventory of `cells` cells."""

    def __init__(self, cells: int) -> None:
        self.cells: Final = cells
        self._live: list[Row] = []
        self._retired: list[int] = [0] * row_length(cells)

    def open_row(self) -> Row:
        """A row of zeros for a new worker. Raises OSError when the system has no descriptor left."""
        descriptor = os.memfd_create("homecell-meters", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, row_length(self.cells) * BYTES_PER_COUNTER)
        row = Row(descriptor)
        self._live.append(row)
        return row

    def retire(self, row: Row) -> None:
        """The row's worker has ended: keep what it counted, forget its levels."""
        self._live.remove(row)
        counted = row.counters.tolist()
        for place in _gauges(self.cells):
            counted[place] = 0
        self._retired = list(map(add, self._retired, counted))
        row.close()

    def totals(self) -> list[int]:
        """The sum over all workers, dead ones included; levels are the living ones' only."""
        total = self._retired
        for row in self._live:
            total = list(map(add, total, row.counters.tolist()))
        return total

    def outcomes(self) -> list[CellOutcomes]:
        """Of each cell by its index, over all workers; a static reply in place of a cell's is none of its."""
        total = self.totals()
        return [_outcomes(total[cell_start(index) : cell_start(index + 1)]) for index in range(self.cells)]


def _outcomes(block: list[int]) -> CellOutcomes:
    answers = sum(block[place] for place in CELL_REPLIES) - sum(block[FALLBACKS:NOT_MINE])
    return CellOutcomes(block[ATTEMPT_FAILURES], answers)


def _gauges(cells: int) -> list[int]:
    blocks = range(cells + 1)
    return [*FIXED_GAUGES, *(cell_start(block) + place for block in blocks for place in CELL_GAUGES)]
