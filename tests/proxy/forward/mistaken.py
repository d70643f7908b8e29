"""An edge that is mistaken about a home: what the cell says to it, and what became of the requests."""

from __future__ import annotations

import time

from lookup.assignment import Assignment, State
from proxy.model import NOT_MINE_LABELS
from proxy.observe import layout
from tests.support.ends import End
from tests.support.messages import answer, answered, get, got, lines
from tests.support.stage import Stage


def not_mine(*says: bytes, body: bytes = b"") -> bytes:
    """A cell's 421 with such a field for each of `says`."""
    fields = [b"X-Home-Cell-Not-Mine: " + word for word in says]
    start = b"HTTP/1.1 421 Misdirected Request"
    return lines(start, b"Content-Length: %d" % len(body), b"X-Other: kept", *fields) + body


def home(
    cell: str, epoch: int, state: State = State.PLACED, user: int = 1, jurisdiction: str = "eu"
) -> Assignment:
    """A user's record that was changed now."""
    moved_to = "eu-2" if state is State.MOVING else ""
    return Assignment(f"user:{user}", cell, jurisdiction, epoch, state, moved_to, updated_at_s=time.time())


async def mistaken(stage: Stage, truth: Assignment | None) -> tuple[End, End]:
    """A client, and its connection to eu-1, where the edge believes user 1 to be at home, with epoch 3.

    truth   what the store says by now, None if it has no such user any more
    """
    client = await stage.client()
    client.send(get(b"/warm"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/warm"))
    cell.send(answer(b"w"))
    await client.expect(answered(b"w"))
    if truth is None:
        del stage.store.homes["user:1"]
    else:
        stage.store.place(truth)
    return client, cell


def results(stage: Stage, cell: str = "eu-1") -> dict[str, int]:
    """What became of the requests that this cell did not take for its own, as counted."""
    counts = [stage.counted(layout.NOT_MINE + index, cell) for index in range(len(NOT_MINE_LABELS))]
    return {label: count for label, count in zip(NOT_MINE_LABELS, counts, strict=True) if count}
