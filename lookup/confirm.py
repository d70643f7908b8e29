"""Asks the truth itself for a home, past every cache: for unsafe methods in a worker without a lease, and
when a cell says that it is not the home.

Readings are batched and bounded like the resolver's; each answer is of one that began after the question.
"""

from __future__ import annotations

import asyncio

from lookup.assignment import Assignment
from lookup.first_sight import FirstSight
from lookup.flight import Flight, FlightDeck
from lookup.observer import LookupObserver
from lookup.resolution import Outcome, Resolution, Tier
from lookup.settings import LookupSettings
from lookup.tier_reader import Read, TierReader


class _Question(Flight):
    """A flight that also keeps the record that answered it."""

    __slots__ = ("record",)

    def __init__(self, key: str, now_s: float, deadline_s: float) -> None:
        super().__init__(key, now_s, deadline_s)
        self.record: Assignment | None = None


class Confirmations(FlightDeck):
    """Built inside the running loop; only its thread uses it.

    read         ports.Store.confirm
    first_sight  gives those a home whom the store does not know. None: they are unknown
    """

    def __init__(
        self,
        read: Read,
        settings: LookupSettings,
        observer: LookupObserver,
        first_sight: FirstSight | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline_s = settings.deadline_s
        self._observer = observer
        self._reader = TierReader(Tier.STORE, read, settings.store_limits(), self, observer, first_sight)

    async def confirm(self, key: str, now_s: float) -> Resolution:
        """What the store says now (`now_s` in Unix seconds); UNAVAILABLE when it can't be asked in time."""
        found, _ = await self.witness(key, now_s)
        return found

    async def witness(self, key: str, now_s: float) -> tuple[Resolution, Assignment | None]:
        """Likewise, and the record that says so if one was FOUND."""
        begun_s = self._loop.time()
        flight = _Question(key, now_s, begun_s + self._deadline_s)
        flight.tier = Tier.STORE
        waiter: asyncio.Future[None] = self._loop.create_future()
        flight.waiters.append(waiter)
        self._reader.submit(flight)
        try:
            async with asyncio.timeout(self._deadline_s):
                await waiter
        except TimeoutError:
            flight.land(None)
        found = flight.answer or Resolution(Outcome.UNAVAILABLE, key, Tier.STORE)
        self._observer.lookup(found.tier, found.outcome, self._loop.time() - begun_s)
        return found, flight.record

    async def close(self) -> None:
        """End the readings on their way; their callers get UNAVAILABLE."""
        await self._reader.close()

    def departing(self, flight: Flight) -> None:
        """Nothing: what memory knows does not matter here."""

    def answered(self, flight: Flight, record: Assignment | None, tier: Tier) -> None:
        """The store's word, whatever it is."""
        if flight.landed:
            return
        if record is None:
            flight.land(Resolution(Outcome.UNKNOWN, flight.key, tier))
        else:
            if isinstance(flight, _Question):
                flight.record = record
            flight.land(
                Resolution(
                    Outcome.FOUND,
                    record.key,
                    tier,
                    record.cell,
                    record.jurisdiction,
                    record.epoch,
                    record.state,
                )
            )

    def unanswered(self, flight: Flight, tier: Tier) -> None:  # noqa: ARG002 -- the port's signature
        """The store failed."""
        if not flight.landed:
            flight.land(None)
