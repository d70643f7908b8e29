"""What work on many records needs of every store: walking through them, and counting a bulk's moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lookup.assignment import Assignment, State
from lookup.moves import MoveOrder
from lookup.scan import FIRST
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.truth import OpenTruth, Truth


async def walk(truth: Truth, limit: int) -> list[Assignment]:
    """All records, by pages of that size at most."""
    found: list[Assignment] = []
    cursor: str | None = FIRST
    while cursor is not None:
        page = await truth.scan(cursor, limit)
        assert len(page.records) <= limit
        found += page.records
        cursor = page.cursor
    return found


class PagesContract:
    """Each test begins with an empty store; each call of fixture `open_truth` opens that one store."""

    @pytest.mark.parametrize("limit", [1, 7, 40, 41, 1000])
    def test_every_record_is_on_exactly_one_page(self, open_truth: OpenTruth, limit: int) -> None:
        @asynchronous
        async def check() -> None:
            records = [home(f"user:{number}", f"cell-{number % 3}") for number in range(40)]
            async with open_truth() as truth:
                await truth.load(records)
                found = await walk(truth, limit)
            assert sorted(found, key=lambda record: record.key) == sorted(
                records, key=lambda record: record.key
            )

        check()

    @asynchronous
    async def test_a_page_has_every_field_of_its_records(self, open_truth: OpenTruth) -> None:
        record = replace(home("email:ö@x", epoch=7), state=State.MOVING, moved_to="cell-b")
        async with open_truth() as truth:
            await truth.load([record])
            assert await walk(truth, 10) == [record]

    @asynchronous
    async def test_an_empty_store_has_one_empty_page(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            page = await truth.scan(FIRST, 10)
            assert (list(page.records), page.cursor) == ([], None)

    @asynchronous
    async def test_a_cursor_is_good_after_a_restart(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            await truth.load(home(f"user:{number}") for number in range(20))
            first = await truth.scan(FIRST, 12)
        assert first.cursor is not None
        async with open_truth() as truth:
            rest = await truth.scan(first.cursor, 12)
        keys = [record.key for record in (*first.records, *rest.records)]
        assert len(keys) == len(set(keys)) == 20

    @asynchronous
    async def test_the_moves_of_one_bulk_are_counted_and_no_others(self, open_truth: OpenTruth) -> None:
        operations = ("bulk-1/user:1", "bulk-1/user:2", "bulk-1", "bulk-10/user:3", "bulk-/user:4", "bulk")
        async with open_truth() as truth:
            for number, operation in enumerate(operations):
                key = f"user:{number}"
                await truth.note_move(MoveOrder(operation, key, "cell-b"), home(key), NOW_S)
            assert await truth.noted_under("bulk-1") == 2
            assert await truth.noted_under("bulk-2") == 0
