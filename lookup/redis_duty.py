"""Which of several processes has a duty: the one that holds a key in Redis, which it must renew in time.

Two may hold it for a moment when one was stopped, or Redis failed over: fit for what is only wasteful twice.
"""

from __future__ import annotations

import secrets
from typing import Final

from lookup.redis_clients import RedisSettings, open_client
from lookup.redis_feed_scripts import FeedNames, run_script

HELD_FOR_S: Final = 1.0
"""A holder that died is succeeded that much later; followers of the feed miss a beat only after 2.5 s."""

_TAKE: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[1]) <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""KEYS: duty. ARGV: who asks, milliseconds. 1: it is theirs for that long. Nobody takes it for longer: then
Redis's clock was set back, and a holder who lives takes it again anyway."""


class RedisDuty:
    """One candidate for the duty of keeping a feed. Built inside the running loop."""

    def __init__(self, settings: RedisSettings, names: FeedNames) -> None:
        self._client = open_client(settings)
        self._key = names.duty
        self._name = secrets.token_hex(8)

    async def take(self) -> bool:
        """Whether the duty is this candidate's for the next HELD_FOR_S. Raises StoreUnavailableError."""
        arguments = [self._name, str(round(1000 * HELD_FOR_S))]
        return await run_script(self._client, _TAKE, [self._key], arguments) == 1

    async def close(self) -> None:
        """End the connection."""
        await self._client.aclose()
