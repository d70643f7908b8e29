"""Clients that don't take what they have asked for: hung up on, counted, told of now and then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Final

from aiohttp import web

from lookup.outage import Outage
from lookup.service.meters import ServiceMeters

_log: Final = logging.getLogger(__name__)


class Stalled:
    """For one event loop."""

    def __init__(self, meters: ServiceMeters) -> None:
        self._meters = meters
        self._telling = Outage(time.monotonic)

    async def insist(self, request: web.Request, taking: Awaitable[object], limit_s: float) -> bool:
        """Whether the client has taken it by then; one that has not is hung up on."""
        try:
            async with asyncio.timeout(limit_s):
                await taking
        except TimeoutError:
            self._hang_up(request, limit_s)
            return False
        return True

    def _hang_up(self, request: web.Request, limit_s: float) -> None:
        self._meters.stalled()
        if self._telling.failed():
            _log.warning("clients that don't take a reply for %g s are hung up on", limit_s)
        if request.transport is not None:
            request.transport.abort()
