"""Reads values of one Redis by name: one connection, kept open, several readings under way on it.

In place of redis-py, which takes longer for an MGET than all else that is done with its keys
(docs/decisions/0022-readings-in-a-pipe.md). Who the server is, and all writing, stays with redis-py.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from random import random
from typing import Final, TypeAlias

from lookup.ports import StoreUnavailableError
from lookup.redis_clients import LOGIN_REFUSED, RedisSettings, RedisTls
from lookup.redis_pacing import DialPacer
from lookup.redis_pipe import RedisPipe
from lookup.tasks import end_tasks, take_note

FindServer: TypeAlias = Callable[[], Awaitable[tuple[str, int]]]
"""The address to dial now; Sentinels may name another one each time. Raises StoreUnavailableError."""

_NAMES_AT_ONCE: Final = 4096
"""In one command: Redis does nothing else meanwhile."""

_DIALS_AT_ONCE: Final = 4
"""Before dials are spread in time; see DialPacer."""


class RedisReads:
    """Built inside the running loop; only its thread uses it. Cancelling a reading harms nobody else's."""

    def __init__(self, settings: RedisSettings, find_server: FindServer) -> None:
        self._settings = settings
        self._find_server = find_server
        self._loop = asyncio.get_running_loop()
        self._pacer = DialPacer(_DIALS_AT_ONCE)
        self._failure = ""
        self._pipe: RedisPipe | None = None
        self._dialling: asyncio.Task[RedisPipe] | None = None

    async def values(self, names: Sequence[str]) -> list[object]:
        """What Redis holds under these names, in their order. Raises StoreUnavailableError."""
        pipe = self._pipe
        if pipe is None or not pipe.is_open:
            pipe = await self._dialled()
        if len(names) <= _NAMES_AT_ONCE:
            return await _mget(pipe, names)
        parts = [names[start : start + _NAMES_AT_ONCE] for start in range(0, len(names), _NAMES_AT_ONCE)]
        answers = await asyncio.gather(*(_mget(pipe, part) for part in parts))
        return [value for values in answers for value in values]

    async def close(self) -> None:
        """Hang up; what is under way fails."""
        if self._dialling is not None:
            await end_tasks([self._dialling])
        if self._pipe is not None:
            self._pipe.end("the shared cache is closed")

    async def _dialled(self) -> RedisPipe:
        """All who need a connection meanwhile wait for the same one."""
        if self._dialling is None:
            if not self._pacer.permits(self._loop.time()):
                raise StoreUnavailableError(
                    f"Redis failed or was dialled too often just now: {self._failure}"
                )
            self._dialling = self._loop.create_task(self._dial())
            self._dialling.add_done_callback(self._dial_ended)
            self._dialling.add_done_callback(take_note)
        return await asyncio.shield(self._dialling)

    async def _dial(self) -> RedisPipe:
        try:
            self._pipe = await _connected(self._settings, await self._find_server())
        except BaseException as error:
            self._failure = str(error)
            self._pacer.failed(self._loop.time(), random())
            raise
        self._pacer.succeeded()
        return self._pipe

    def _dial_ended(self, _: asyncio.Task[RedisPipe]) -> None:
        self._dialling = None


async def _mget(pipe: RedisPipe, names: Sequence[str]) -> list[object]:
    reply = await pipe.ask(("MGET", *names))
    if not isinstance(reply, list) or len(reply) != len(names):
        pipe.end("it answers something else than it was asked")
        raise StoreUnavailableError("Redis: it answers something else than it was asked")
    return reply


async def _connected(settings: RedisSettings, address: tuple[str, int]) -> RedisPipe:
    """A connection whose server knows us and answers. One time limit for all of it."""
    host, port = address
    pipe = RedisPipe(settings.reply_timeout_s)
    try:
        async with asyncio.timeout(settings.connect_timeout_s):
            tls = _tls_context(settings.tls)
            await asyncio.get_running_loop().create_connection(lambda: pipe, host, port, ssl=tls)
            await _greet(pipe, settings)
    except TimeoutError as error:
        pipe.end("it did not greet in time")
        raise StoreUnavailableError(f"Redis: {host}:{port} does not greet in time") from error
    except OSError as error:
        raise StoreUnavailableError(f"Redis: {host}:{port}: {error}") from error
    except BaseException:
        pipe.end("it refused us")
        raise
    return pipe


async def _greet(pipe: RedisPipe, settings: RedisSettings) -> None:
    """Who only accepts connections (frozen, or asking for a password that we don't have) is told by this."""
    greeting: tuple[str, ...] = ("PING",)
    if settings.username is not None:
        greeting = ("AUTH", settings.username, settings.password or "")
    elif settings.password is not None:
        greeting = ("AUTH", settings.password)
    try:
        await pipe.ask(greeting)
    except StoreUnavailableError as error:
        if any(code in str(error) for code in ("NOAUTH", "WRONGPASS")):
            raise StoreUnavailableError(f"Redis: {LOGIN_REFUSED}") from error
        raise


def _tls_context(tls: RedisTls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(cafile=str(tls.authority))
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
