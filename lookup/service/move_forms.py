"""How a move is told in the service's JSON, for service and client alike. Decoding raises ValueError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lookup.moves import Move, MoveOrder, Step
from lookup.service.forms import Json


@dataclass(frozen=True, slots=True)
class MoveStatus:
    """How far a move is.

    move       as its log knows it; without its place in the feed and the number of its attempt
    waits_for  what it needs to go on, in words; "" when that is only a moment, or nothing
    workers    while it waits for acknowledgements: each worker, and whether it has given its own
    """

    move: Move
    waits_for: str
    workers: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class OpenMoves:
    """Moves that are not over, the one noted last first; `more`: there are others than these."""

    moves: tuple[Move, ...]
    more: bool


def move_form(move: Move) -> Mapping[str, Json]:
    """A move."""
    order = move.order
    return {
        "operation": order.operation,
        "key": order.key,
        "source": move.source,
        "target": order.target,
        "jurisdiction": move.jurisdiction,
        "epoch": move.epoch,
        "step": move.step.value,
        "is_over": move.is_over,
        "begun_at_s": move.begun_at_s,
        "changed_at_s": move.changed_at_s,
        "detail": move.detail,
        "driver": move.holder,
        "driven_until_s": move.held_until_s,
        "copy_hook": order.copy_hook,
        "verify_hook": order.verify_hook,
        "author": order.author,
        "reason": order.reason,
    }


def move_of(form: object) -> Move:
    """The move in `move_form`."""
    match form:
        case {
            "source": str() as source,
            "jurisdiction": str() as jurisdiction,
            "epoch": int() as epoch,
            "step": str() as step,
            "begun_at_s": int() | float() as begun_at_s,
            "changed_at_s": int() | float() as changed_at_s,
            "detail": str() as detail,
            "driver": str() as driver,
            "driven_until_s": int() | float() as until_s,
        }:
            order, times = _order_of(form), (begun_at_s, changed_at_s)
            return Move(order, source, jurisdiction, epoch, Step(step), *times, detail, driver, until_s)
    raise ValueError("not a move of a user")


def status_form(status: MoveStatus) -> Mapping[str, Json]:
    """A move and what it waits for."""
    workers: list[Json] = [
        {"worker": worker, "acknowledged": acknowledged} for worker, acknowledged in status.workers.items()
    ]
    return {**move_form(status.move), "waits_for": status.waits_for, "workers": workers}


def status_of(form: object) -> MoveStatus:
    """The status in `status_form`."""
    match form:
        case {"waits_for": str() as waits_for, "workers": list() as workers}:
            return MoveStatus(move_of(form), waits_for, dict(map(_worker_of, workers)))
    raise ValueError("not the status of a move")


def open_moves_form(found: OpenMoves) -> Mapping[str, Json]:
    """Some moves that are not over."""
    return {"moves": [move_form(move) for move in found.moves], "more": found.more}


def open_moves_of(form: object) -> OpenMoves:
    """The moves in `open_moves_form`."""
    match form:
        case {"moves": list() as moves, "more": bool() as more}:
            return OpenMoves(tuple(map(move_of, moves)), more)
    raise ValueError("not a list of moves")


def _order_of(form: object) -> MoveOrder:
    match form:
        case {
            "operation": str() as operation,
            "key": str() as key,
            "target": str() as target,
            "copy_hook": str() as copy_hook,
            "verify_hook": str() as verify_hook,
            "author": str() as author,
            "reason": str() as reason,
        }:
            return MoveOrder(operation, key, target, copy_hook, verify_hook, author, reason)
    raise ValueError("not a move of a user")


def _worker_of(form: object) -> tuple[str, bool]:
    match form:
        case {"worker": str() as worker, "acknowledged": bool() as acknowledged}:
            return worker, acknowledged
    raise ValueError("not a worker of a move")
