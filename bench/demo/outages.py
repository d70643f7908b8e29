"""Takes the servers away under traffic, and judges what users notice."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from bench.demo.rehearsal import Rehearsal
from bench.demo.servers import OwnServers
from bench.demo.stage import Stage
from bench.demo.tally import Tally, Verdict

_AWAY_S: Final = 6.0
"""Longer than a lease (3 s) and than the silence after which the feed is no more said to be heard (5 s)."""

_HEARD_WITHIN_S: Final = 15.0
_POLL_S: Final = 0.1


class ServerOutages:
    """Of one stage whose servers may be killed."""

    def __init__(self, stage: Stage, servers: OwnServers, rehearsal: Rehearsal, tally: Tally) -> None:
        self._stage = stage
        self._servers = servers
        self._rehearsal = rehearsal
        self._tally = tally

    async def lose_redis(self) -> None:
        """Cache and feed are gone for a while, and come back empty: no request may fail."""
        failed, replies = self._failed(), self._tally.total()
        redis = self._servers.redis
        pid = redis.pid
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(_AWAY_S)
        await asyncio.to_thread(redis.start)
        await asyncio.to_thread(redis.wait_ready)
        began_s = time.monotonic()
        heard = await self._feed_is_heard()
        what = f"kill -9 {pid} (Redis), {_AWAY_S:g} s later a new one: the feed is heard again"
        self._rehearsal.note(f"{what} ({time.monotonic() - began_s:.1f} s)", "yes", heard)
        served = self._tally.total() - replies
        self._rehearsal.note(
            f"requests that failed meanwhile, of {served}", "0", str(self._failed() - failed)
        )

    async def lose_cassandra(self) -> None:
        """The store is gone for good: users who are known go on reading."""
        await self._rehearsal.ask_known_users("before Cassandra is killed")
        node = self._servers.cassandra.nodes[0]
        pid = node.pid
        await asyncio.to_thread(node.kill)
        await self._rehearsal.ask_known_users(f"kill -9 {pid} (Cassandra)")
        await asyncio.sleep(_AWAY_S)
        await self._rehearsal.ask_known_users(f"{_AWAY_S:g} s later, without leases and feed")

    def _failed(self) -> int:
        return sum(self._tally.count(verdict) for verdict in (Verdict.ERROR, Verdict.LOST, Verdict.DEGRADED))

    async def _feed_is_heard(self) -> str:
        deadline_s = time.monotonic() + _HEARD_WITHIN_S
        while time.monotonic() < deadline_s:
            states = [await self._stage.feed_state(edge) for edge in self._stage.layout.edges]
            if states == ["heard"] * len(states):
                return "yes"
            await asyncio.sleep(_POLL_S)
        return f"not within {_HEARD_WITHIN_S:.0f} s"
