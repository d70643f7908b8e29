"""What the relay does with intents that nobody finished, and how it begins the feed anew."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from lookup.ports import StoreUnavailableError
from lookup.relay import SETTLE_S, Relay
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fake_outbox import change
from tests.lookup.fakes import NOW_S, home
from tests.lookup.relay_stage import Stage


@asynchronous
async def test_a_write_whose_writer_died_before_publishing_is_published() -> None:
    stage = Stage()
    event = change("op-1", home("user:1", epoch=2), "cell-z")
    stage.outbox.note(event, NOW_S, committed=True)
    await stage.relay.turn()
    assert stage.publisher.said == ["op-1", "beat"]
    assert stage.outbox.finished == {"op-1": event}
    await stage.relay.turn()
    assert stage.publisher.said == ["op-1", "beat", "beat"]


@asynchronous
async def test_a_write_that_was_overtaken_is_told_as_what_the_truth_holds_now() -> None:
    stage = Stage()
    stage.outbox.note(change("op-1", home("user:1", "cell-b", 2)), NOW_S, committed=False)
    stage.outbox.truth["user:1"] = change("op-2", home("user:1", "cell-c", 3), "cell-b")
    await stage.relay.turn()
    published = stage.outbox.finished["op-1"]
    assert published is not None
    assert published.assignment == home("user:1", "cell-c", 3)


@asynchronous
async def test_a_write_still_on_its_way_is_left_alone_until_it_can_come_no_more() -> None:
    stage = Stage()
    stage.outbox.note(change("op-1", home("user:1", epoch=2)), NOW_S, committed=False)
    await stage.relay.turn()
    stage.now_s = NOW_S + SETTLE_S - 1
    await stage.relay.turn()
    assert stage.outbox.finished == {}
    assert stage.outbox.asked_surely == []
    stage.now_s = NOW_S + SETTLE_S + 1
    await stage.relay.turn()
    assert stage.outbox.asked_surely == ["op-1"]
    assert stage.outbox.finished == {"op-1": None}
    assert "op-1" not in stage.publisher.said


@asynchronous
async def test_without_the_truth_the_feed_does_not_beat() -> None:
    stage = Stage()
    stage.outbox.failure = StoreUnavailableError("gone")
    with pytest.raises(StoreUnavailableError):
        await stage.relay.turn()
    assert stage.publisher.said == []


@asynchronous
async def test_the_feed_does_not_beat_while_one_of_many_changes_could_not_be_told() -> None:
    stage = Stage()
    for number in range(40):
        stage.outbox.note(change(f"op-{number}", home(f"user:{number}", epoch=2)), NOW_S, committed=True)
    stage.publisher.refused = {"op-7"}
    with pytest.raises(StoreUnavailableError):
        await stage.relay.turn()
    assert "beat" not in stage.publisher.said
    assert "op-7" not in stage.outbox.finished
    stage.publisher.refused.clear()
    await stage.relay.turn()
    assert sorted(stage.publisher.said) == sorted(["beat", *stage.outbox.finished])
    assert stage.publisher.said[-1] == "beat"
    assert not stage.outbox.intents


@asynchronous
async def test_a_lost_feed_begins_anew_with_pending_and_published_moves_and_only_then_beats() -> None:
    stage = Stage()
    stage.publisher.lost = True
    stage.outbox.published = [
        change("old", home("user:9", epoch=2, at_s=NOW_S - 2000)),
        change("first", home("user:8", epoch=1, at_s=NOW_S - 10)),
        change("op-1", home("user:1", epoch=2, at_s=NOW_S - 10)),
    ]
    stage.outbox.note(change("op-2", home("user:2", epoch=5)), NOW_S, committed=True)
    await stage.relay.turn()
    assert stage.publisher.said == ["begin", "op-2", "op-1", "op-2", "complete", "beat"]
    assert stage.publisher.covers_s == NOW_S - 1000
    assert stage.relay.rebuilt == 1


@asynchronous
async def test_a_new_generation_claims_no_more_than_the_truth_remembers() -> None:
    stage = Stage()
    stage.publisher.lost = True
    stage.outbox.covers_s = NOW_S - 5
    await stage.relay.turn()
    assert stage.publisher.covers_s == NOW_S - 5


@asynchronous
async def test_while_another_relay_begins_the_feed_this_one_waits() -> None:
    stage = Stage()
    stage.publisher.lost = stage.publisher.another_begins = True
    await stage.relay.turn()
    assert stage.publisher.said == []
    assert stage.relay.rebuilt == 0


@asynchronous
async def test_failing_turns_come_ever_more_rarely_and_a_good_one_ends_that() -> None:
    stage = Stage()
    pauses_s: list[float] = []

    class EnoughError(Exception):
        pass

    async def pause(seconds: float) -> None:
        pauses_s.append(seconds)
        if len(pauses_s) == 6:
            stage.outbox.failure = None
        if len(pauses_s) == 8:
            raise EnoughError

    stage.outbox.failure = StoreUnavailableError("gone")
    relay = Relay(stage.outbox, stage.publisher, lambda: NOW_S, Random(1), pause=pause)
    with pytest.raises(EnoughError):
        await relay.run()
    assert pauses_s[4] > 2.4
    assert max(pauses_s) <= 5.0
    assert pauses_s[6:] == [0.25, 0.25]


@asynchronous
async def test_a_relay_that_is_not_on_duty_leaves_the_work_to_the_one_that_is() -> None:
    stage = Stage()
    duty = iter([False, False, True])

    async def on_duty() -> bool:
        return next(duty)

    async def pause(_: float) -> None:
        stage.publisher.said.append("pause")
        if stage.publisher.said.count("pause") == 3:
            raise asyncio.CancelledError

    relay = Relay(stage.outbox, stage.publisher, lambda: stage.now_s, Random(1), pause=pause, on_duty=on_duty)
    with pytest.raises(asyncio.CancelledError):
        await relay.run()
    assert stage.publisher.said == ["pause", "pause", "beat", "pause"]


@asynchronous
async def test_a_relay_goes_on_after_any_failure_ever_more_rarely() -> None:
    stage = Stage()
    pauses: list[float] = []

    async def on_duty() -> bool:
        raise (StoreUnavailableError if len(pauses) % 2 else LookupError)("away")

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 10:
            raise asyncio.CancelledError

    relay = Relay(stage.outbox, stage.publisher, lambda: stage.now_s, Random(1), pause=pause, on_duty=on_duty)
    with pytest.raises(asyncio.CancelledError):
        await relay.run()
    assert pauses[0] < 0.5 < 2.5 < pauses[-1] <= 5.0


@asynchronous
async def test_what_may_cost_the_feed_is_told_once_and_again_when_it_was_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    stage.publisher.dangerous = "Redis may evict the feed"

    def told() -> int:
        return sum(record.message == "Redis may evict the feed" for record in caplog.records)

    await stage.relay.turn()
    await stage.relay.turn()
    assert told() == 1
    stage.publisher.lost = True
    await stage.relay.turn()
    await stage.relay.turn()
    assert told() == 2


@asynchronous
async def test_what_may_cost_the_feed_is_noticed_while_it_runs_and_so_is_its_mend(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    await stage.relay.turn()
    stage.publisher.dangerous = "Redis may evict the feed"
    stage.now_s += 31.0
    await stage.relay.turn()
    assert stage.relay.dangers == "Redis may evict the feed"
    stage.now_s += 31.0
    await stage.relay.turn()
    assert caplog.messages.count("Redis may evict the feed") == 1
    stage.publisher.dangerous = ""
    stage.now_s += 1.0
    await stage.relay.turn()
    assert stage.relay.dangers != "", "it is not asked for at each turn"
    stage.now_s += 30.0
    await stage.relay.turn()
    assert stage.relay.dangers == ""


@pytest.mark.parametrize("is_new", [True, False])
def test_only_a_feed_that_was_there_is_told_as_lost(caplog: pytest.LogCaptureFixture, is_new: bool) -> None:
    @asynchronous
    async def begin() -> None:
        stage = Stage()
        stage.publisher.lost, stage.publisher.is_new = True, is_new
        await stage.relay.turn()
        assert stage.relay.rebuilt == 1

    begin()
    assert ("the change feed was lost: a new generation begins" in caplog.messages) is not is_new
