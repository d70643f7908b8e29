"""Empties the shared cache on Redis, for when the truth was put back to what it was before."""

from __future__ import annotations

from typing import Final

from lookup.redis_clients import RedisClient, RedisSettings, open_client, port_errors

_AT_ONCE: Final = 500


async def empty_cache(settings: RedisSettings, prefix: str) -> int:
    """Forget every home that is kept under names with that prefix; how many they were.

    Values of a high epoch would else keep out the older ones that are true again. Raises
    StoreUnavailableError; may be repeated.
    """
    client = open_client(settings)
    try:
        with port_errors():
            return await _empty(client, prefix.encode())
    finally:
        await client.aclose()


async def _empty(client: RedisClient, prefix: bytes) -> int:
    dropped = 0
    names: list[bytes] = []
    async for name in client.scan_iter(match=_literal(prefix) + b"*", count=_AT_ONCE):
        names.append(name)
        if len(names) == _AT_ONCE:
            dropped += await _drop(client, names)
            names = []
    return dropped + await _drop(client, names)


async def _drop(client: RedisClient, names: list[bytes]) -> int:
    async with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.execute_command("UNLINK", name)
        return sum(await pipeline.execute())


def _literal(text: bytes) -> bytes:
    """As a pattern that matches just that."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\" else bytes([byte]) for byte in text)
