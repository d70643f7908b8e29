"""The change feed as server-sent events (WHATWG HTML, 9.2), one for each change and heartbeat; its history as
lines of JSON."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from math import isfinite, nan
from typing import Final

from aiohttp import web

from lookup.ports import Change, ChangeFeed, StoreUnavailableError
from lookup.service.forms import change_form
from lookup.service.histories import LINES_TYPE, Histories
from lookup.service.meters import ServiceMeters
from lookup.service.problems import ProblemError
from lookup.service.stalled import Stalled

MAX_STREAMS: Final = 256
_HISTORY_S: Final = 10.0
STALLED_S: Final = 10.0
"""A client that takes nothing for so long is hung up on."""


class Streams:
    """The followers of the feed by HTTP; each follows the store's feed by itself, none waits for another."""

    def __init__(
        self,
        feed: ChangeFeed,
        meters: ServiceMeters,
        most: int = MAX_STREAMS,
        stalled_s: float = STALLED_S,
    ) -> None:
        self._feed = feed
        self._meters = meters
        self._most = most
        self._stalled_s = stalled_s
        self._stalled = Stalled(meters)
        self._count = 0
        self._histories = Histories(feed)

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """Tell until the client leaves or the feed breaks. Raises ProblemError or StoreUnavailableError."""
        if self._count >= self._most:
            raise ProblemError("too-many-streams", f"{self._most} follow already")
        self._counted(1)
        try:
            async with aclosing(self._feed.follow()) as changes:
                first = await anext(changes)  # before the head is sent: a dead feed is a 503
                response = web.StreamResponse(
                    headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
                )
                with suppress(StoreUnavailableError, ConnectionResetError):
                    await response.prepare(request)
                    if await self._send(request, response, encode_event(first)):
                        async for change in changes:
                            if not await self._send(request, response, encode_event(change)):
                                break
                return response
        finally:
            self._counted(-1)

    async def history(self, request: web.Request) -> web.StreamResponse:
        """The moves after `since_s`. Raises ValueError, StoreUnavailableError, TimeoutError."""
        since_s = _seconds(request.query.get("since_s", ""))
        async with asyncio.timeout(_HISTORY_S):
            lines = await self._histories.lines(since_s)
        response = web.StreamResponse(headers={"Content-Type": LINES_TYPE, "Cache-Control": "no-store"})
        with suppress(ConnectionResetError):
            await response.prepare(request)
            for line in lines:
                if not await self._send(request, response, line):
                    break
                await asyncio.sleep(0)
        return response

    async def close(self) -> None:
        """End what is being read for clients."""
        await self._histories.close()

    async def _send(self, request: web.Request, response: web.StreamResponse, piece: bytes) -> bool:
        return await self._stalled.insist(request, response.write(piece), self._stalled_s)

    def _counted(self, more: int) -> None:
        self._count += more
        self._meters.streams(self._count)


def _seconds(text: str) -> float:
    try:
        since_s = float(text)
    except ValueError:
        since_s = nan
    if not isfinite(since_s):
        raise ValueError("`since_s` is no time in Unix seconds")
    return since_s


def encode_event(change: Change) -> bytes:
    """One event; its id is the place in the feed."""
    kind = "heartbeat" if change.is_heartbeat else "change"
    data = json.dumps(change_form(change), ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\nid: {change.generation}/{change.sequence}\ndata: {data}\n\n".encode()
