"""Reads keys from one tier: a loop tick's misses together, few readings at once, none while it is broken."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

from lookup.aliases import answers
from lookup.assignment import Assignment
from lookup.circuit import Circuit
from lookup.first_sight import FirstSight
from lookup.flight import Flight, FlightDeck
from lookup.hedging import HedgeBudget
from lookup.lateness import loop_turns
from lookup.observer import ERROR, LATE, OPEN, WRONG_KEY, LookupObserver
from lookup.ports import StoreUnavailableError
from lookup.resolution import Tier

_log: Final = logging.getLogger(__name__)

Answer: TypeAlias = "asyncio.Future[Mapping[str, Assignment]]"
Read: TypeAlias = "Callable[[Sequence[str]], Awaitable[Mapping[str, Assignment]]]"


class TierLimits:
    """How hard a tier may be asked.

    timeout_s         after this a reading counts as failed
    abandon_s         and after this much more it is given up; until then it counts among the concurrent
    batch_keys        most keys in one reading
    concurrency       most readings at once
    failures_to_open  this many failures in a row open the circuit
    open_s            for so long
    hedge_after_s     a reading that takes so long is overdue: the deck may ask elsewhere. None: never
    hedged_share      of so large a part of the readings at most
    """

    __slots__ = (
        "abandon_s",
        "batch_keys",
        "concurrency",
        "failures_to_open",
        "hedge_after_s",
        "hedged_share",
        "open_s",
        "timeout_s",
    )

    def __init__(
        self,
        timeout_s: float,
        abandon_s: float = 5.0,
        batch_keys: int = 128,
        concurrency: int = 4,
        failures_to_open: int = 5,
        open_s: float = 1.0,
        hedge_after_s: float | None = None,
        hedged_share: float = 0.0,
    ) -> None:
        self.timeout_s = timeout_s
        self.abandon_s = abandon_s
        self.batch_keys = batch_keys
        self.concurrency = concurrency
        self.failures_to_open = failures_to_open
        self.open_s = open_s
        self.hedge_after_s = None if hedge_after_s is None or hedge_after_s >= timeout_s else hedge_after_s
        self.hedged_share = hedged_share


class _Reading:
    """One reading under way.

    timer    ends the patience with it, of one kind after the other
    check    the task that tells a late answer from a late loop, if one is at it
    is_late  its flights were told that it failed; only the next callers can gain from it
    """

    __slots__ = ("answer", "check", "flights", "is_late", "timer")

    def __init__(self, flights: list[Flight], answer: Answer, timer: asyncio.TimerHandle) -> None:
        self.flights = flights
        self.answer = answer
        self.timer = timer
        self.check: asyncio.Task[None] | None = None
        self.is_late = False

    def stop_watching(self) -> None:
        """Nobody needs to look at it any more."""
        self.timer.cancel()
        if self.check is not None:
            self.check.cancel()


class TierReader:
    """Queue, batches, concurrency and circuit of one tier. Built inside the running loop.

    A reading is one task, the tier's own, with callbacks around it: waiting for it in a second one costs as
    much as reading ten keys (`python -m bench.lookup zipf`).

    first_sight  takes over the flights of users for whom the tier has nothing. None: they have no home
    """

    def __init__(
        self,
        tier: Tier,
        read: Read,
        limits: TierLimits,
        deck: FlightDeck,
        observer: LookupObserver,
        first_sight: FirstSight | None = None,
    ) -> None:
        self._tier = tier
        self._read = read
        self._limits = limits
        self._deck = deck
        self._observer = observer
        self._first_sight = first_sight
        self._loop = asyncio.get_running_loop()
        self._hedges = HedgeBudget(limits.hedged_share)
        self._circuit = Circuit(limits.failures_to_open, limits.open_s)
        self._queue: deque[Flight] = deque()
        self._readings: dict[Answer, _Reading] = {}
        self._pump_due = False
        self._late = 0

    def submit(self, flight: Flight) -> None:
        """Read the flight's key together with whatever else is asked for in this tick."""
        self._queue.append(flight)
        if not self._pump_due:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    async def close(self) -> None:
        """End the readings on their way."""
        readings, self._readings = self._readings, {}
        for answer, reading in readings.items():
            reading.stop_watching()
            answer.cancel()
        await asyncio.gather(*readings, return_exceptions=True)
        if self._first_sight is not None:
            await self._first_sight.close()

    def _pump(self) -> None:
        self._pump_due = False
        while len(self._readings) < self._limits.concurrency:
            flights = self._next_batch()
            if not flights:
                return
            if self._circuit.permits(self._loop.time()):
                self._depart(flights)
            else:
                self._fail(flights, OPEN)
        self._pass_on_if_stuck()

    def _next_batch(self) -> list[Flight]:
        flights: list[Flight] = []
        while self._queue and len(flights) < self._limits.batch_keys:
            flight = self._queue.popleft()
            if not flight.landed:
                self._deck.departing(flight)
                flights.append(flight)
        return flights

    def _depart(self, flights: list[Flight]) -> None:
        answer = asyncio.ensure_future(self._read([flight.key for flight in flights]))
        hedge_after_s = self._limits.hedge_after_s
        if hedge_after_s is None:
            timer = self._loop.call_later(self._limits.timeout_s, self._out_of_time, answer)
        else:
            self._hedges.earn()
            timer = self._loop.call_later(hedge_after_s, self._overdue, answer)
        self._readings[answer] = _Reading(flights, answer, timer)
        answer.add_done_callback(self._ended)

    def _ended(self, answer: Answer) -> None:
        reading = self._let_go(answer)
        if reading is None:
            return
        if not reading.is_late:
            self._judge(reading.flights, answer)
        elif not answer.cancelled() and answer.exception() is None:
            self._deliver(reading.flights, answer.result())
        if self._queue and not self._pump_due:
            self._pump()

    def _let_go(self, answer: Answer) -> _Reading | None:
        """Its place is free now. None: it was before."""
        reading = self._readings.pop(answer, None)
        if reading is not None:
            reading.stop_watching()
            self._late -= reading.is_late
        return reading

    def _overdue(self, answer: Answer) -> None:
        reading = self._readings[answer]
        reading.check = self._loop.create_task(self._hedge(reading))

    async def _hedge(self, reading: _Reading) -> None:
        """Tell the deck, if it is the tier that is late and not the loop, and the budget permits."""
        await loop_turns()
        if reading.answer.done():
            return
        reading.timer = self._loop.call_later(self._rest_s(), self._out_of_time, reading.answer)
        if self._hedges.spend():
            self._observer.hedged(self._tier)
            for flight in reading.flights:
                self._deck.overdue(flight, self._tier)

    def _rest_s(self) -> float:
        return self._limits.timeout_s - (self._limits.hedge_after_s or 0.0)

    def _out_of_time(self, answer: Answer) -> None:
        reading = self._readings[answer]
        reading.check = self._loop.create_task(self._give_up(reading))

    async def _give_up(self, reading: _Reading) -> None:
        """Its flights go on without it. A late answer still serves the next callers."""
        await loop_turns()
        if reading.answer.done():
            return
        self._note(False)
        self._fail(reading.flights, LATE)
        reading.is_late = True
        self._late += 1
        reading.timer = self._loop.call_later(self._limits.abandon_s, self._abandon, reading.answer)
        self._pass_on_if_stuck()

    def _abandon(self, answer: Answer) -> None:
        self._let_go(answer)
        answer.cancel()
        if self._queue and not self._pump_due:
            self._pump()

    def _pass_on_if_stuck(self) -> None:
        """A tier that can be skipped lets nobody wait while every place is taken by a late reading."""
        if self._limits.hedge_after_s is not None and self._late >= self._limits.concurrency:
            while flights := self._next_batch():
                self._fail(flights, OPEN)

    def _judge(self, flights: list[Flight], answer: Answer) -> None:
        failure = StoreUnavailableError("cancelled") if answer.cancelled() else answer.exception()
        if failure is None:
            self._note(True)
            self._deliver(flights, answer.result())
            return
        if not isinstance(failure, StoreUnavailableError):
            _log.error("the %s tier raised what its port doesn't name", self._tier.name, exc_info=failure)
        self._note(False)
        self._fail(flights, ERROR, str(failure))

    def _note(self, answered: bool) -> None:
        """For the circuit: how a reading went."""
        was_open = self._circuit.is_open
        if answered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(self._loop.time())
        if self._circuit.is_open is not was_open:
            self._observer.circuit(self._tier, self._circuit.is_open)

    def _deliver(self, flights: list[Flight], records: Mapping[str, Assignment]) -> None:
        first_sight = self._first_sight
        for flight in flights:
            record = records.get(flight.key)
            if record is not None and record.key != flight.key and not answers(record, flight.key):
                self._observer.tier_failed(self._tier, WRONG_KEY)
                self._deck.unanswered(flight, self._tier)
            elif record is None and first_sight is not None and _is_new(flight, first_sight):
                first_sight.admit(flight, self._deck)
            else:
                self._deck.answered(flight, record, self._tier)

    def _fail(self, flights: list[Flight], reason: str, cause: str = "") -> None:
        self._observer.tier_failed(self._tier, reason, cause)
        for flight in flights:
            self._deck.unanswered(flight, self._tier)


def _is_new(flight: Flight, first_sight: FirstSight) -> bool:
    """Whether somebody waits for a home who gets one at first sight."""
    return not flight.landed and first_sight.may_place(flight.key)
