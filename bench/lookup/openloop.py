"""Open-loop callers inside the resolver's process: lookups start at Poisson times, whatever became of others.

A latency counts from the moment a lookup was meant to start, so that a loop that is behind shows.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter, process_time, time
from typing import Final, NoReturn, Self

from bench.lookup.alarm import Alarm
from bench.lookup.figures import Figure
from bench.peers.arithmetic import percentile
from lookup.flight import Flight
from lookup.resolution import OUTCOME_LABELS, TIER_LABELS, Outcome, Resolution, Tier
from lookup.resolver import Resolver
from lookup.tasks import end_tasks

GRAIN_S: Final = 0.0005
"""What becomes due within this time starts together: a turn of the loop for each would cost too much."""

STARTS_A_TURN: Final = 64
"""Who is behind starts so many, and then lets the loop see what came in, as a proxy does that reads requests
from sockets. A backlog started in one turn would keep waiting each answer that has arrived."""

_FOUND: Final = Outcome.FOUND
_NOT_FOUND: Final = 255
"""In place of a tier."""


@dataclass(slots=True)
class Tally:
    """What lookups gave. Several processes' tallies can be added.

    latencies_s  of all, the unanswered included
    answers      by tier's label, or by outcome's where no home was found
    elapsed_s    from the first intended start to the last answer, the longest of the processes
    cpu_s        of the processes that asked, resolvers and drivers included
    """

    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    answers: Counter[str] = field(default_factory=Counter)
    elapsed_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: Self) -> Tally:
        return Tally(
            self.latencies_s + other.latencies_s,
            self.answers + other.answers,
            max(self.elapsed_s, other.elapsed_s),
            self.cpu_s + other.cpu_s,
        )

    @property
    def rate_per_s(self) -> float:
        """Lookups that ended, by the clock."""
        return len(self.latencies_s) / self.elapsed_s

    @property
    def errors(self) -> int:
        """Lookups without a home."""
        return sum(self.answers[label] for label in OUTCOME_LABELS)

    def note_unfound(self, outcome: Outcome) -> None:
        """One answer without a home."""
        self.answers[OUTCOME_LABELS[outcome]] += 1

    def note_found(self, tiers: Sequence[Tier]) -> None:
        """Which tiers the other answers came from. To count each at once would take a tenth of what a lookup
        in Redis does."""
        for tier, count in Counter(tiers).items():
            self.answers[TIER_LABELS[tier]] += count

    def said_by(self) -> str:
        """Which tiers answered, largest share first."""
        total = sum(self.answers.values())
        return ", ".join(f"{label} {count / total:.2%}" for label, count in self.answers.most_common())

    def tail(self, what: str, target_ms: float | None) -> list[Figure]:
        """The percentiles in milliseconds; the target is that of the 99th."""
        ordered = sorted(self.latencies_s)
        shares = (("p50", 0.5, None), ("p99", 0.99, target_ms), ("p99.9", 0.999, None))
        return [
            Figure(f"{what}, {name}", percentile(ordered, share) * 1e3, "ms", target)
            for name, share, target in shares
        ]


class _Callers:
    """Each waits for one lookup at a time. Who is idle gets the next one before another caller is made: a
    task for each lookup would cost as much as the lookup itself, and is not what is measured."""

    def __init__(self, lookup: Resolver, keys: Sequence[str], intended_s: array[float]) -> None:
        self.tally = Tally(array("d", bytes(8 * len(intended_s))))
        self.begun_s = self.ended_s = perf_counter()
        self._latencies_s = self.tally.latencies_s
        self._tiers = bytearray([_NOT_FOUND]) * len(intended_s)  # at once: to grow takes 10 ms meanwhile
        self._lookup = lookup
        self._keys = keys
        self._intended_s = intended_s
        self._loop = asyncio.get_running_loop()
        self._all: list[asyncio.Task[NoReturn]] = []
        self._idle: list[asyncio.Future[tuple[int, Flight, float]]] = []

    def ask(self, number: int, unix_s: float) -> None:
        """Look that key up now."""
        key = self._keys[number]
        found = self._lookup.recall(key, None, unix_s, True)
        if found is not None:
            self._note(number, found)
            return
        flight = self._lookup.board(key, None, unix_s)
        if self._idle:
            self._idle.pop().set_result((number, flight, unix_s))
        else:
            self._all.append(self._loop.create_task(self._wait(number, flight, unix_s)))

    async def finish(self) -> None:
        """Return when the last one is answered."""
        while len(self._idle) < len(self._all):  # noqa: ASYNC110 - an event would be set after each lookup
            await asyncio.sleep(GRAIN_S)
        await end_tasks(self._all)
        self.tally.note_found([Tier(tier) for tier in self._tiers if tier != _NOT_FOUND])

    async def _wait(self, number: int, flight: Flight, unix_s: float) -> NoReturn:
        landing = self._lookup.landing
        while True:
            self._note(number, await landing(flight, None, unix_s, True))
            told = self._loop.create_future()
            self._idle.append(told)
            number, flight, unix_s = await told

    def _note(self, number: int, found: Resolution) -> None:
        if found.outcome is _FOUND:
            self._tiers[number] = found.tier
        else:
            self.tally.note_unfound(found.outcome)
        self.ended_s = ended_s = perf_counter()
        self._latencies_s[number] = ended_s - self.begun_s - self._intended_s[number]


async def drive(lookup: Resolver, keys: Sequence[str], intended_s: array[float]) -> Tally:
    """Look up one key at each intended time (seconds from now), as a proxy does: `recall`, else `board`
    and `landing`."""
    callers, cpu_begun_s = _Callers(lookup, keys, intended_s), process_time()
    number, count = 0, len(intended_s)
    with Alarm() as alarm:
        while number < count:
            now_s, unix_s = perf_counter() - callers.begun_s, time()
            turn_ends = min(count, number + STARTS_A_TURN)
            while number < turn_ends and intended_s[number] <= now_s:
                callers.ask(number, unix_s)
                number += 1
            if number < turn_ends:
                await alarm.wait_until(callers.begun_s + max(intended_s[number], now_s + GRAIN_S))
            else:
                await asyncio.sleep(0)
    await callers.finish()
    tally = callers.tally
    tally.elapsed_s, tally.cpu_s = callers.ended_s - callers.begun_s, process_time() - cpu_begun_s
    return tally


async def saturate(lookup: Resolver, keys: Sequence[str], callers: int) -> Tally:
    """Closed loop: each of so many callers asks for the next key when it has its answer."""
    tally = Tally()
    tiers: list[Tier] = []
    waiting = iter(keys)
    recall, board, landing = lookup.recall, lookup.board, lookup.landing
    begun_s, cpu_begun_s = perf_counter(), process_time()

    async def call() -> None:
        for key in waiting:
            asked_s, unix_s = perf_counter(), time()
            found = recall(key, None, unix_s, True)
            if found is None:
                found = await landing(board(key, None, unix_s), None, unix_s, True)
            if found.outcome is _FOUND:
                tiers.append(found.tier)
            else:
                tally.note_unfound(found.outcome)
            tally.latencies_s.append(perf_counter() - asked_s)

    await asyncio.gather(*(call() for _ in range(callers)))
    tally.elapsed_s, tally.cpu_s = perf_counter() - begun_s, process_time() - cpu_begun_s
    tally.note_found(tiers)
    return tally
