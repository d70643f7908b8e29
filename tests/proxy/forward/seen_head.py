"""The head of a request as its cell sees it."""

from __future__ import annotations

from tests.support.messages import (
    HOST_LINE,
    bearer,
    lines,
)
from tests.support.stage import Stage


async def seen_by_cell(stage: Stage, *more: bytes, start: bytes = b"GET / HTTP/1.1") -> list[bytes]:
    """The lines that the cell gets of a request with these further lines."""
    client = await stage.client()
    client.send(lines(start, HOST_LINE, bearer(1), *more))
    head = await (await stage.cell.connection()).take_head()
    return head.removesuffix(b"\r\n\r\n").split(b"\r\n")


def value_of(head: list[bytes], name: bytes) -> bytes:
    """The value of the only field of this name."""
    found = [line.partition(b": ")[2] for line in head if line.lower().startswith(name.lower() + b":")]
    assert len(found) == 1, (name, head)
    return found[0]
