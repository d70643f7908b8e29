"""A worker that starts without its store knows what the former ones knew, and no more."""

from __future__ import annotations

import asyncio
import logging
from math import inf
from pathlib import Path
from random import Random

import pytest

from lookup.aliases import FREED
from lookup.assignment import Alias, State
from lookup.flags import Flag, FlagRecord
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import SILENT
from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Tier
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from lookup.snapshot import Knowledge
from lookup.snapshot_file import SnapshotFiles, read_snapshot
from lookup.warm_start import WarmStart
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeStore, home

ORIGIN = "sqlite home.sqlite"
SETTINGS = LookupSettings(moved_keys=16)
LATER_S = NOW_S + 600
FLAG = FlagRecord("cell-a", Flag.DOWN, 2, "fire", "ann", NOW_S)


class Life:
    """One worker's knowledge and resolver, before a store that may be away."""

    def __init__(self, folder: Path, slot: int = 0, entries: int = 1000, origin: str = ORIGIN) -> None:
        self.memory = Memory(10_000, 10, SETTINGS.lifetimes(), Random(1))
        self.moved = MovedSet(SETTINGS.moved_keys, SETTINGS.clock_skew_s)
        self.store = FakeStore()
        self.files = SnapshotFiles(folder, "edge-1", slot)
        self.warm = WarmStart(self.files, origin, self.memory, self.moved, entries)
        self.resolver = Resolver(self.memory, self.moved, self.store, None, SETTINGS, SILENT)

    def learn(self, key: str, cell: str = "cell-a", epoch: int = 1) -> None:
        self.memory.learn(home(key, cell, epoch), NOW_S, 0)

    async def restored(self, now_s: float = LATER_S) -> Knowledge:
        """Start with the store away."""
        self.store.failure = StoreUnavailableError("away")
        known = await self.warm.restore(now_s)
        assert known is not None
        return known

    async def tier_of(self, key: str, safe: bool = True, hint: Hint | None = None) -> Tier | Outcome:
        found = await self.resolver.resolve(key, hint, LATER_S, safe)
        return found.tier if found.outcome is Outcome.FOUND else found.outcome


@asynchronous
async def test_a_known_user_is_served_stale_for_safe_methods_and_refused_for_others(tmp_path: Path) -> None:
    former = Life(tmp_path)
    former.learn("user:1", "cell-b", 3)
    assert await former.warm.write(NOW_S, [FLAG])
    later = Life(tmp_path)
    known = await later.restored()
    assert (known.as_of_s, list(known.flags)) == (NOW_S, [FLAG])
    found = await later.resolver.resolve("user:1", None, LATER_S, True)
    assert (found.tier, found.cell, found.jurisdiction, found.epoch) == (Tier.STALE, "cell-b", "eu", 3)
    assert await later.tier_of("user:1", safe=False) is Outcome.UNAVAILABLE
    assert await later.tier_of("user:2") is Outcome.UNAVAILABLE


@asynchronous
async def test_while_the_store_answers_nothing_is_served_that_was_not_read_anew(tmp_path: Path) -> None:
    former = Life(tmp_path)
    former.learn("user:1", "cell-a", 1)
    await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored(NOW_S + 1)
    later.store.failure = None
    later.store.records["user:1"] = home("user:1", "cell-b", 2)
    found = await later.resolver.resolve("user:1", None, NOW_S + 1, True)
    assert (found.tier, found.cell) == (Tier.STORE, "cell-b")
    again = later.resolver.recall("user:1", None, NOW_S + 2, True)
    assert again is not None
    assert (again.tier, again.cell) == (Tier.MEMORY, "cell-b")


@asynchronous
async def test_the_end_of_the_hard_stale_time_is_kept_over_the_restart(tmp_path: Path) -> None:
    former = Life(tmp_path)
    former.learn("user:1")
    former.memory.learn_alias(Alias("email:a@x", "user:1", 1), NOW_S, 0)
    await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored(NOW_S + SETTINGS.hard_stale_s + 1)
    assert later.memory.known.find("user:1") is None
    assert later.memory.aliases.find("email:a@x") is None


@asynchronous
async def test_claims_serve_safe_methods_unless_a_move_is_known(tmp_path: Path) -> None:
    former = Life(tmp_path)
    former.resolver.learn_history(History(0.0, [KeyMove("user:2", 5, NOW_S, "cell-a")]), NOW_S)
    await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored()
    assert later.resolver.recall("user:1", Hint("cell-a", 4, NOW_S - 9), LATER_S, True) is None
    assert await later.tier_of("user:1", hint=Hint("cell-a", 4, NOW_S - 9)) is Tier.STALE
    assert await later.tier_of("user:1", safe=False, hint=Hint("cell-a", 4, NOW_S - 9)) is Outcome.UNAVAILABLE
    assert await later.tier_of("user:2", hint=Hint("cell-a", 4, NOW_S - 9)) is Outcome.UNAVAILABLE


@asynchronous
async def test_moves_that_were_spilled_still_overrule_claims(tmp_path: Path) -> None:
    former = Life(tmp_path)
    moves = [KeyMove(f"user:{n}", 2, NOW_S - 100 + n, "cell-a") for n in range(20)]
    former.resolver.learn_history(History(0.0, moves), NOW_S)
    assert former.moved.left_at_s
    await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored()
    assert later.moved.left_at_s == former.moved.left_at_s
    assert later.moved.overrules("user:0", Hint("cell-a", 1, NOW_S - 500))


@asynchronous
async def test_who_moved_twice_is_overruled_by_both_moves_and_takes_nobody_along(tmp_path: Path) -> None:
    former = Life(tmp_path)
    moves = [KeyMove("user:0", 2, NOW_S - 90, "cell-a"), KeyMove("user:0", 3, NOW_S - 80, "cell-b")]
    former.resolver.learn_history(History(0.0, moves), NOW_S)
    await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored()
    assert not later.moved.left_at_s
    for number in range(1, 20):
        later.moved.note(f"user:{number}", 2, NOW_S - 70, "cell-c")
    assert set(later.moved.left_at_s) >= {"cell-a", "cell-b"}, "when it is spilled both cells count"


@asynchronous
async def test_a_home_that_is_older_than_a_known_move_is_forgotten(tmp_path: Path) -> None:
    other, own = Life(tmp_path, slot=1), Life(tmp_path)
    other.learn("user:1", "cell-a", 1)
    await other.warm.write(NOW_S - 60, [])
    own.resolver.learn_history(History(0.0, [KeyMove("user:1", 2, NOW_S, "cell-a")]), NOW_S)
    await own.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored()
    assert later.memory.known.find("user:1") is None
    assert await later.tier_of("user:1") is Outcome.UNAVAILABLE


@asynchronous
async def test_a_worker_knows_what_all_slots_knew_the_newest_of_each(tmp_path: Path) -> None:
    lives = [Life(tmp_path, slot) for slot in range(3)]
    for slot, life in enumerate(lives):
        life.learn(f"user:{slot}")
        life.learn("user:9", f"cell-{slot}", 9 - slot)
        await life.warm.write(NOW_S + slot, [])
    later = Life(tmp_path, slot=2)
    assert (await later.restored()).as_of_s == NOW_S + 2
    assert [await later.tier_of(f"user:{slot}") for slot in range(3)] == [Tier.STALE] * 3
    assert (await later.resolver.resolve("user:9", None, LATER_S, True)).cell == "cell-0"


@asynchronous
async def test_of_more_homes_than_the_bound_those_used_lately_are_kept(tmp_path: Path) -> None:
    former = Life(tmp_path, entries=320)
    for number in range(3000):
        former.learn(f"user:{number}")
    used = [f"user:{number}" for number in range(0, 3000, 60)]
    for key in used:
        assert former.resolver.recall(key, None, NOW_S, True) is not None
    await former.warm.write(NOW_S, [])
    known = read_snapshot(former.files.own, ORIGIN)
    assert isinstance(known, Knowledge)
    kept = {kept.key for kept in known.homes}
    assert len(kept) == 320
    assert set(used) <= kept


@asynchronous
async def test_without_news_from_the_feed_the_file_stays_as_it_is(tmp_path: Path) -> None:
    life = Life(tmp_path)
    assert not await life.warm.write(-inf, [])
    assert await life.warm.write(NOW_S, [])
    assert not await life.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored()
    assert not await later.warm.write(NOW_S, [])
    assert await later.warm.write(NOW_S + 1, [])


@asynchronous
async def test_a_clock_that_was_ahead_for_a_while_ends_no_snapshots(tmp_path: Path) -> None:
    life = Life(tmp_path)
    assert await life.warm.write(NOW_S + 86_400, [])
    assert await life.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored(NOW_S)
    assert not await later.warm.write(-inf, []), "the feed was not heard yet"


@asynchronous
async def test_what_was_known_at_a_time_yet_to_come_is_not_used_as_nobody_can_tell_how_old_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ahead, right = Life(tmp_path, slot=3), Life(tmp_path)
    ahead.resolver.learn_history(History(0.0, ()), NOW_S)
    await ahead.warm.write(NOW_S + 86_400, [])
    with caplog.at_level(logging.WARNING):
        assert await Life(tmp_path).warm.restore(NOW_S) is None
    assert "edge-1.3.snapshot: not used, as it is of a time yet to come" in caplog.text
    right.resolver.learn_history(History(0.0, [KeyMove("user:2", 2, NOW_S, "cell-a")]), NOW_S)
    right.memory.learn(home("user:1"), NOW_S + 5, 0)
    await right.warm.write(NOW_S + 5, [])
    later = Life(tmp_path)
    assert (await later.restored(NOW_S)).as_of_s == NOW_S + 5, "a clock may be set right by some seconds"
    assert later.resolver.recall("user:3", Hint("cell-a", 1, NOW_S - 9), NOW_S, True) is None, "no feed yet"
    known = later.memory.known.find("user:1")
    assert known is not None
    assert known.read_at_s == NOW_S
    assert await later.tier_of("user:2", hint=Hint("cell-a", 1, NOW_S - 9)) is Outcome.UNAVAILABLE


@asynchronous
async def test_a_moving_home_is_moving_after_the_restart(tmp_path: Path) -> None:
    former = Life(tmp_path)
    record = home("user:1", "cell-a", 4)
    record.state = State.MOVING
    former.memory.learn(record, NOW_S, 0)
    await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored()
    assert (await later.resolver.resolve("user:1", None, LATER_S, True)).state is State.MOVING


@asynchronous
async def test_a_file_that_is_no_use_is_named_in_the_log_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "edge-1.0.snapshot").write_bytes(b"garbage")
    foreign = Life(tmp_path, slot=1, origin="sqlite other")
    await foreign.warm.write(NOW_S, [])
    with caplog.at_level(logging.WARNING):
        assert await Life(tmp_path).warm.restore(LATER_S) is None
    assert "edge-1.0.snapshot: not used, as it is not a snapshot" in caplog.text
    assert "edge-1.1.snapshot: not used, as it is of another store (sqlite other)" in caplog.text
    assert (tmp_path / "edge-1.0.snapshot").read_bytes() == b"garbage"


@asynchronous
async def test_a_disk_that_takes_nothing_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "folder"
    in_the_way.write_text("a file where the folder should be")
    life = Life(in_the_way)
    with caplog.at_level(logging.WARNING):
        assert not await life.warm.write(NOW_S, [])
        assert not await life.warm.write(NOW_S + 1, [])
    assert caplog.text.count("no snapshot can be written") == 1
    in_the_way.unlink()
    assert await life.warm.write(NOW_S + 2, [])


@asynchronous
async def test_it_is_written_soon_after_the_start_and_then_regularly(tmp_path: Path) -> None:
    life = Life(tmp_path)
    pauses: list[float] = []
    heard_s = [NOW_S]

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        heard_s.append(heard_s[-1] + seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await life.warm.keep(60.0, lambda: heard_s[-1], lambda: [FLAG], pause)
    assert pauses == [5.0, 60.0, 60.0, 60.0]
    known = read_snapshot(life.files.own, ORIGIN)
    assert isinstance(known, Knowledge)
    assert known.as_of_s == NOW_S + 125


@asynchronous
async def test_a_name_of_a_known_user_is_served_as_the_user_is(tmp_path: Path) -> None:
    former = Life(tmp_path)
    former.learn("user:1", "cell-b", 3)
    for key, epoch in (("email:a@x", 1), ("email:b@x", 1)):
        former.memory.learn_alias(Alias(key, "user:1", epoch), NOW_S, 0)
    former.moved.restart(NOW_S - 100)
    former.moved.note("email:b@x", 2, NOW_S, FREED)
    assert await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    await later.restored()
    found = await later.resolver.resolve("email:a@x", None, LATER_S, True)
    assert (found.tier, found.key, found.cell) == (Tier.STALE, "user:1", "cell-b")
    assert await later.tier_of("email:a@x", safe=False) is Outcome.UNAVAILABLE
    assert later.memory.aliases.find("email:b@x") is None
    assert await later.tier_of("email:b@x") is Outcome.UNAVAILABLE


@asynchronous
async def test_a_name_that_was_learned_since_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    former = Life(tmp_path)
    former.learn("user:1")
    former.memory.learn_alias(Alias("email:a@x", "user:1", 1), NOW_S, 0)
    assert await former.warm.write(NOW_S, [])
    later = Life(tmp_path)
    later.memory.learn_alias(Alias("email:a@x", "user:2", 2), NOW_S, 0)
    await later.restored()
    entry = later.memory.aliases.find("email:a@x")
    assert entry is not None
    assert entry.cell == "user:2"
