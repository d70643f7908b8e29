"""A shared cache on a real Redis, and what that Redis holds and was asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from bench.servers.redis import RedisServer
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_tier import RedisTier
from tests.lookup.fakes import home

PREFIX = "test:"


@asynccontextmanager
async def tier_on(settings: RedisSettings, ttl_s: float = 3600.0) -> AsyncIterator[RedisTier]:
    tier = RedisTier(settings, Random(7), PREFIX, ttl_s)
    try:
        yield tier
    finally:
        await tier.close()


def settings_of(server: RedisServer) -> RedisSettings:
    return RedisSettings(((server.host, server.port),), password=server.password or None)


def held(server: RedisServer, key: str) -> str | None:
    with server.client() as client:
        value = client.get(PREFIX + key)
    assert value is None or isinstance(value, str)
    return value


def put(server: RedisServer, key: str, value: bytes | str) -> None:
    with server.client() as client:
        client.set(PREFIX + key, value)


def commands_since_reset(server: RedisServer) -> dict[str, int]:
    with server.client() as client:
        return {name: stats["calls"] for name, stats in client.info("commandstats").items()}


def reset_statistics(server: RedisServer) -> None:
    with server.client() as client:
        client.config_resetstat()


async def until_it_answers(tier: RedisTier, key: str) -> float:
    """Seconds until a filled key is read."""
    begun_s = time.monotonic()
    while True:
        try:
            await tier.fill([home(key)])
            if key in await tier.read([key]):
                return time.monotonic() - begun_s
        except StoreUnavailableError:
            await asyncio.sleep(0.01)


async def longest_failure_s(tier: RedisTier, seconds: float, least: int) -> float:
    """The seconds of the longest reading, of all begun in that time, or of so many: each fails."""
    failed, longest_s, end_s = 0, 0.0, time.monotonic() + seconds
    while time.monotonic() < end_s or failed < least:
        begun_s = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await tier.read(["user:1"])
        failed += 1
        longest_s = max(longest_s, time.monotonic() - begun_s)
        await asyncio.sleep(0.005)
    return longest_s
