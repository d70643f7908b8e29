"""The flags in force: what operators said of the cells, as of a moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf

from lookup.flags import Flag, FlagRecord


class FlagBoard:
    """An immutable view of all flags. `with_record` makes the next one; versions never go back.

    down        names of the cells that are out of service, by records that had not expired at `now_s`
    unknown     names of those of them whose flag is a word that this program does not know
    versions    for each flagged cell the version of the record in force
    """

    __slots__ = ("_expired_at_s", "_records", "down", "expires_at_s", "unknown", "versions")

    def __init__(self, records: Iterable[FlagRecord], now_s: float) -> None:
        self._records = {record.cell: record for record in records}
        self.versions = {record.cell: record.version for record in self._records.values()}
        standing = [r for r in self._records.values() if r.expires_at_s is None or r.expires_at_s > now_s]
        self.down = frozenset(record.cell for record in standing if record.flag is Flag.DOWN)
        self.unknown = frozenset(record.cell for record in standing if record.unknown)
        self.expires_at_s = min(
            (r.expires_at_s for r in standing if r.expires_at_s is not None), default=None
        )
        ends = [r.expires_at_s for r in self._records.values() if r.expires_at_s is not None]
        self._expired_at_s: float = max((end_s for end_s in ends if end_s <= now_s), default=-inf)

    @property
    def records(self) -> Collection[FlagRecord]:
        """The record in force of each flagged cell."""
        return self._records.values()

    def with_record(self, record: FlagRecord, now_s: float) -> FlagBoard:
        """The board after this record; the same board if it already knows a newer version."""
        known = self._records.get(record.cell)
        if known is not None and known.version >= record.version:
            return self
        return FlagBoard({**self._records, record.cell: record}.values(), now_s)

    def as_of(self, now_s: float) -> FlagBoard:
        """The board at another time: flags that have expired by then are not in force.

        A clock that had jumped ahead ended some too early; they are in force again once it is set back.
        """
        if now_s >= self._expired_at_s and (self.expires_at_s is None or self.expires_at_s > now_s):
            return self
        return FlagBoard(self._records.values(), now_s)
