"""One request's way through the rooms: whose is it, where is home, may it go there; and how it ended."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from math import inf
from typing import Final

from lookup.assignment import NO_EPOCH, State
from lookup.flight import Flight
from lookup.resolution import Hint, Outcome, Resolution, Tier
from proxy import errors
from proxy.errors import Refusal
from proxy.forward.exchange import DONE, LOOKUP, ROOMS
from proxy.forward.link import CellLink
from proxy.forward.own_answers import OwnAnswers
from proxy.forward.request_body import RequestBody
from proxy.forward.wheel import NEVER_S
from proxy.model import Source
from proxy.rooms.identity import Identity
from proxy.rooms.routes import Route
from proxy.wire.framing import NO_BODY
from proxy.wire.reply import ReplyHead, shared_caches_may_keep

_NO_LINES: Final[list[bytes]] = []
_NO_TIER: Final = -1
_FOUND: Final = Outcome.FOUND
_UNKNOWN: Final = Outcome.UNKNOWN
_MOVING: Final = State.MOVING
_NO_COOKIE_TIERS: Final = (Tier.CLAIM, Tier.STALE)


class Journey(OwnAnswers):
    """The decisions about one request, in the order of the rooms."""

    __slots__ = ()

    def begin(self, data: bytes) -> bytes:
        """Walk the rooms. `data` is what arrived behind the head; returns what follows the request's body."""
        edge = self.edge
        edge.in_flight += 1
        self.down.deadline_s = NEVER_S
        head = self.head
        self.route = route = edge.snapshot.routes.find(head.target)
        if head.framing != NO_BODY:
            limit_bytes = route.body_limit_bytes if route is not None else 0
            self.body = RequestBody(head.framing, head.content_length, limit_bytes)
        if route is None:
            self.refuse(errors.NO_ROUTE, "")
        elif self.body is not None:
            data = self.body_arrived(data)
        if route is not None and self.state == ROOMS:
            self._identify(route)
        return data

    # Room 3: who asks?

    def _identify(self, route: Route) -> None:
        now_s = self.began_at_s
        head = self.head
        identity = self.edge.identify.identify(head.authorization, head.cookie, now_s)
        if isinstance(identity, Refusal):
            if route.anonymous and identity.problem is errors.NO_CREDENTIAL:
                self._go_anywhere()
            else:
                self.refuse(identity.problem, identity.detail)
            return
        self.identity = identity
        self.cookie_due = identity.wants_cookie or identity.holds_cookie
        if not head.safe:
            self.edge.fence.enter(identity.key)  # before its home is known: a move waits for who asked first
        self._find_home(identity, identity.hint, now_s)

    def _go_anywhere(self) -> None:
        """A request without a credential, where the route allows it: to any serving cell near."""
        links = self.edge.snapshot.serving_links(self.edge.jurisdiction)
        if not links:
            self.degrade(errors.CELL_DOWN, "no cell of this edge's jurisdiction is in service")
            return
        self.edge.turn += 1
        link = links[self.edge.turn % len(links)]
        link.meter.enter()
        self.depart(link, False)

    # Room 4: where is home?

    def _find_home(self, identity: Identity, hint: Hint | None, now_s: float) -> None:
        """At once if claim or memory tell it; a write without a lease is confirmed by the store."""
        if not self.head.safe and not self.edge.fence.holds(self.started_s, now_s):
            self._wait_for(self._confirm(identity, now_s))
            return
        resolution = self.edge.resolver.recall(identity.key, hint, now_s, self.head.safe)
        if resolution is None:
            flight = self.edge.resolver.board(identity.key, hint, now_s)
            self._wait_for(self._look_up(flight, identity, hint, now_s))
        else:
            self.edge.meters.lookup(resolution.tier, resolution.outcome, time.perf_counter() - self.started_s)
            self.permit(resolution)

    def _wait_for(self, lookup: Coroutine[None, None, None]) -> None:
        if self.state != ROOMS:
            raise self.illegal(LOOKUP)
        self.state = LOOKUP
        self.withheld = True  # until it is known whose law the path is under
        self.edge.wheel.set_deadline(self.down, self.edge.timeouts.request_s)
        self.opening = self.edge.loop.create_task(lookup)

    async def _look_up(self, flight: Flight, identity: Identity, hint: Hint | None, now_s: float) -> None:
        resolution = await self.edge.resolver.landing(flight, hint, now_s, self.head.safe)
        if self.state == LOOKUP and self.may_have_moved():  # the lease ended while it waited
            await self._confirm(identity, now_s)
        elif self.state == LOOKUP:
            self.permit(resolution)

    async def _confirm(self, identity: Identity, now_s: float) -> None:
        """No move waits for a worker without a lease: only the truth can tell where a write may go."""
        resolution = await self.edge.confirmations.confirm(identity.key, now_s)
        if self.state == LOOKUP:
            self.permit(resolution)

    # Rooms 5 and 6: may it go there, and is the cell in service?

    def permit(self, resolution: Resolution) -> None:
        self.resolution = resolution
        if resolution.outcome is not _FOUND:
            if resolution.outcome is _UNKNOWN:
                self.withheld = False
                self.refuse(errors.UNKNOWN_HOME, "")
            else:
                self.refuse(errors.LOOKUP_UNAVAILABLE, "")
            return
        snapshot = self.edge.snapshot
        link = snapshot.links.get(resolution.cell)
        if link is None:
            self._not_listed(resolution)
            return
        if resolution.jurisdiction not in link.permitted:
            self._not_permitted(resolution, link)
            return
        self.withheld = False
        self.link = link
        self.epoch = resolution.epoch
        link.meter.enter()
        if link.name in snapshot.down:
            self.degrade(errors.CELL_DOWN, "")
        elif resolution.state is _MOVING and not self.head.safe:
            self.refuse(errors.MOVING, "")
        else:
            self.depart(link, False)

    def _not_listed(self, resolution: Resolution) -> None:
        """No such cell here. A claim may be of one that was retired: the truth is asked, not memory, for the
        claim may as well be newer than that.

        Users whom no cell here may have belong to another edge all the same.
        """
        jurisdiction = resolution.jurisdiction
        links = self.edge.snapshot.links.values()
        identity = self.identity
        if self.state == ROOMS and resolution.tier == Tier.CLAIM and identity is not None:
            self._wait_for(self._confirm(identity, self.began_at_s))
        elif jurisdiction and not any(jurisdiction in link.permitted for link in links):
            self.wrong_edge(jurisdiction)
        else:
            self.withheld = self.withheld and not jurisdiction
            self.refuse(errors.HOME_NOT_LISTED, "")

    def _not_permitted(self, resolution: Resolution, link: CellLink) -> None:
        """Some who may live in that cell may not pass here: a claim, which doesn't tell who, is confirmed."""
        identity = self.identity
        if resolution.jurisdiction or not link.permitted or identity is None:
            self.wrong_edge(resolution.jurisdiction or link.jurisdiction)
        elif self.state == ROOMS and resolution.tier == Tier.CLAIM:
            self._find_home(identity, None, self.began_at_s)
        else:
            self.refuse(errors.LOOKUP_UNAVAILABLE, "")

    # What the exchange asks for.

    def cookie_lines(self, reply: ReplyHead) -> list[bytes]:
        """A routing cookie for clients that keep cookies, when their home had to be looked up.

        A reply that shared caches may keep carries none: a cache could hand it to somebody else.
        """
        resolution = self.resolution
        if shared_caches_may_keep(reply.fields):
            return _NO_LINES
        if resolution is None or resolution.tier in _NO_COOKIE_TIERS or resolution.epoch == NO_EPOCH:
            return _NO_LINES
        if resolution.state == State.MOVING:  # a cell that is fenced at this epoch would let it pass
            return _NO_LINES
        as_of_s = self.edge.resolver.true_as_of_s(resolution, self.began_at_s)
        if as_of_s == -inf:
            return _NO_LINES
        cookie = self.edge.cookies.set_cookie(resolution.key, resolution.cell, resolution.epoch, as_of_s)
        return [b"Set-Cookie: " + cookie]

    # Room 10.

    def finish(self, reason: str) -> None:
        if self.state == DONE:
            raise self.illegal(DONE)
        self.state = DONE
        edge = self.edge
        head = self.head
        edge.in_flight -= 1
        if self.retried_at is not None:
            self.retried_no_more()
        elapsed_s = time.perf_counter() - self.started_s
        link, resolution, identity, body = self.link, self.resolution, self.identity, self.body
        if identity is not None and not head.safe:
            cut_off = reason != "" and self.wire_head != b""
            edge.fence.leave(identity.key, cut_off, self.started_s + elapsed_s)
        if link is not None:
            link.meter.leave()
            link.meter.reply(self.status, elapsed_s)
            samples = edge.samples
            samples.left = left = samples.left - 1
            if left <= 0 and resolution is not None:
                samples.take(link.name, resolution.key)
        else:
            edge.meters.none.reply(self.status, elapsed_s)
        cell = link.name if link is not None else ""
        peer = self.down.peer
        client = peer.address
        if peer.trusted and head.forwarding:
            client = edge.client_behind(client, head.forwarding)
        edge.access_log.note(
            (
                self.began_at_s + elapsed_s,
                client,
                head.method,
                b"" if self.withheld else head.target,
                self.status,
                self.cells_asked(link) if self.asked else cell,
                resolution.tier if resolution is not None else _NO_TIER,
                resolution.epoch if resolution is not None else NO_EPOCH,
                reason,
                elapsed_s,
                body.received_bytes if body is not None else 0,
                self.reply_bytes,
                head.request_id,
                identity.source if identity is not None else Source.NONE,
                self.attempts,
            )
        )
        self.down.exchange_over(self.keep_alive)
