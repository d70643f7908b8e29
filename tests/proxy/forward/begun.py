"""An exchange up to the turn of one side."""

from __future__ import annotations

from tests.support.ends import End
from tests.support.messages import (
    get,
)
from tests.support.stage import Stage


async def exchange(stage: Stage, request: bytes = b"") -> tuple[End, End]:
    """A request has reached the cell; it is the cell's turn."""
    client = await stage.client()
    client.send(request or get())
    cell = await stage.cell.connection()
    await cell.take_head()
    return client, cell
