"""How the log of moves is spelled in Cassandra: one text per move, JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from lookup.moves import Move, MoveOrder, Position, Step


def spell(move: Move) -> str:
    """The text that `read` understands."""
    return json.dumps(asdict(move), ensure_ascii=False)


def read(text: str) -> Move:
    """The move that was spelled. Raises ValueError; fields of later programs are ignored.

    Programs before this field spell no attempt, and forget one when they change the move.
    """
    form = json.loads(text)
    order, fence = form["order"], form["fence"]
    return Move(
        MoveOrder(
            order["operation"],
            order["key"],
            order["target"],
            order["copy_hook"],
            order["verify_hook"],
            order["author"],
            order["reason"],
        ),
        form["source"],
        form["jurisdiction"],
        form["epoch"],
        Step(form["step"]),
        form["begun_at_s"],
        form["changed_at_s"],
        form["detail"],
        form["holder"],
        form["held_until_s"],
        None if fence is None else Position(fence["generation"], fence["sequence"]),
        form.get("attempt", 0),
    )
