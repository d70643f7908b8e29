"""A loop that was held up must not take answers for late that were there in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random

import pytest
import uvloop

from lookup.assignment import Assignment
from lookup.resolution import Outcome, Tier
from lookup.resolver import build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, Counts, FakeStore, home

DEADLINE_S = 0.05


class ThreadedStore(FakeStore):
    """Answers from a thread at once, but the loop is held up for three deadlines meanwhile."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(lambda: {key: self.records[key] for key in keys})
            waiting = asyncio.wrap_future(answer)
            asyncio.get_running_loop().call_soon(self._hold_up, answer)
            return await waiting

    def _hold_up(self, answer: Future[dict[str, Assignment]]) -> None:
        answer.result()
        time.sleep(3 * DEADLINE_S)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_an_answer_that_arrived_while_the_loop_was_held_up_counts(
    run: Callable[[Coroutine[None, None, None]], None],
) -> None:
    run(ask_while_the_loop_is_held_up())


async def ask_while_the_loop_is_held_up() -> None:
    counts = Counts()
    store = ThreadedStore(home("user:1", "cell-b"), home("user:2", "cell-c"))
    lookup = build_resolver(store, LookupSettings(deadline_s=DEADLINE_S), Random(1), None, counts)
    first, second = await asyncio.gather(
        lookup.resolve("user:1", None, NOW_S, False), lookup.resolve("user:2", None, NOW_S, False)
    )
    assert (first.outcome, first.cell, first.tier) == (Outcome.FOUND, "cell-b", Tier.STORE)
    assert (second.outcome, second.cell) == (Outcome.FOUND, "cell-c")
    assert not counts.failures


@asynchronous
async def test_a_store_that_never_answers_is_late_all_the_same() -> None:
    store = FakeStore(home("user:1"))
    store.gate.clear()
    lookup = build_resolver(store, LookupSettings(deadline_s=DEADLINE_S), Random(1), None, Counts())
    assert (await lookup.resolve("user:1", None, NOW_S, True)).outcome == Outcome.UNAVAILABLE
    assert (await lookup.resolve("user:2", None, NOW_S, True)).outcome == Outcome.UNAVAILABLE
    store.gate.set()
    await lookup.close()
