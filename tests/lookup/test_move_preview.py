"""A dry run says what a run would do, and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lookup.flags import Flag
from lookup.move_fates import Fate
from lookup.move_list import Wish
from lookup.move_preview import Preview, preview
from lookup.move_targets import Targets
from tests.lookup.asynchronous import asynchronous
from tests.lookup.bulk_bench import ORDER, PLAN, BulkBench, bulk_bench, users, wishes
from tests.lookup.fakes import NOW_S

LIST: tuple[str | Wish, ...] = (
    *users(700),
    Wish("user:700", "cell-c"),
    Wish("user:701", "cell-a"),
    Wish("user:702", "cell-x"),
    *(f"user:none-{number}" for number in range(5)),
)


async def look(b: BulkBench, most: int | None = None) -> Preview:
    targets = Targets(PLAN, ("cell-b",), "", {}, frozenset())
    return await preview(b.store, b.store, targets, replace(ORDER, most=most), wishes(*LIST))


@asynchronous
async def test_it_counts_by_target_and_by_reason_and_names_a_few(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 703) as b:
        found = await look(b)
        assert found.to == {"cell-b": 700, "cell-c": 1}
        assert found.there == 1
        assert found.refused["has no home"].users == 5
        assert found.refused["has no home"].examples == ["user:none-0", "user:none-1", "user:none-2"]
        assert found.refused["is wanted in `cell-x`, but there is no such cell"].examples == ["user:702"]


@asynchronous
async def test_it_writes_nothing(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 703) as b:
        before = await b.store.position()
        await look(b)
        assert await b.store.position() == before
        assert await b.store.count_by_cell() == {"cell-a": 703}
        assert list(await b.store.moves(open_only=False, limit=10)) == []


@pytest.mark.slow
@asynchronous
async def test_the_run_then_does_what_was_foreseen(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 703) as b:
        foreseen = await look(b)
        await b.bulk(replace(ORDER, parallel=64)).run(wishes(*LIST))
        fates = b.fates()
        assert fates[Fate.MOVED] == foreseen.to.total()
        assert fates[Fate.THERE] == foreseen.there
        assert fates[Fate.REFUSED] == sum(refusals.users for refusals in foreseen.refused.values())
        again = await look(b)
        assert (again.to.total(), again.there) == (0, 702)


@asynchronous
async def test_it_knows_what_the_operation_has_begun_and_what_its_limit_leaves(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 703) as b:
        await b.bulk(replace(ORDER, most=10)).run(wishes(*users(100)))
        await b.store.set_flag("cell-b", Flag.SERVING, reason="", author="ann", now_s=NOW_S)
        assert (await look(b, most=10)).to == {}
        assert (await look(b, most=25)).to == {"cell-b": 15}
