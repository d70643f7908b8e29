"""Which keys have unsafe requests under way in this worker, and until when it may let such through unasked.

Hot: an unsafe request enters and leaves; a safe one is not seen here.
"""

from __future__ import annotations

from math import inf
from typing import Final

from lookup.assignment import Assignment, State

_MOVING: Final = State.MOVING


class Fence:
    """One worker's word on its unsafe requests. Only the loop's thread uses it.

    lease_until_s  time.perf_counter() up to which the lease holds; after that unsafe methods are confirmed
    lease_until_unix_s the same in Unix seconds; whichever comes first counts. One clock stands still while
                   the machine is suspended, the other one may be set back
    leased_since_s since when it has held without a gap; a renewal in time leaves it as it is
    linger_s       how long a cell may go on with a request that was cut off
    news           set when a move may have become able to go on: the keeper renews the lease at once
    """

    __slots__ = (
        "_lingering",
        "_moving",
        "_under_way",
        "lease_until_s",
        "lease_until_unix_s",
        "leased_since_s",
        "linger_s",
        "news",
    )

    def __init__(self, linger_s: float) -> None:
        self.lease_until_s: float = -inf
        self.lease_until_unix_s: float = inf
        self.leased_since_s: float = -inf
        self.linger_s = linger_s
        self.news = False
        self._under_way: dict[str, int] = {}
        self._lingering: dict[str, float] = {}
        self._moving: set[str] = set()

    def enter(self, key: str) -> None:
        """An unsafe request of this key begins, before anybody asks where its home is."""
        self._under_way[key] = self._under_way.get(key, 0) + 1

    def leave(self, key: str, cut_off: bool, now_s: float) -> None:
        """It is over; `cut_off`: the cell may go on with it for a while. `now_s` by time.perf_counter()."""
        count = self._under_way[key] - 1
        if count:
            self._under_way[key] = count
        else:
            del self._under_way[key]
        if cut_off:
            self._lingering.pop(key, None)
            self._lingering[key] = now_s + self.linger_s
        elif key in self._moving:
            self.news = True

    def grant(self, begun_s: float, begun_unix_s: float, lasts_s: float) -> None:
        """The lease, asked for at that time by both clocks, holds for so long since then."""
        if not self.holds(begun_s, begun_unix_s):
            self.leased_since_s = begun_s
        self.lease_until_s = begun_s + lasts_s
        self.lease_until_unix_s = begun_unix_s + lasts_s

    def holds(self, now_s: float, unix_s: float) -> bool:
        """Whether the lease does, by both clocks."""
        return now_s < self.lease_until_s and unix_s < self.lease_until_unix_s

    def has_held_since(self, begun_s: float, now_s: float, unix_s: float) -> bool:
        """Whether every move had to wait, all this time, for an unsafe request that entered at `begun_s`."""
        return self.leased_since_s <= begun_s and self.holds(now_s, unix_s)

    def changed(self, record: Assignment) -> None:
        """The feed says that the key's record is this now."""
        if record.state == _MOVING:
            self.news = True
            if record.key in self._under_way or record.key in self._lingering:
                self._moving.add(record.key)

    def lose_continuity(self) -> None:
        """Changes were missed that are known now: what had entered before may go to a home that is moving.

        Until this is said the worker renews no lease, so that moves which it missed wait for it.
        """
        self._moving.update(self._under_way)
        self._moving.update(self._lingering)

    def held(self, now_s: float) -> frozenset[str]:
        """The keys whose moves must wait, for `Lease.held`; forgets what has lingered long enough."""
        self.news = False
        over: list[str] = []
        for key, until_s in self._lingering.items():
            if until_s > now_s:
                break
            over.append(key)
        for key in over:
            del self._lingering[key]
        gone = [key for key in self._moving if key not in self._under_way and key not in self._lingering]
        for key in gone:
            self._moving.discard(key)
        return frozenset(self._moving)

    @property
    def quiet(self) -> bool:
        """Whether nothing unsafe is under way or may still be running."""
        return not self._under_way and not self._lingering
