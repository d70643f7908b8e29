"""The home after a move is dated when it was written, however long its driver was suspended before."""

from __future__ import annotations

from typing import Final

import pytest

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.move_commit import commit
from lookup.moved import MovedSet
from lookup.moves import Move, MoveOrder, Step
from lookup.ports import StoreUnavailableError
from lookup.resolution import Hint
from lookup.settings import CLAIM_LIFETIME_S
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeStore, home

LATE_S: Final = 5.0
AN_HOUR_S: Final = 3600.0
MOVE: Final = Move(MoveOrder("op-1", "user:1", "cell-b"), "cell-a", "eu", 1, Step.COMMITTING, NOW_S, NOW_S)


class Suspended(FakeStore):
    """Its writer sleeps for so long before its first writes, each time between its look at the clock and the
    write itself; `dead` writes get no answer."""

    def __init__(self, *sleeps_s: float, dead: int = 0) -> None:
        super().__init__(Assignment("user:1", "cell-a", "eu", 2, State.MOVING, "cell-b", NOW_S))
        self.now_s = NOW_S
        self.sleeps_s = list(sleeps_s)
        self.dead = dead
        self.writes = 0

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        self.writes += 1
        self.now_s += self.sleeps_s.pop(0) if self.sleeps_s else 0.01
        if self.writes > 1 and self.dead:
            self.dead -= 1
            raise StoreUnavailableError("no answer")
        await super().compare_and_set(new, expected_epoch)

    async def commit(self) -> str:
        return await commit(self, MOVE, lambda: self.now_s, LATE_S)


def believes_a_token_of_the_old_home(store: Suspended, issued_at_s: float, now_s: float) -> bool:
    """A worker's, that has followed the feed all the time."""
    moved, record = MovedSet(10, LATE_S), store.records["user:1"]
    moved.restart(NOW_S - CLAIM_LIFETIME_S)
    moved.note("user:1", record.epoch, record.updated_at_s, "cell-a")
    moved.forget_before(now_s - CLAIM_LIFETIME_S)
    moved.fresh_until_s = now_s + 1
    return moved.holds("user:1", Hint("cell-a", NO_EPOCH, issued_at_s), now_s)


@asynchronous
async def test_a_commit_in_time_is_written_once() -> None:
    store = Suspended()
    assert await store.commit() == ""
    assert (store.records["user:1"], store.writes) == (home("user:1", "cell-b", 3), 1)


@asynchronous
@pytest.mark.parametrize("sleeps_s", [(AN_HOUR_S,), (AN_HOUR_S, 60.0), (LATE_S + 1, LATE_S + 1)])
async def test_no_token_issued_until_the_home_changed_is_believed_while_it_lives(
    sleeps_s: tuple[float, ...],
) -> None:
    store = Suspended(*sleeps_s)
    assert await store.commit() == ""
    record, changed_at_s = store.records["user:1"], NOW_S + sleeps_s[0]
    assert (record.cell, record.state) == ("cell-b", State.PLACED)
    assert record.updated_at_s >= changed_at_s - LATE_S
    last = changed_at_s - 1
    for now_s in (store.now_s, last + CLAIM_LIFETIME_S - 1):
        assert not believes_a_token_of_the_old_home(store, last, now_s)


@asynchronous
async def test_a_commit_whose_dating_was_not_answered_is_dated_when_it_is_asked_for_again() -> None:
    store = Suspended(AN_HOUR_S, dead=1)
    with pytest.raises(StoreUnavailableError):
        await store.commit()
    assert await store.commit() == ""
    assert store.records["user:1"].updated_at_s >= NOW_S + AN_HOUR_S


@asynchronous
async def test_who_was_brought_back_meanwhile_stays_and_that_is_said() -> None:
    store = Suspended(AN_HOUR_S)
    store.records["user:1"] = home("user:1", "cell-a", 3)
    assert "the store holds 3" in await store.commit()
    assert store.records["user:1"] == home("user:1", "cell-a", 3)
