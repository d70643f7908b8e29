"""The change feed as server-sent events (WHATWG HTML, 9.2): one event for each change and heartbeat."""

from __future__ import annotations

import json
from contextlib import aclosing, suppress
from typing import Final

from aiohttp import web

from lookup.ports import Change, ChangeFeed, StoreUnavailableError
from lookup.service.forms import change_form
from lookup.service.meters import ServiceMeters
from lookup.service.problems import ProblemError

MAX_STREAMS: Final = 256


class Streams:
    """The followers of the feed by HTTP; each follows the store's feed by itself, none waits for another."""

    def __init__(self, feed: ChangeFeed, meters: ServiceMeters, most: int = MAX_STREAMS) -> None:
        self._feed = feed
        self._meters = meters
        self._most = most
        self._count = 0

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
                await response.prepare(request)
                with suppress(StoreUnavailableError, ConnectionResetError):
                    await response.write(encode_event(first))
                    async for change in changes:
                        await response.write(encode_event(change))
                return response
        finally:
            self._counted(-1)

    def _counted(self, more: int) -> None:
        self._count += more
        self._meters.streams(self._count)


def encode_event(change: Change) -> bytes:
    """One event; its id is the place in the feed."""
    kind = "heartbeat" if change.is_heartbeat else "change"
    data = json.dumps(change_form(change), ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\nid: {change.generation}/{change.sequence}\ndata: {data}\n\n".encode()
