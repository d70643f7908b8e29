"""Followers of the feed who read nothing keep no place from others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import Final

from aiohttp import web

from lookup.ports import Change
from lookup.service.meters import ServiceMeters
from lookup.service.stream import Streams
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import FakeFeed, home
from tests.proxy.workers.stage import until as until_true

EVENT: Final = Change("g", 1, home("user:" + "x" * 200), None, "cell-b")


class BusyFeed(FakeFeed):
    """Tells without end; `followers` are those who follow it now."""

    followers = 0

    async def follow(self) -> AsyncGenerator[Change, None]:
        self.followers += 1
        try:
            while True:
                yield EVENT
                await asyncio.sleep(0)
        finally:
            self.followers -= 1


@asynchronous
async def test_a_follower_that_reads_nothing_is_hung_up_on() -> None:
    feed = BusyFeed()
    meters = ServiceMeters(lambda: 0.0)
    streams = Streams(feed, meters, stalled_s=0.1)
    application = web.Application()
    application.router.add_get("/v1/changes", streams.follow)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, runner.addresses[0])
        await loop.sock_sendall(client, b"GET /v1/changes HTTP/1.1\r\nHost: h\r\n\r\n")
        await until_true(lambda: _is(feed.followers == 1), "it is told of changes")
        await until_true(lambda: _is(feed.followers == 0), "nobody follows any more")
    assert b"homecell_service_connections_stalled_total 1.0" in meters.text()
    await streams.close()
    await runner.cleanup()


async def _is(fact: bool) -> bool:
    return fact
