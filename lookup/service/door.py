"""The service's port: so many connections at most, each with so long to a first request, between two, and to
take a reply."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from lookup.service.meters import ServiceMeters
from lookup.service.stalled import Stalled
from lookup.web_log import is_of_ours

_SHUTDOWN_S: Final = 1.0
_TELL_EVERY_S: Final = 60.0
_log: Final = logging.getLogger(__name__)
_log.addFilter(is_of_ours)


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """For clients, which needn't have a token yet.

    connections  at once; of those that arrive in one turn of the loop a few more
    first_s      until the head of a first request must have come
    idle_s       until that of a next one: longer than clients and load balancers usually keep a connection,
                 because a request that meets a connection's end is lost
    reply_s      until it has taken a reply, streams aside
    """

    connections: int = 4096
    first_s: float = 10.0
    idle_s: float = 75.0
    reply_s: float = 30.0


USUAL_LIMITS: Final = DoorLimits()


@asynccontextmanager
async def opened(
    application: web.Application, host: str, port: int, meters: ServiceMeters, limits: DoorLimits
) -> AsyncIterator[int]:
    """The application answers inside the block, at the port that is the value. Raises OSError."""
    door = _Door(meters, limits)
    application.middlewares.insert(0, door.hear)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_log,
        shutdown_timeout=_SHUTDOWN_S,
        keepalive_timeout=limits.idle_s,
    )
    await runner.setup()
    try:
        server = runner.server
        assert server is not None, "by its setup"
        meters.count_connections(lambda: len(server.connections))
        welcome = partial(door.welcome, server)
        listener = await asyncio.get_running_loop().create_server(welcome, host, port)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
    finally:
        await runner.cleanup()


class _Door:
    def __init__(self, meters: ServiceMeters, limits: DoorLimits) -> None:
        self._meters = meters
        self._limits = limits
        self._stalled = Stalled(meters)
        self._silent: set[RequestHandler] = set()
        self._told_at_s = -_TELL_EVERY_S

    def welcome(self, server: web.Server) -> asyncio.Protocol:
        """What is to speak with a client who connects now."""
        if len(server.connections) >= self._limits.connections:
            self._refuse()
            return _Refusal()
        protocol = server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(self._limits.first_s, self._insist, protocol)
        return protocol

    @web.middleware
    async def hear(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whoever has asked once is no longer waited for, until there is a reply to be taken."""
        if request.protocol in self._silent:
            self._silent.remove(request.protocol)
            _let_nothing_pile_up(request)
        response = await handler(request)
        with suppress(ConnectionError):
            await self._stalled.insist(request, _sent(request, response), self._limits.reply_s)
        return response

    def _insist(self, protocol: RequestHandler) -> None:
        if protocol in self._silent:
            self._silent.remove(protocol)
            protocol.force_close()

    def _refuse(self) -> None:
        self._meters.refused()
        now_s = time.monotonic()
        if now_s - self._told_at_s >= _TELL_EVERY_S:
            self._told_at_s = now_s
            _log.warning("%d clients are connected: more are hung up on", self._limits.connections)


def _let_nothing_pile_up(request: web.Request) -> None:
    """A reply is taken when the kernel has all of it: what the transport held would outlive a close."""
    if request.transport is not None:
        cast("asyncio.WriteTransport", request.transport).set_write_buffer_limits(high=0)


async def _sent(request: web.Request, response: web.StreamResponse) -> None:
    await response.prepare(request)
    await response.write_eof()


class _Refusal(asyncio.Protocol):
    """Hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()  # uvloop's is none by its class
