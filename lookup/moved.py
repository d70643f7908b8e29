"""Which keys changed lately: decides whether a credential's claim still holds. Reads nothing.

Hot: compiled where a compiler is at hand. `python -m bench.lookup` shows the time of a claim hit.
"""

from __future__ import annotations

from math import inf
from typing import Final

from lookup.aliases import FREED, NAMES
from lookup.resolution import Hint

_NO_EPOCH: Final = -1
_FREED: Final = FREED
_MARKS: Final = (NAMES, FREED)
_AS_ALIAS: Final = "@"
"""Stands before keys whose change is that of an alias: its epochs are not those of a home."""
_SPILL_PARTS: Final = 16
"""Of a full set, this part is spilled at once: its oldest moves."""


_AHEAD_S: Final = 3600.0


def latest_s(now_s: float) -> float:
    """A change of which one hears now (Unix seconds) did not happen later: a time beyond only says that some
    clock was wrong, and to believe it would end the belief in claims until then.

    An hour is much more than clocks may differ by. Whoever's own clock is behind by less than that must not
    take a right time for a wrong one, and so believe claims from before the change.
    """
    return now_s + _AHEAD_S


class Move:
    """A key's last known change: to which epoch, when (Unix seconds), and from which cell.

    earlier   other cells that the key left before, and when it last did: for when the change is spilled
    """

    __slots__ = ("earlier", "epoch", "left_cell", "moved_at_s")

    def __init__(self, epoch: int, moved_at_s: float, left_cell: str) -> None:
        self.epoch = epoch
        self.moved_at_s = moved_at_s
        self.left_cell = left_cell
        self.earlier: tuple[tuple[str, float], ...] = ()

    def follows(self, earlier: tuple[tuple[str, float], ...], cell: str, left_at_s: float) -> None:
        """The key has left these cells before, and that one then."""
        others: list[tuple[str, float]] = []
        for other, at_s in earlier:
            if other == cell:
                left_at_s = max(left_at_s, at_s)
            elif other != self.left_cell:
                others.append((other, at_s))
        if cell != self.left_cell:
            others.append((cell, left_at_s))
        self.earlier = tuple(others)


class MovedSet:
    """The highest epoch and the time of each key that changed; bounded in keys.

    Beyond the bound the oldest moves shrink to one time per cell that was left: a claim that names that cell
    and is older is no longer believed, whoever's it is, and is looked up. Only the loop's thread uses it.

    fresh_until_s   until then (Unix seconds) the feed counts as alive; claims are believed only while it is
    """

    __slots__ = (
        "_any_cell_s",
        "_capacity",
        "_covered_from_s",
        "_left_at_s",
        "_moves",
        "_reaches_back",
        "_skew_s",
        "fresh_until_s",
    )

    def __init__(self, capacity: int, skew_s: float) -> None:
        if capacity < 1:
            raise ValueError(f"a moved-set of {capacity} keys can hold nothing")
        self._capacity = capacity
        self._skew_s = skew_s
        self._moves: dict[str, Move] = {}
        self._left_at_s: dict[str, float] = {}
        self._any_cell_s: float = -inf
        self._covered_from_s: float = inf
        self._reaches_back = False  # over the longest lifetime of a credential
        self.fresh_until_s: float = -inf

    def __len__(self) -> int:
        return len(self._moves)

    @property
    def covers_since_s(self) -> float:
        """Every change after this time (Unix seconds) is known here."""
        return self._covered_from_s - self._skew_s

    @property
    def left_at_s(self) -> dict[str, float]:
        """By cell: when the last of the moves away from it happened that are no longer kept one by one."""
        return dict(self._left_at_s)

    def known(self) -> dict[str, Move]:
        """Every key whose move is kept, oldest first."""
        return dict(self._moves)

    def holds(self, key: str, hint: Hint, now_s: float) -> bool:
        """Whether the claim is an answer: the feed lives, the history reaches back, no move overrules it."""
        if now_s >= self.fresh_until_s or hint.issued_at_s <= self._covered_from_s:
            return False
        return not self.overrules(key, hint)

    def overrules(self, key: str, hint: Hint) -> bool:
        """Whether a known move is, or may be, newer than the claim."""
        move = self._moves.get(key)
        if move is not None:
            if hint.epoch != _NO_EPOCH:
                if hint.epoch < move.epoch:
                    return True
            elif hint.issued_at_s <= move.moved_at_s + self._skew_s:
                return True
        if self._any_cell_s == -inf:
            return False
        return self._spilled_overrules(hint)  # also where a move is kept: an older one may have come later

    def overrules_name(self, key: str, epoch: int, read_at_s: float) -> bool:
        """The same of whom the key names as an alias, by what was read then."""
        move = self._moves.get(_AS_ALIAS + key)
        if move is not None and epoch < move.epoch:
            return True
        changed_at_s = max(self._left_at_s.get(NAMES, -inf), self._left_at_s.get(FREED, -inf))
        return read_at_s <= changed_at_s + self._skew_s

    def may_be_moving(self, key: str, hint: Hint) -> bool:
        """Whether the key may be between two cells although no move overrules the claim: credentials are
        issued meanwhile too. Unsafe methods then need its record.

        Until the history reaches back over the longest lifetime of a credential, anybody may be: by a move
        that began before the history does. No move stays open for longer (`Patience.open_s`).
        """
        if not self._reaches_back:
            return True
        move = self._moves.get(key)
        if move is not None and hint.epoch <= move.epoch:
            return True
        return self._any_cell_s != -inf and (hint.cell in self._left_at_s or "" in self._left_at_s)

    def reaches_back_to(self, hint: Hint) -> bool:
        """Whether every change since the claim was issued was known when the feed last lived."""
        return hint.issued_at_s > self._covered_from_s

    def epoch_of(self, key: str) -> int:
        """The highest known epoch of the key, NO_EPOCH when it is not among the moved."""
        move = self._moves.get(key)
        return _NO_EPOCH if move is None else move.epoch

    def is_freed(self, key: str) -> bool:
        """Whether the last known change is that of an alias which names no key any more."""
        move = self._moves.get(_AS_ALIAS + key)
        return move is not None and move.left_cell == _FREED

    def alias_epoch_of(self, key: str) -> int:
        """The highest known epoch of the key as an alias: it may have a home of its own later, or had one."""
        move = self._moves.get(_AS_ALIAS + key)
        return _NO_EPOCH if move is None else move.epoch

    def note(self, key: str, epoch: int, moved_at_s: float, left_cell: str) -> None:
        """Keep a change unless a newer one of the key is known; in whatever order they come. `left_cell` "" =
        can't be told; of aliases see ports.KeyMove."""
        if left_cell in _MARKS and not key.startswith(_AS_ALIAS):
            key = _AS_ALIAS + key
        former = self._moves.get(key)
        if former is not None and former.epoch >= epoch:
            former.follows(former.earlier, left_cell, moved_at_s)
            return
        move = Move(epoch, moved_at_s, left_cell)
        if former is not None:
            move.follows(former.earlier, former.left_cell, former.moved_at_s)
            del self._moves[key]
        elif len(self._moves) >= self._capacity:
            self._spill()
        self._moves[key] = move

    def note_left(self, cell: str, at_s: float) -> None:
        """Somebody, not told who, left the cell then ("" = it can't be told which)."""
        self._left_at_s[cell] = max(self._left_at_s.get(cell, -inf), at_s)
        self._any_cell_s = max(self._any_cell_s, at_s)

    def restart(self, covers_since_s: float) -> None:
        """Forget everything: a history that is complete since then follows by `note`."""
        self._moves = {}
        self._left_at_s = {}
        self._any_cell_s = -inf
        self._covered_from_s = covers_since_s + self._skew_s
        self._reaches_back = False

    def blank(self) -> MovedSet:
        """Another set with the same bounds, that knows nothing."""
        return MovedSet(self._capacity, self._skew_s)

    def become(self, other: MovedSet) -> None:
        """Know what the other one knows, and no more; the other one is of no use after that. Whether the feed
        is alive is another matter."""
        self._moves = other._moves
        self._left_at_s = other._left_at_s
        self._any_cell_s = other._any_cell_s
        self._covered_from_s = other._covered_from_s
        self._reaches_back = other._reaches_back

    def forget_before(self, time_s: float) -> None:
        """Drop what is older than any credential should be; claims from before that time need confirming."""
        self._reaches_back = self._covered_from_s <= time_s + self._skew_s
        old: list[str] = []
        for key, move in self._moves.items():
            if move.moved_at_s >= time_s:
                break
            old.append(key)
        for key in old:
            del self._moves[key]
        self._covered_from_s = max(self._covered_from_s, time_s + self._skew_s)
        self._left_at_s = {cell: at_s for cell, at_s in self._left_at_s.items() if at_s >= time_s}
        self._any_cell_s = max(self._left_at_s.values(), default=-inf)

    def _spilled_overrules(self, hint: Hint) -> bool:
        left_at_s = self._left_at_s.get(hint.cell)
        unsaid_at_s = self._left_at_s.get("")
        if left_at_s is not None and hint.issued_at_s <= left_at_s + self._skew_s:
            return True
        return unsaid_at_s is not None and hint.issued_at_s <= unsaid_at_s + self._skew_s

    def _spill(self) -> None:
        oldest: list[str] = []
        for key in self._moves:
            oldest.append(key)
            if len(oldest) * _SPILL_PARTS >= self._capacity:
                break
        for key in oldest:
            move = self._moves.pop(key)
            self.note_left(move.left_cell, move.moved_at_s)
            for cell, at_s in move.earlier:
                self.note_left(cell, at_s)
