"""Calls of redis-py, node by node: each goes on to its end though its caller leaves, few at once, failures
noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import MaxConnectionsError

from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisClient, RedisSettings, master_address, open_client, port_errors
from lookup.redis_slots import Grouping, NodeNames
from lookup.tasks import end_tasks, take_note

T = TypeVar("T")


class RedisNodes:
    """A client, replaced when it has lost its connections. Built inside the running loop."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._client: RedisClient | None = open_client(settings)
        self._grouping = Grouping()
        self._places = asyncio.Semaphore(settings.connections)
        self._calls: set[asyncio.Task[Any]] = set()

    async def unharmed(self, call: Coroutine[Any, Any, T]) -> T:
        """What the call gives. A cancelled caller leaves; the call itself goes on to its end, because only
        then is the connection fit for the next one."""
        task = self._loop.create_task(self._in_turn(call))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        task.add_done_callback(take_note)
        return await asyncio.shield(task)

    async def each(
        self,
        names: Iterable[str],
        at_once: int,
        call: Callable[[RedisClient, NodeNames], Coroutine[Any, Any, T]],
    ) -> tuple[list[T], bool]:
        """What the nodes concerned answered, and whether all did; StoreUnavailableError when none did.

        `at_once` names in one command at most.
        """
        client = self.client
        with port_errors():
            nodes = await self._grouping.by_node(client, names, at_once)
        outcomes = await _outcomes([call(client, node) for node in nodes])
        answers = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if failures:
            await self._take_failure(failures[0])
            if not answers:
                with port_errors():
                    raise failures[0]
        return answers, not failures

    async def master(self) -> tuple[str, int]:
        """Of one server, or the Sentinels' choice."""
        client = self.client
        assert isinstance(client, Redis), "a Cluster has several"
        with port_errors():
            return await master_address(client, self._settings)

    async def close(self) -> None:
        """End what is on its way and all connections; later calls raise StoreUnavailableError."""
        client, self._client = self._client, None
        await end_tasks(list(self._calls))
        if client is not None:
            await client.aclose()

    @property
    def client(self) -> RedisClient:
        """The one to use now."""
        if self._client is None:
            raise StoreUnavailableError("the shared cache is closed")
        return self._client

    async def _in_turn(self, call: Coroutine[Any, Any, T]) -> T:
        async with self._places:
            return await call

    async def _take_failure(self, failure: Exception) -> None:
        client = self._client
        if client is None:
            return
        if isinstance(failure, MaxConnectionsError):
            # There are as many connections as calls at once: redis-py lost some (its #3929, #4110, #4121).
            self._client = open_client(self._settings)
            await client.aclose()
            return
        with port_errors():
            await self._grouping.learn_topology(client)


async def _outcomes(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T | Exception]:
    """Of all; a single one needs no task of its own."""
    if len(calls) == 1:
        return [await _outcome(calls[0])]
    return await asyncio.gather(*map(_outcome, calls))


async def _outcome(call: Coroutine[Any, Any, T]) -> T | Exception:
    try:
        return await call
    except Exception as failure:
        return failure
