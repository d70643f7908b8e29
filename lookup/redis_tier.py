"""The shared cache on Redis. One MGET per reading; what it answers is checked, not trusted.

It never decides what is true: a value of a higher epoch is never replaced, and a wrong one is a miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from random import Random
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import MaxConnectionsError

from lookup import redis_value
from lookup.aliases import as_record
from lookup.assignment import Alias, Assignment
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisClient, RedisSettings, open_client, port_errors
from lookup.redis_slots import Grouping, NodeNames

T = TypeVar("T")

_FILL: Final = f"""
for index, name in ipairs(KEYS) do
    local held = redis.call('GET', name)
    local held_epoch = held and string.match(held, '{redis_value.EPOCH_PATTERN}')
    local epoch, value, ttl_ms = unpack(ARGV, 3 * index - 2, 3 * index)
    if not held_epoch or tonumber(held_epoch) <= tonumber(epoch) then
        redis.call('SET', name, value, 'PX', ttl_ms)
    end
end
"""
"""KEYS: names. ARGV: for each its epoch, value, milliseconds to live. Doubles hold every epoch below 2^53."""

_READ_AT_ONCE: Final = 4096
_FILL_AT_ONCE: Final = 128
"""Names per command: Redis does nothing else meanwhile."""

_TTL_SPREAD: Final = 0.2
"""Part of its lifetime by which a value may expire earlier: what was filled together must not expire so."""


class RedisTier:
    """Implements ports.SharedCache. Built inside the running loop; only its thread uses it.

    wrong_values   values that were another key's or malformed; each counted as a miss
    partial_reads  readings of a Cluster that not all of its nodes answered; the rest counts as misses
    """

    def __init__(
        self, settings: RedisSettings, random: Random, prefix: str = "homecell:home:", ttl_s: float = 3600.0
    ) -> None:
        self.wrong_values = 0
        self.partial_reads = 0
        self._settings = settings
        self._random = random
        self._prefix = prefix
        self._ttl_s = ttl_s
        self._loop = asyncio.get_running_loop()
        self._client: RedisClient | None = open_client(settings)
        self._grouping = Grouping()
        self._places = asyncio.Semaphore(settings.connections)
        self._calls: set[asyncio.Task[Any]] = set()

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.SharedCache.read. A cancelled caller leaves; the reading itself goes on to its end, because
        only then is the connection fit for the next one."""
        return await self._unharmed(self._read(keys)) if keys else {}

    async def fill(self, assignments: Sequence[Assignment]) -> None:
        """ports.SharedCache.fill."""
        if assignments:
            await self._unharmed(self._fill(assignments))

    async def close(self) -> None:
        """End what is on its way and all connections; later calls raise StoreUnavailableError."""
        client, self._client = self._client, None
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        if client is not None:
            await client.aclose()

    async def _unharmed(self, call: Coroutine[Any, Any, T]) -> T:
        task = self._loop.create_task(self._in_turn(call))
        self._calls.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _in_turn(self, call: Coroutine[Any, Any, T]) -> T:
        async with self._places:
            return await call

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have left

    async def _read(self, keys: Sequence[str]) -> dict[str, Assignment]:
        """In a second step the homes of those keys that name another one."""
        found, named = await self._read_values(keys)
        missing = {alias.home for alias in named} - found.keys()
        homes = found | (await self._read_values(list(missing)))[0] if missing else found
        for alias in named:
            record = homes.get(alias.home)
            if record is not None:
                found[alias.key] = replace(record, aliases=(alias,))
        return found

    async def _read_values(self, keys: Sequence[str]) -> tuple[dict[str, Assignment], list[Alias]]:
        names = [self._prefix + key for key in keys]
        client = self._open_client()
        with port_errors():
            nodes = await self._grouping.by_node(client, names, _READ_AT_ONCE)
        answers = await self._each([_read_node(client, node) for node in nodes])
        if len(answers) < len(nodes):
            self.partial_reads += 1
        values: dict[str, object] = {}
        for answer in answers:
            values |= answer
        found: dict[str, Assignment] = {}
        named: list[Alias] = []
        for key, name in zip(keys, names, strict=True):
            value = values.get(name)
            if isinstance(value, bytes):
                held = redis_value.decode(value, key)
                if held is None:
                    self.wrong_values += 1
                elif isinstance(held, Alias):
                    named.append(held)
                else:
                    found[key] = held
        return found, named

    async def _fill(self, records: Sequence[Assignment]) -> None:
        names = [as_record(alias) for record in records for alias in record.aliases]
        spelled: Spelled = {
            self._prefix + record.key: (record.epoch, redis_value.encode(record), self._ttl_ms())
            for record in sorted([*records, *names], key=attrgetter("epoch"))
        }
        client = self._open_client()
        with port_errors():
            nodes = await self._grouping.by_node(client, spelled, _FILL_AT_ONCE)
        await self._each([_fill_node(client, node, spelled) for node in nodes])

    async def _each(self, calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """What the servers answered; those that did not are left out, unless none did."""
        outcomes = await _outcomes(calls)
        answers = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if failures:
            await self._take_failure(failures[0])
            if not answers:
                with port_errors():
                    raise failures[0]
        return answers

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

    def _ttl_ms(self) -> int:
        return round(1000 * self._ttl_s * (1 - _TTL_SPREAD * self._random.random()))

    def _open_client(self) -> RedisClient:
        if self._client is None:
            raise StoreUnavailableError("the shared cache is closed")
        return self._client


Spelled = dict[str, tuple[int, bytes, int]]
"""By name: epoch, value, milliseconds to live."""


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


async def _read_node(client: RedisClient, node: NodeNames) -> dict[str, object]:
    if isinstance(client, Redis) and len(node) == 1:
        return dict(zip(node[0], await client.mget(node[0]), strict=True))
    async with client.pipeline(transaction=False) as pipeline:
        for names in node:
            pipeline.execute_command("MGET", *names)
        answers = await pipeline.execute()
    return {
        name: value
        for names, values in zip(node, answers, strict=True)
        for name, value in zip(names, values, strict=True)
    }


async def _fill_node(client: RedisClient, node: NodeNames, spelled: Spelled) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        for names in node:
            arguments = [argument for name in names for argument in spelled[name]]
            pipeline.execute_command("EVAL", _FILL, len(names), *names, *arguments)
        await pipeline.execute()
