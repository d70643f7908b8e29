"""A request that waits for a connection to its cell, and what its worker may hear of its user meanwhile."""

from __future__ import annotations

from typing import Final

from lookup.assignment import Assignment, State
from proxy.observe import layout
from tests.support.ends import End, until
from tests.support.messages import answer, get, got
from tests.support.stage import Stage

MOVING: Final = Assignment("user:1", "eu-1", "eu", 4, State.MOVING, "eu-2")
MOVED: Final = Assignment("user:1", "eu-2", "eu", 5)


async def known_client(stage: Stage) -> End:
    """A client whose home is remembered; its cell has closed the connection."""
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b""))
    await client.take_head()
    cell.close()
    await until(lambda: stage.pool().open_count == 0, "the kept connection is closed")
    return client


async def between_attempts(stage: Stage, request: bytes) -> End:
    """A client whose request was permitted, failed to connect, and will be tried again."""
    client = await known_client(stage)
    await stage.cell.shut()
    client.send(request)
    await until(lambda: stage.counted(layout.RETRIES, "eu-1") == 1, "the first attempt has failed")
    return client
