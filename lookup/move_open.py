"""Finds the moves that earlier runs of a bulk left open: until these are over, their users can't write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lookup.move_fates import BulkOrder, member_operation
from lookup.move_log import MoveLog
from lookup.moves import Move

_OPEN_AT_ONCE: Final = 10_000


async def open_moves(log: MoveLog, order: BulkOrder) -> Sequence[Move]:
    """The moves that are not over, of this operation and of those before it. Raises StoreUnavailableError."""
    moves = await log.moves(open_only=True, limit=_OPEN_AT_ONCE)
    return [move for move in moves if _is_of(order, move)]


def _is_of(order: BulkOrder, move: Move) -> bool:
    operation = move.order.operation
    if operation.startswith(member_operation(order.operation, "")):
        return True
    return bool(order.former) and move.source == order.leaving and operation.startswith(order.former)
