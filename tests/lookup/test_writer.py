from __future__ import annotations

import pytest

from lookup.assignment import Assignment
from lookup.ports import EpochConflictError
from lookup.writer import place, spread
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeStore, home


@asynchronous
async def test_a_new_key_gets_the_chosen_home_at_the_first_epoch() -> None:
    store = FakeStore()
    placed = await place(store, "user:1", "cell-a", "eu", NOW_S)
    assert placed == home("user:1", "cell-a", 1) == store.records["user:1"]


@asynchronous
async def test_a_key_that_has_a_home_keeps_it() -> None:
    store = FakeStore(home("user:1", "cell-b", 5))
    assert (await place(store, "user:1", "cell-a", "eu", NOW_S)).cell == "cell-b"


@asynchronous
async def test_a_conflict_that_names_no_winner_is_not_hidden() -> None:
    class Contradicting(FakeStore):
        async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
            raise EpochConflictError(new.key, expected_epoch, None)

    with pytest.raises(EpochConflictError):
        await place(Contradicting(), "user:1", "cell-a", "eu", NOW_S)


def test_keys_are_dealt_out_evenly() -> None:
    dealt = list(spread(["user:0", "user:1", "user:2"], [("cell-a", "eu"), ("cell-b", "us")], NOW_S))
    assert [(record.cell, record.jurisdiction) for record in dealt] == [
        ("cell-a", "eu"),
        ("cell-b", "us"),
        ("cell-a", "eu"),
    ]
    assert {record.epoch for record in dealt} == {1}
