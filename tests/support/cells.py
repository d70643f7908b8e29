"""Cells that do what a test scripts: raw listeners which hand each connection to the test."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from proxy.model import Cell, CellName, Endpoint, Jurisdiction
from tests.support.ends import PATIENCE_S, End

HOST: Final = "127.0.0.1"


class ScriptedCell:
    """One cell of the inventory, listening on a free port of loopback.

    accepted    connections in the order in which they came
    hangs_up    each connection is closed as soon as it is accepted
    """

    def __init__(self, name: str, jurisdiction: str, index: int) -> None:
        self.name = name
        self.jurisdiction = jurisdiction
        self.accepted: list[End] = []
        self.hangs_up = False
        self._index = index
        self._handed_out = 0
        self._arrived = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._listener = socket.create_server((HOST, 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]

    async def open(self) -> None:
        """Listen (again, after `shut`)."""
        if self._listener.fileno() < 0:
            self._listener = socket.create_server((HOST, self.port), backlog=1024)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: End(self._take), sock=self._listener)

    def _take(self, end: End) -> None:
        self.accepted.append(end)
        self._arrived.set()
        if self.hangs_up:
            end.close()

    async def shut(self) -> None:
        """Listen no more: connections are refused from now on, those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._listener.close()
        await asyncio.sleep(0)

    async def connection(self) -> End:
        """The next connection from the proxy."""
        async with asyncio.timeout(PATIENCE_S):
            while self._handed_out == len(self.accepted):
                self._arrived.clear()
                await self._arrived.wait()
        end = self.accepted[self._handed_out]
        self._handed_out += 1
        return end

    async def insist_untouched(self) -> None:
        """Fails if a connection came that the test has not taken.

        Connections are accepted in order: when our own has come, every earlier one has.
        """
        before = self._handed_out
        _, probe = await asyncio.get_running_loop().create_connection(End, HOST, self.port)
        ours = probe.transport.get_extra_info("sockname")
        while (end := await self.connection()).transport.get_extra_info("peername") != ours:
            pass
        probe.close()
        end.close()
        self.accepted.remove(end)
        self._handed_out -= 1
        unexpected = self._handed_out - before
        assert unexpected == 0, f"{unexpected} connections came to {self.name} that nobody expected"

    def description(self) -> Cell:
        """The cell as the inventory lists it."""
        return Cell(
            CellName(self.name),
            Jurisdiction(self.jurisdiction),
            "somewhere",
            (Endpoint(HOST, self.port),),
            self._index,
        )
