"""Requests that come all the time, and what became of each; an edge that holds one, or takes none."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from tests.proxy.workers.stage import Stage, until

LOST = (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError)


class Load:
    """Clients that ask without pause, on a new connection for every second request."""

    def __init__(self, stage: Stage, clients: int) -> None:
        self._stage = stage
        self.seen: Counter[str] = Counter()
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._client()) for _ in range(clients)]

    async def __aenter__(self) -> Load:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def more(self, answers: int) -> None:
        """Wait until so many more were answered."""
        wanted = self.seen["200"] + answers

        async def done() -> bool:
            return self.seen["200"] >= wanted

        await until(done, f"{answers} more requests are answered")

    async def _client(self) -> None:
        while not self._over.is_set():
            try:
                connection = await self._stage.connect()
            except OSError as error:
                self.seen[type(error).__name__] += 1
                continue
            with contextlib.closing(connection):
                for _ in range(2):
                    try:
                        answer = await connection.ask()
                    except LOST:
                        self.seen["lost"] += 1
                        break
                    self.seen[str(answer.status)] += 1
                    if answer.fields.get("connection") == "close":
                        break


async def holding(stage: Stage, requests: int) -> None:
    async def held() -> bool:
        return stage.cell.holding == requests

    await until(held, f"the cell holds {requests} requests")


async def refusing(stage: Stage) -> None:
    async def refused() -> bool:
        try:
            connection = await stage.connect()
        except ConnectionError:
            return True
        connection.close()
        return False

    await until(refused, "new connections are refused")
