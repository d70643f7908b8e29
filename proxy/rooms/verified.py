"""Remembers credentials that were verified, by their bytes, within a bound of memory. HOT.

Only valid credentials come in, so nobody can push them out with forged ones; those are verified each time
(a cache of refusals would be the attacker's to fill, and forged tokens vary). An entry is judged by its
dates on each use, by the caller, and leaves when its key is withdrawn.

Second chance: a hit sets one mark, and eviction spares a marked entry once. So a hit costs one dict look-up;
an LRU's reordering would cost twice that.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from lookup.resolution import Hint
from proxy.model import Source
from proxy.rooms.identity import Identity
from proxy.rooms.keys import KeyMark

ENTRY_BYTES: Final = 512
"""What an entry costs beside the credential's own bytes: objects, texts, dict and queue (measured)."""

_SPARED_AT_MOST: Final = 256  # per eviction: bounds its cost when all are in use, to that of a verification


class Verified(Identity):
    """The identity that one verified credential proves: one object, for each costs a returning token a miss.

    proof           the credential, exactly as presented
    not_before_s    Unix seconds from which it is valid (leeway included)
    """

    __slots__ = ("in_use", "mark", "not_before_s", "proof")

    def __init__(
        self,
        key: str,
        source: Source,
        hint: Hint | None,
        not_before_s: float,
        expires_at_s: float,
        proof: bytes,
        mark: KeyMark,
    ) -> None:
        super().__init__(
            key, source, hint, expires_at_s, source is Source.ROUTING_COOKIE, source is Source.SESSION_COOKIE
        )
        self.not_before_s = not_before_s
        self.proof = proof
        self.mark = mark
        self.in_use = False


class VerifiedCredentials:
    """A bounded map from a credential's bytes to what it proved.

    by_proof    for `find` where a call is too dear: whoever uses an entry sets its `in_use`
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.held_bytes = 0
        self._capacity_bytes = capacity_bytes
        self.by_proof: dict[bytes, Verified] = {}
        self._queue: deque[Verified] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def find(self, proof: bytes) -> Verified | None:
        """The entry of a credential, expired or not: the caller compares its dates."""
        entry = self.by_proof.get(proof)
        if entry is not None:
            entry.in_use = True
        return entry

    def keep(self, entry: Verified) -> None:
        """Adds a credential that `find` does not know; others make room for it."""
        cost_bytes = len(entry.proof) + ENTRY_BYTES
        while self._queue and self.held_bytes + cost_bytes > self._capacity_bytes:
            self._evict()
        self.by_proof[entry.proof] = entry
        self._queue.append(entry)
        self.held_bytes += cost_bytes

    def drop_unless(self, marks: frozenset[KeyMark]) -> None:
        """Forgets what was verified by a key that is not among `marks`."""
        self._queue = deque(entry for entry in self._queue if entry.mark in marks)
        self.by_proof = {entry.proof: entry for entry in self._queue}
        self.held_bytes = sum(len(entry.proof) + ENTRY_BYTES for entry in self._queue)

    def _evict(self) -> None:
        """Removes the oldest entry that is not in use; those in use before it are the youngest again."""
        queue = self._queue
        for _ in range(_SPARED_AT_MOST):
            if not queue[0].in_use:
                break
            queue[0].in_use = False
            queue.rotate(-1)
        evicted = queue.popleft()
        del self.by_proof[evicted.proof]
        self.held_bytes -= len(evicted.proof) + ENTRY_BYTES
