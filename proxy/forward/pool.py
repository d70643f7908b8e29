"""One worker's connections to one cell: idle ones, newest first, and how to open another."""

from __future__ import annotations

import asyncio

from proxy.cells.addresses import Addresses
from proxy.forward.outbox import Outbox
from proxy.forward.upstream import IDLE, Upstream
from proxy.forward.wheel import DeadlineWheel
from proxy.model import Endpoint


class Pool:
    """Connections to one cell; each carries one request at a time and belongs to this cell for ever.

    idle_timeout_s      an idle connection is closed after this time; stays below the cell's own limit
    connect_timeout_s   for opening one
    limit               the most connections at a time, idle and busy
    announced           connections that will be opened in this turn of the loop; they count too
    """

    __slots__ = (
        "_addresses",
        "_endpoints",
        "_idle",
        "_next",
        "_wheel",
        "announced",
        "connect_timeout_s",
        "idle_timeout_s",
        "limit",
        "open_count",
        "outbox",
    )

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        addresses: Addresses,
        wheel: DeadlineWheel,
        outbox: Outbox,
        idle_timeout_s: float,
        connect_timeout_s: float,
        limit: int,
    ) -> None:
        self._endpoints = endpoints
        self._addresses = addresses
        self._wheel = wheel
        self.outbox = outbox
        self._idle: list[Upstream] = []
        self._next = 0
        self.idle_timeout_s = idle_timeout_s
        self.connect_timeout_s = connect_timeout_s
        self.limit = limit
        self.open_count = 0
        self.announced = 0

    def take(self) -> Upstream | None:
        """The idle connection used last, or None."""
        idle = self._idle
        while idle:
            upstream = idle.pop()
            if upstream.phase == IDLE:
                return upstream
        return None

    def give_back(self, upstream: Upstream) -> None:
        """An exchange ended cleanly and the connection may serve another one."""
        upstream.idle_since_s = self._wheel.now_s
        self._idle.append(upstream)

    @property
    def full(self) -> bool:
        """Whether no further connection may be opened."""
        return self.open_count + self.announced >= self.limit

    async def open(self) -> Upstream:
        """Open a connection to the next endpoint in turn.

        Raises OSError when it is refused or unreachable, TimeoutError (an OSError) after connect_timeout_s.
        """
        self.open_count += 1
        upstream = Upstream(self)
        try:
            host, port = self._next_address()
            async with asyncio.timeout(self.connect_timeout_s):
                # uvloop wants the methods of a protocol, not its base class, which mypyc could not compile
                await asyncio.get_running_loop().create_connection(upstream.itself, host, port)  # type: ignore[type-var]
        except BaseException:
            self.open_count -= 1
            raise
        return upstream

    def _next_address(self) -> tuple[str, int]:
        """The next address in turn, over all endpoints and all their addresses."""
        known = [(ip, e.port) for e in self._endpoints for ip in self._addresses.of(e.host)]
        if not known:
            raise OSError("no address is known of any endpoint")
        self._next = (self._next + 1) % len(known)
        return known[self._next]

    def closed(self, upstream: Upstream) -> None:
        """A connection is gone."""
        self.open_count -= 1
        if upstream in self._idle:
            self._idle.remove(upstream)

    def trim(self) -> None:
        """Close what was idle too long; called by the worker's ticker."""
        oldest_s = self._wheel.now_s - self.idle_timeout_s
        while self._idle and self._idle[0].idle_since_s < oldest_s:
            self._idle.pop(0).abort()

    def close_idle(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().abort()
