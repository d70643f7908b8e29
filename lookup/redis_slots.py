"""Which names may go together in one Redis command, and which commands to one server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, TypeAlias

from redis.asyncio import RedisCluster
from redis.exceptions import SlotNotCoveredError

from lookup.redis_clients import RedisClient

_LEARN_EVERY_S: Final = 1.0

NodeNames: TypeAlias = list[list[str]]
"""Of one server: names, those that may stand in one command together."""


class Grouping:
    """Groups names by server and slot; one server without slots is the simple case."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._learn_at_s = 0.0

    async def by_node(self, client: RedisClient, names: Iterable[str], at_once: int) -> list[NodeNames]:
        """The names by server, at most `at_once` per command. Names of slots without a server come last."""
        if not isinstance(client, RedisCluster):
            return [_cut(list(names), at_once)]
        await client.initialize()
        by_slot: dict[int, list[str]] = {}
        for name in names:
            by_slot.setdefault(client.keyslot(name), []).append(name)
        by_node: dict[str, NodeNames] = {}
        for slot, together in by_slot.items():
            try:
                node = client.nodes_manager.get_node_from_slot(slot).name
            except SlotNotCoveredError:
                node = ""
            by_node.setdefault(node, []).extend(_cut(together, at_once))
        return list(by_node.values())

    async def learn_topology(self, client: RedisClient) -> None:
        """After a failure: ask the Cluster again who serves what, now and then."""
        if isinstance(client, RedisCluster) and self._loop.time() >= self._learn_at_s:
            self._learn_at_s = self._loop.time() + _LEARN_EVERY_S
            await client.nodes_manager.initialize()


def _cut(names: list[str], at_once: int) -> list[list[str]]:
    return [names[start : start + at_once] for start in range(0, len(names), at_once)]
