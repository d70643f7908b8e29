"""How many writes wait for the relay and for how long, and how it works off what an outage left."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from lookup.feed_event import FeedEvent
from lookup.ports import StoreUnavailableError
from lookup.relay import Backlog, Relay
from tests.lookup.asynchronous import asynchronous, settle
from tests.lookup.fake_outbox import FakeOutbox, change
from tests.lookup.fakes import NOW_S, home
from tests.lookup.relay_stage import Stage


@asynchronous
async def test_its_backlog_is_how_many_writes_wait_and_for_how_long() -> None:
    stage = Stage()
    assert stage.relay.backlog(NOW_S) is None, "it has not looked yet"
    await stage.relay.turn()
    assert stage.relay.backlog(NOW_S) == Backlog(0, 0.0)
    stage.outbox.note(change("op-1", home("user:1", epoch=2)), NOW_S - 20, committed=False)
    stage.outbox.note(change("op-2", home("user:2", epoch=2)), NOW_S - 5, committed=False)
    await stage.relay.turn()
    assert stage.relay.backlog(NOW_S) == Backlog(2, 20.0)
    assert await stage.relay.lag_s() == 20.0


@asynchronous
async def test_its_backlog_is_of_the_last_seconds_for_older_writes_are_looked_for_seldom() -> None:
    stage = Stage()
    stage.outbox.note(change("op-1", home("user:1", epoch=2)), NOW_S - 20, committed=False)
    await stage.relay.turn()
    stage.outbox.intents.clear()
    stage.now_s += 5.0
    await stage.relay.turn()
    assert stage.relay.backlog(stage.now_s) == Backlog(1, 20.0)
    stage.now_s += 1.5
    await stage.relay.turn()
    assert stage.relay.backlog(stage.now_s) == Backlog(0, 0.0)


@asynchronous
async def test_what_waits_grows_older_while_the_outbox_is_out_of_reach() -> None:
    stage = Stage()
    stage.outbox.note(change("op-1", home("user:1", epoch=2)), NOW_S - 20, committed=False)
    await stage.relay.turn()
    stage.outbox.failure = StoreUnavailableError("gone")
    with pytest.raises(StoreUnavailableError):
        await stage.relay.turn()
    assert stage.relay.backlog(NOW_S + 100.0) == Backlog(1, 120.0)


@asynchronous
async def test_a_relay_that_is_off_duty_has_no_backlog() -> None:
    stage = Stage()
    duty = [True, False]
    pauses: list[float] = []

    async def on_duty() -> bool:
        return duty[len(pauses)]

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == len(duty):
            raise asyncio.CancelledError

    relay = Relay(stage.outbox, stage.publisher, lambda: NOW_S, Random(1), pause=pause, on_duty=on_duty)
    with pytest.raises(asyncio.CancelledError):
        await relay.run()
    assert relay.backlog(NOW_S) is None
    assert stage.publisher.said == ["beat"]


@asynchronous
async def test_what_an_outage_of_the_feed_left_is_finished_many_at_once_before_the_feed_beats() -> None:
    stage = Stage()
    waiting, most = 0, 0

    class SlowOutbox(FakeOutbox):
        async def present(self, event: FeedEvent, *, surely: bool) -> FeedEvent | None:
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            await settle()
            waiting -= 1
            return await super().present(event, surely=surely)

    outbox = SlowOutbox()
    relay = Relay(outbox, stage.publisher, lambda: stage.now_s, Random(1), keep_s=1000.0)
    for number in range(100):
        outbox.note(change(f"op-{number}", home(f"user:{number}")), NOW_S, committed=True)
    await relay.turn()
    assert 8 <= most <= 64
    assert stage.publisher.said[-1] == "beat"
    assert sorted(stage.publisher.said[:-1]) == sorted(f"op-{number}" for number in range(100))
    assert relay.finished == 100


@asynchronous
async def test_one_write_that_can_not_be_finished_keeps_the_feed_from_beating_but_not_the_others() -> None:
    stage = Stage()

    class Outbox(FakeOutbox):
        async def present(self, event: FeedEvent, *, surely: bool) -> FeedEvent | None:
            if event.operation == "op-1":
                raise StoreUnavailableError("one replica is away")
            return await super().present(event, surely=surely)

    outbox = Outbox()
    relay = Relay(outbox, stage.publisher, lambda: stage.now_s, Random(1), keep_s=1000.0)
    for number in range(3):
        outbox.note(change(f"op-{number}", home(f"user:{number}")), NOW_S, committed=True)
    with pytest.raises(StoreUnavailableError):
        await relay.turn()
    assert sorted(stage.publisher.said) == ["op-0", "op-2"]
