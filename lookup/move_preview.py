"""What a bulk move would do: who would go where, and who would stay and why. Writes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lookup.assignment import Assignment
from lookup.move_fates import (
    BulkOrder,
    Ending,
    Fate,
    bound_elsewhere,
    known_before,
    member_operation,
    staying,
    unknown,
)
from lookup.move_list import Wish
from lookup.move_log import MoveLog
from lookup.move_open import open_moves
from lookup.move_targets import Stays, Targets
from lookup.moves import Move
from lookup.ports import Store

_READ_TOGETHER: Final = 500
_EXAMPLES: Final = 3


@dataclass(slots=True)
class Refusals:
    """Those who would stay for one reason, and the first few of them."""

    users: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Preview:
    """to       how many would be moved into each cell
    there    how many are where they should be
    refused  by reason
    """

    to: Counter[str] = field(default_factory=Counter)
    there: int = 0
    refused: dict[str, Refusals] = field(default_factory=dict)

    def note(self, ending: Ending) -> None:
        """One more, as it would end."""
        if ending.fate is Fate.MOVED:
            self.to[ending.target] += 1
        elif ending.fate is Fate.THERE:
            self.there += 1
        else:
            refusals = self.refused.setdefault(ending.reason, Refusals())
            refusals.users += 1
            if len(refusals.examples) < _EXAMPLES:
                refusals.examples.append(ending.wish.key)


async def preview(
    store: Store, log: MoveLog, targets: Targets, order: BulkOrder, wishes: AsyncIterator[Wish]
) -> Preview:
    """Goes through the whole list. Raises StoreUnavailableError."""
    found = Preview()
    most = None if order.most is None else order.most - await log.noted_under(order.operation)
    left_open = {move.order.key: move for move in await open_moves(log, order)}
    bound: dict[str, str] = {}
    async for together in _together(wishes):
        records = await store.read([wish.key for wish in together])
        moves = await _known_moves(log, order.operation, records)
        for wish in together:
            if most is not None and found.to.total() >= most:
                return found
            record = records.get(wish.key)
            move = moves.get(wish.key) or left_open.get(record.key if record else wish.key)
            ending = _ending(wish, record, move, targets)
            if record is not None and not order.leaving:  # a list may name a user by several keys
                ending = _once(ending, bound, record.key)
            found.note(ending)
    return found


async def _known_moves(
    log: MoveLog, operation: str, records: Mapping[str, Assignment]
) -> Mapping[str, Move | None]:
    """By the wished key: what this operation has noted before."""
    found = await asyncio.gather(
        *(log.move(member_operation(operation, record.key)) for record in records.values())
    )
    return dict(zip(records, found, strict=True))


def _once(ending: Ending, bound: dict[str, str], key: str) -> Ending:
    """The same, unless a line before, by another key, moves that user; `bound` says who is moved where."""
    wish, target = ending.wish, bound.get(key)
    if target is None:
        if ending.fate is Fate.MOVED:
            bound[key] = ending.target
        return ending
    return Ending(wish, Fate.THERE, target) if wish.target in ("", target) else bound_elsewhere(wish, target)


def _ending(wish: Wish, record: Assignment | None, move: Move | None, targets: Targets) -> Ending:
    if record is None:
        return unknown(wish)
    if move is not None:
        carried_on = Ending(wish, Fate.MOVED, move.order.target)
        return known_before(wish, move, record) or carried_on
    target = targets.choose(record, wish.target)
    if isinstance(target, Stays):
        return staying(wish, record, target)
    return Ending(wish, Fate.MOVED, target)


async def _together(wishes: AsyncIterator[Wish]) -> AsyncIterator[Sequence[Wish]]:
    together: list[Wish] = []
    async for wish in wishes:
        together.append(wish)
        if len(together) == _READ_TOGETHER:
            yield together
            together = []
    if together:
        yield together
