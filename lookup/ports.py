"""What the resolver and the writer need of stores, shared caches and feeds. Adapters wrap their driver's
exceptions in the errors named here; nothing of a driver passes this line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lookup.assignment import Alias, Assignment
from lookup.flags import Flag, FlagRecord


class StoreUnavailableError(Exception):
    """The store did not answer (unreachable, overloaded, timed out). Retryable by the caller."""


class StoreUnusableError(StoreUnavailableError):
    """The store can't be used as it is (missing, damaged, of a newer version). The message names the mend."""


class StoreForbiddenError(StoreUnusableError):
    """The store answers, and does not permit this to who asks."""


class EpochConflictError(Exception):
    """A compare-and-set found another epoch than expected; `current` is what the truth holds, if anything."""

    def __init__(self, key: str, expected: int, current: Assignment | None) -> None:
        found = current.epoch if current else "no record"
        super().__init__(f"{key}: expected epoch {expected}, the store holds {found}")
        self.current = current


@dataclass(frozen=True, slots=True)
class Change:
    """One event of the change feed.

    generation  of the feed: another one means that continuity is lost and everything must be re-read
    sequence    dense (each event is the last one's + 1) within a generation, so that a hole is visible
    left_cell   the key's home before this change, "" for a first placement or when the store can't tell
    At most one of `assignment`, `flag`, `alias` is set; none is a heartbeat, with the last event's sequence.
    """

    generation: str
    sequence: int
    assignment: Assignment | None = None
    flag: FlagRecord | None = None
    left_cell: str = ""
    alias: Alias | None = None

    @property
    def is_heartbeat(self) -> bool:
        """Whether it only tells that the feed lives, and where it stands."""
        return self.assignment is None and self.flag is None and self.alias is None


@dataclass(frozen=True, slots=True)
class KeyMove:
    """That a key's record changed: to which epoch, when (Unix seconds), and which cell was home before.

    Of an alias, `left_cell` is aliases.NAMES or aliases.FREED.
    """

    key: str
    epoch: int
    moved_at_s: float
    left_cell: str


@dataclass(frozen=True, slots=True)
class History:
    """Moves, older ones first (of a feed that was begun anew hour by hour only): every one that happened
    after `covers_since_s`, perhaps some earlier ones."""

    covers_since_s: float
    moves: Sequence[KeyMove]


class HomeReader(Protocol):
    """Where homes are read. Raises StoreUnavailableError when it cannot be reached."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """The records by key; keys without a home are absent from the answer.

        A key that names another one is answered with that one's record, itself among the record's `aliases`.
        A record may bring along its other aliases as well.
        """


class Store(HomeReader, Protocol):
    """The truth. Every method raises StoreUnavailableError when it cannot be reached."""

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """As `read`, and surely what the truth holds now: no change that was answered before is missing,
        however far away it was decided. Slower, and more easily unavailable."""

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        """Write `new` if the record's epoch is `expected_epoch` (NO_EPOCH: if there is none).

        The change reaches the feed exactly once. Raises EpochConflictError, and then nothing was written; of
        a key that names another one, `current` is that one's record.
        """

    async def load(self, assignments: Iterable[Assignment]) -> int:
        """Bulk-insert new records (seeding, restore), skipping keys that exist; returns how many it wrote.

        Loaded records are new, so no cache holds an older one: they don't pass through the feed.
        """

    async def count_by_cell(self) -> Mapping[str, int]:
        """How many keys are at home in each cell."""

    async def flags(self) -> Mapping[str, FlagRecord]:
        """The current flag of every cell that ever had one."""

    async def set_flag(
        self,
        cell: str,
        flag: Flag,
        *,
        reason: str,
        author: str,
        now_s: float,
        expires_at_s: float | None = None,
    ) -> FlagRecord:
        """Store a new flag version for the cell; the change reaches the feed exactly once."""

    async def close(self) -> None:
        """Release files, threads and connections; later calls raise StoreUnavailableError."""


class ChangeFeed(Protocol):
    """Every change of the truth, in order."""

    def follow(self) -> AsyncGenerator[Change, None]:
        """Yield changes from now on, and a heartbeat at least every second while the feed is alive.

        The first event is a heartbeat that says where the feed stands, so that a consumer can then read the
        truth (flags, moved keys) without missing a change in between. Raises StoreUnavailableError when
        broken; following again is the way to continue.
        """

    async def history(self, since_s: float) -> History:
        """The keys moved after `since_s` (Unix seconds), as far back as the feed still knows.

        First placements are left out: nothing older than them can be around. Raises StoreUnavailableError.
        """


class FeedingStore(Store, ChangeFeed, Protocol):
    """A store with its feed."""


class SharedCache(Protocol):
    """A cache that edges share, between memory and the store; StoreUnavailableError when out of reach."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """The records that the cache holds."""

    async def fill(self, assignments: Sequence[Assignment]) -> None:
        """Offer records read from the truth; a record never replaces one of a higher epoch."""
