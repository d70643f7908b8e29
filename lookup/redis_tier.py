"""The shared cache on Redis. One MGET per reading; what it answers is checked, not trusted.

It never decides what is true: a value of a higher epoch is never replaced, and a wrong one is a miss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from random import Random
from typing import Final

from lookup import redis_value
from lookup.aliases import as_record
from lookup.assignment import Alias, Assignment
from lookup.redis_clients import RedisClient, RedisSettings, Topology
from lookup.redis_nodes import RedisNodes
from lookup.redis_reads import RedisReads
from lookup.redis_slots import NodeNames

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
        self._random = random
        self._prefix = prefix
        self._ttl_s = ttl_s
        self._nodes = RedisNodes(settings)
        is_cluster = settings.topology is Topology.CLUSTER
        self._reads = None if is_cluster else RedisReads(settings, self._nodes.master)

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.SharedCache.read; in a second step the homes of those keys that name another one."""
        if not keys:
            return {}
        found, named = await self._read_values(keys)
        if not named:
            return found
        missing = {alias.home for alias in named} - found.keys()
        homes = found | (await self._read_values(list(missing)))[0] if missing else found
        for alias in named:
            record = homes.get(alias.home)
            if record is not None:
                found[alias.key] = replace(record, aliases=(alias,))
        return found

    async def fill(self, assignments: Sequence[Assignment]) -> None:
        """ports.SharedCache.fill."""
        if assignments:
            await self._nodes.unharmed(self._fill(assignments))

    async def close(self) -> None:
        """End what is on its way and all connections; later calls raise StoreUnavailableError."""
        await self._nodes.close()
        if self._reads is not None:
            await self._reads.close()

    async def _read_values(self, keys: Sequence[str]) -> tuple[dict[str, Assignment], list[Alias]]:
        prefix = self._prefix
        names = [prefix + key for key in keys]
        if self._reads is not None:
            values = await self._reads.values(names)
        else:
            values = await self._nodes.unharmed(self._read_nodes(names))
        held = redis_value.decode_all(keys, values)
        self.wrong_values += held.wrong_values
        return held.found, held.named

    async def _read_nodes(self, names: Sequence[str]) -> list[object]:
        answers, is_whole = await self._nodes.each(names, _READ_AT_ONCE, _read_node)
        self.partial_reads += not is_whole
        values: dict[str, object] = {}
        for answer in answers:
            values |= answer
        return [values.get(name) for name in names]

    async def _fill(self, records: Sequence[Assignment]) -> None:
        names = [
            replace(as_record(alias), read_at_s=record.read_at_s)
            for record in records
            for alias in record.aliases
        ]
        spelled: Spelled = {
            self._prefix + record.key: (record.epoch, redis_value.encode(record), self._ttl_ms())
            for record in sorted([*records, *names], key=attrgetter("epoch"))
        }

        async def fill_node(client: RedisClient, node: NodeNames) -> None:
            await _fill_node(client, node, spelled)

        await self._nodes.each(spelled, _FILL_AT_ONCE, fill_node)

    def _ttl_ms(self) -> int:
        return round(1000 * self._ttl_s * (1 - _TTL_SPREAD * self._random.random()))


Spelled = dict[str, tuple[int, bytes, int]]
"""By name: epoch, value, milliseconds to live."""


async def _read_node(client: RedisClient, node: NodeNames) -> dict[str, object]:
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
