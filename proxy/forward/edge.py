"""What every journey of one worker shares. Made by the composition root; nothing here decides anything."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network, IPv6Network, ip_address
from math import inf
from random import Random
from typing import TYPE_CHECKING, Final

from lookup.confirm import Confirmations
from lookup.fence import Fence
from lookup.resolver import Resolver
from proxy.forward.outbox import Outbox
from proxy.forward.snapshot import Snapshot
from proxy.forward.wheel import DeadlineWheel
from proxy.observe.access_log import AccessLog
from proxy.observe.meters import Meters
from proxy.observe.samples import Samples
from proxy.rooms.identify import Identify
from proxy.rooms.routing_cookie import RoutingCookies
from proxy.wire.dates import Dates
from proxy.wire.forwarding import client_named
from proxy.wire.ids import IdPool

if TYPE_CHECKING:
    from proxy.forward.downstream import Downstream

MAX_ATTEMPTS: Final = 3


class Timeouts:
    """Seconds: head (408), body and client stalls (408 or abort), idle connections, reply head (504)."""

    __slots__ = ("body_s", "head_s", "idle_s", "request_s")

    def __init__(self, head_s: float, body_s: float, idle_s: float, request_s: float) -> None:
        self.head_s = head_s
        self.body_s = body_s
        self.idle_s = idle_s
        self.request_s = request_s


class Edge:
    """One worker's shared parts.

    connections     open client connections; connection_limit is the most of them
    in_flight       requests under way
    dates           for the edge's own replies and those of cells that have none
    samples         of whom they are
    fence           which unsafe requests are under way, and until when they need no confirming
    disputes_told_s when the log was last told that a cell and the truth disagree, on the wheel's clock
    stopping        no further request is read from a connection; replies say Connection: close
    """

    __slots__ = (
        "access_log",
        "confirmations",
        "connection_limit",
        "connections",
        "cookies",
        "dates",
        "disputes_told_s",
        "fence",
        "identify",
        "ids",
        "in_flight",
        "jurisdiction",
        "loop",
        "meters",
        "outbox",
        "resolver",
        "samples",
        "snapshot",
        "stopping",
        "timeouts",
        "trusted_networks",
        "turn",
        "wheel",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        jurisdiction: str,
        snapshot: Snapshot,
        identify: Identify,
        cookies: RoutingCookies,
        resolver: Resolver,
        confirmations: Confirmations,
        fence: Fence,
        outbox: Outbox,
        meters: Meters,
        access_log: AccessLog,
        wheel: DeadlineWheel,
        timeouts: Timeouts,
        connection_limit: int,
        trusted_networks: tuple[IPv4Network | IPv6Network, ...],
    ) -> None:
        self.loop = loop
        self.jurisdiction = jurisdiction
        self.snapshot = snapshot
        self.identify = identify
        self.cookies = cookies
        self.resolver = resolver
        self.confirmations = confirmations
        self.fence = fence
        self.outbox = outbox
        self.meters = meters
        self.access_log = access_log
        self.wheel = wheel
        self.timeouts = timeouts
        self.connection_limit = connection_limit
        self.trusted_networks = trusted_networks
        self.ids = IdPool()
        self.dates = Dates()
        self.samples = Samples(Random())
        self.connections: set[Downstream] = set()
        self.in_flight = 0
        self.turn = 0
        self.disputes_told_s: float = -inf
        self.stopping = False

    def adopt(self, snapshot: Snapshot) -> None:
        """Show the next generation to what begins now, and to what waits for a cell that it takes out."""
        taken_out = snapshot.down - self.snapshot.down
        self.snapshot = snapshot
        if taken_out:
            for connection in tuple(self.connections):
                connection.on_cells_taken_out()

    def trusts(self, address: str) -> bool:
        """Whether a peer's own forwarding fields are believed."""
        if not self.trusted_networks or address == "unix":
            return False
        peer = ip_address(address)
        return any(peer in network for network in self.trusted_networks)

    def client_behind(self, peer: str, told: list[bytes]) -> str:
        """Whom a trusted peer's forwarding fields name as the client; if nobody usable, the peer."""
        return client_named(told, self.trusts) or peer
