"""A tier that keeps failing is skipped, and asked again once it is back; both are told once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from lookup.assignment import Assignment
from lookup.flight import Flight, FlightDeck
from lookup.observer import ERROR, LATE, OPEN, LookupObserver
from lookup.ports import StoreUnavailableError
from lookup.resolution import Tier
from lookup.tier_reader import TierLimits, TierReader
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, home
from tests.lookup.model.standing_loop import standing_loop, timeless


class Told(LookupObserver):
    """What was told of circuits and failures, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def has_said(self, failures: int, last: str) -> bool:
        """Whether the tier has failed so often, in that way at last."""
        failed = [word for word in self.said if word not in ("open", "closed")]
        return len(failed) == failures and failed[-1] == last

    def circuit(self, tier: int, is_open: bool) -> None:
        assert tier == Tier.SHARED
        self.said.append("open" if is_open else "closed")

    def tier_failed(self, tier: int, reason: str, cause: str = "") -> None:
        del cause
        assert tier == Tier.SHARED
        self.said.append({ERROR: "failed", LATE: "late", OPEN: "skipped"}[reason])


@asynchronous
async def test_answers_that_are_late_open_the_circuit_as_failures_do() -> None:
    told, never = Told(), asyncio.Event()
    readings: list[Sequence[str]] = []

    async def read(keys: Sequence[str]) -> Mapping[str, Assignment]:
        readings.append(keys)
        await never.wait()
        return {}

    limits = TierLimits(timeout_s=0.01, concurrency=10, failures_to_open=3, open_s=60.0)
    reader = TierReader(Tier.SHARED, read, limits, FlightDeck(), told)
    for number, said in enumerate(("late", "late", "late", "skipped", "skipped"), 1):
        reader.submit(Flight(f"user:{number}", NOW_S, 0.0))
        await until(partial(told.has_said, number, said))
    assert "open" in told.said
    assert len(readings) == 3
    await reader.close()


@timeless
async def test_a_circuit_is_told_of_when_it_opens_and_when_it_closes() -> None:
    told = Told()
    available = False

    async def read(keys: Sequence[str]) -> Mapping[str, Assignment]:
        if not available:
            raise StoreUnavailableError("away")
        return {key: home(key) for key in keys}

    loop = standing_loop()
    limits = TierLimits(
        timeout_s=1.0, abandon_s=1.0, batch_keys=10, concurrency=1, failures_to_open=3, open_s=5.0
    )
    reader = TierReader(Tier.SHARED, read, limits, FlightDeck(), told)

    async def ask() -> None:
        reader.submit(Flight("user:1", NOW_S, loop.time() + 1.0))
        await settle()

    for _ in range(4):
        await ask()
    assert told.said == ["failed", "failed", "open", "failed", "skipped"]
    told.said.clear()
    available = True
    loop.now_s += 4.9
    await ask()
    loop.now_s += 0.1
    await ask()
    assert told.said == ["skipped", "closed"]
    await reader.close()
