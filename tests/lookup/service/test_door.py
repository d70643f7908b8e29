"""Clients that take connections of the lookup service and ask nothing: they keep none from those who ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Final, ParamSpec

import pytest
import uvloop
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from lookup.service.door import DoorLimits, opened
from lookup.service.meters import ServiceMeters
from tests.lookup.asynchronous import DEADLINE_S, until

P = ParamSpec("P")

REQUEST: Final = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
MUCH_BYTES: Final = 32 * 1024 * 1024
"""No kernel takes as much for a client that reads nothing."""

LITTLE_BYTES: Final = 32 * 1024


def on_uvloop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """As the service runs: its transports are others than asyncio's."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), DEADLINE_S))

    return run


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def is_answered(self) -> bool:
        """Whether a request is answered, instead of being hung up on."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self._writer.write(REQUEST)
            return (await self._reader.readuntil(b"here")).startswith(b"HTTP/1.1 200 ")
        return False

    async def is_hung_up_on(self, begun: bytes = b"") -> bool:
        """Whether that is all that happens after these bytes."""
        self._writer.write(begun)
        with suppress(ConnectionError):
            return await self._reader.read() == b""
        return True

    def ask(self, request: bytes) -> None:
        """And read nothing: beyond 128 KiB of it, what comes waits in the kernel."""
        self._writer.write(request)

    def leave(self) -> None:
        self._writer.close()


class Port:
    """A service's port and meters."""

    def __init__(self, port: int, meters: ServiceMeters) -> None:
        self._port = port
        self._meters = meters

    async def client(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self._port))

    async def answered_client(self) -> Client:
        """One whose first request was in time, however slow this machine is."""
        while not await (client := await self.client()).is_answered():
            client.leave()
        return client

    def metric(self, name: str) -> float:
        families = text_string_to_metric_families(self._meters.text().decode())
        (value,) = (each.value for family in families for each in family.samples if each.name == name)
        return value


@asynccontextmanager
async def listening(limits: DoorLimits) -> AsyncIterator[Port]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="here")

    application = web.Application()

    async def answer_bytes(request: web.Request) -> web.Response:
        return web.Response(body=bytes(int(request.match_info["count"])))

    application.router.add_get("/", answer)
    application.router.add_get("/{count}", answer_bytes)
    meters = ServiceMeters(lambda: 0.0)
    async with opened(application, "127.0.0.1", 0, meters, limits) as port:
        yield Port(port, meters)


@pytest.mark.parametrize("begun", [b"", REQUEST[:-2]])
@on_uvloop
async def test_who_asks_nothing_is_hung_up_on_and_who_has_asked_is_not(begun: bytes) -> None:
    async with listening(DoorLimits(first_s=0.1)) as port:
        other = await port.answered_client()
        client = await port.client()
        assert await client.is_hung_up_on(begun)
        assert await other.is_answered()


@on_uvloop
async def test_who_asks_nothing_more_is_hung_up_on() -> None:
    async with listening(DoorLimits(idle_s=0.1)) as port:
        client = await port.client()
        assert await client.is_answered()
        assert await client.is_hung_up_on(REQUEST[:-2])


@on_uvloop
async def test_more_clients_than_may_be_are_hung_up_on_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening(DoorLimits(connections=2)) as port:
        first, second = [await port.answered_client() for _ in range(2)]
        for _ in range(3):
            assert not await (await port.client()).is_answered()
        assert await second.is_answered()
        assert port.metric("homecell_service_connections") == 2
        assert port.metric("homecell_service_connections_refused_total") == 3
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
            "2 clients are connected: more are hung up on"
        ]
        first.leave()
        await port.answered_client()


@pytest.mark.parametrize("reply_bytes", [MUCH_BYTES, LITTLE_BYTES])
@on_uvloop
async def test_who_takes_no_reply_is_hung_up_on_counted_and_told_of_once(
    reply_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    asked = f"GET /{reply_bytes} HTTP/1.1\r\nHost: h\r\n\r\n".encode() * (MUCH_BYTES // reply_bytes)
    async with listening(DoorLimits(reply_s=0.1)) as port:
        clients = [await port.client() for _ in range(2)]
        for client in clients:
            client.ask(asked)
        await until(lambda: port.metric("homecell_service_connections_stalled_total") == 2)
        await until(lambda: port.metric("homecell_service_connections") == 0)
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
            "clients that don't take a reply for 0.1 s are hung up on"
        ]
