"""Connections to Cassandra that are being made when nobody wants them any more, or that are refused late."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Final

import pytest

from lookup.ports import StoreUnavailableError
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.asynchronous import DEADLINE_S, asynchronous, until

FOR_EVER_S: Final = 2 * DEADLINE_S
_ESTABLISHED: Final = "01"
_SYN_SENT: Final = "02"
"""As the kernel spells them."""


def dialling(listener: socket.socket) -> CassandraSession:
    """A session that would wait for this node, or the same under another name, for ever."""
    return CassandraSession(
        CassandraSettings(("127.0.0.1", "127.0.0.2"), listener.getsockname()[1], connect_timeout_s=FOR_EVER_S)
    )


async def is_dialled(listener: socket.socket, state: str) -> None:
    """Return when somebody's connection is in that state: nobody accepts it, so it hears nothing."""
    port = f":{listener.getsockname()[1]:04X}"

    def is_so() -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return any(row[2].endswith(port) and row[3] == state for row in rows)

    await until(is_so)


@pytest.mark.parametrize(("queue", "state"), [(8, _ESTABLISHED), (0, _SYN_SENT)])
@asynchronous
async def test_who_closes_a_session_that_connects_need_not_wait_for_the_node(queue: int, state: str) -> None:
    with socket.create_server(("", 0), backlog=queue) as listener, socket.socket() as first:
        if queue == 0:  # one waits already: others are not let in
            first.connect(("127.0.0.1", listener.getsockname()[1]))
        session = dialling(listener)
        asking = asyncio.create_task(session.connected())
        await is_dialled(listener, state)
        await session.close()
        with pytest.raises(StoreUnavailableError):
            await asking


@asynchronous
async def test_a_node_that_hangs_up_on_the_greeting_is_not_waited_for() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(hang_up, "", 0, family=socket.AF_INET) as server:
        session = dialling(server.sockets[0])
        with pytest.raises(StoreUnavailableError):
            await session.connected()
        await session.close()
