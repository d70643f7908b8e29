"""How exactly a task is woken."""

from __future__ import annotations

import asyncio
from time import perf_counter

import uvloop

from bench.lookup.alarm import Alarm

_WAITS = 50
_ROUNDS = 50
_WAIT_S = 0.0004


def test_a_task_is_never_woken_early_and_often_within_half_a_millisecond() -> None:
    async def scenario() -> list[float]:
        late_s = []
        with Alarm() as alarm:
            for _ in range(_WAITS):
                at_s = perf_counter() + _WAIT_S
                await alarm.wait_until(at_s)
                late_s.append(perf_counter() - at_s)
        assert min(late_s) >= 0
        return sorted(late_s)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        quarters_s = (runner.run(scenario())[_WAITS // 4] for _ in range(_ROUNDS))
        assert any(late_s < 0.0005 for late_s in quarters_s), "in a round with the machine for itself"


def test_a_time_that_is_over_is_not_waited_for_but_others_get_their_turn() -> None:
    async def scenario() -> bool:
        turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turn.set_result, None)
        with Alarm() as alarm:
            await alarm.wait_until(perf_counter() - 1.0)
        return turn.done()

    assert asyncio.run(scenario())


def test_who_left_is_not_woken_and_the_next_is() -> None:
    async def scenario() -> None:
        with Alarm() as alarm:
            leaving = asyncio.create_task(alarm.wait_until(perf_counter() + 0.01))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.sleep(0.03)
            at_s = perf_counter() + 0.01
            await asyncio.wait_for(alarm.wait_until(at_s), 5.0)
            assert perf_counter() >= at_s

    asyncio.run(scenario())
