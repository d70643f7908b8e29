from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lookup.assignment import NO_EPOCH
from lookup.scan import every_page
from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_file import open_file, writing
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home


class TestCounts:
    @asynchronous
    async def test_follow_loads_placements_and_moves(self, tmp_path: Path) -> None:
        store = await SqliteStore.open(tmp_path / "s", create=True)
        await store.load([home("user:1", "cell-a"), home("user:2", "cell-a"), home("user:1", "cell-b")])
        await store.compare_and_set(home("user:3", "cell-b"), NO_EPOCH)
        assert await store.count_by_cell() == {"cell-a": 2, "cell-b": 1}
        await store.compare_and_set(home("user:1", "cell-b", 2), 1)
        await store.compare_and_set(home("user:2", "cell-b", 2), 1)
        await store.compare_and_set(home("user:2", "cell-b", 3), 2)
        await store.load([home("user:1", "cell-c"), home("user:4", "cell-c")])
        assert await store.count_by_cell() == {"cell-b": 3, "cell-c": 1}
        await store.close()

    @asynchronous
    async def test_a_file_that_was_not_counted_in_is_counted_once(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        connection = open_file(path, create=True)  # as a program does that counts nothing
        rows = [(f"user:{n}", f"cell-{n % 2}") for n in range(5)]
        connection.executemany("INSERT INTO home VALUES (?, ?, 'eu', 1, 0, '', 0)", rows)
        connection.close()
        store = await SqliteStore.open(path)
        await store.load([home("user:x", "cell-1")])
        assert await store.count_by_cell() == {"cell-0": 3, "cell-1": 3}
        await store.close()

    @asynchronous
    async def test_are_mended_when_a_program_that_counts_nothing_has_written(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        store = await SqliteStore.open(path, create=True)
        await store.load(home(f"user:{number}", "cell-a") for number in range(5))
        connection = open_file(path, create=False)  # as a program does that counts nothing
        connection.execute("INSERT INTO home VALUES ('user:x', 'cell-b', 'eu', 1, 0, '', 0)")
        connection.execute("UPDATE home SET cell = 'cell-b' WHERE key IN ('user:1', 'user:2')")
        connection.close()
        await store.compare_and_set(home("user:1", "cell-c", 2), 1)
        assert await store.count_by_cell() == {"cell-a": 5, "cell-c": 1}
        wrong = [
            "5 users were counted in cell-a, where 3 live",
            "-1 users were counted in cell-b, where 2 live",
        ]
        assert await store.mend() == wrong
        assert await store.count_by_cell() == {"cell-a": 3, "cell-b": 2, "cell-c": 1}
        assert await store.mend() == []
        await store.close()

    @asynchronous
    async def test_mended_by_two_at_once_are_mended_once(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        one = await SqliteStore.open(path, create=True)
        two = await SqliteStore.open(path)
        connection = open_file(path, create=False)
        names = [(f"user:{number}",) for number in range(20_000)]
        with writing(connection):
            connection.executemany("INSERT INTO home VALUES (?, 'cell-b', 'eu', 1, 0, '', 0)", names)
        connection.close()
        await asyncio.gather(one.mend(), two.mend(), one.load([home("user:new", "cell-b")]))
        assert await one.count_by_cell() == {"cell-b": 20_001}
        await one.close()
        await two.close()


@given(
    writes=st.lists(
        st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), max_size=4)),
        max_size=8,
    )
)
@settings(max_examples=30, deadline=None)
@asynchronous
async def test_whatever_is_written_the_counts_are_those_of_the_table(
    writes: list[tuple[bool, list[tuple[int, str]]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = await SqliteStore.open(Path(folder) / "s", create=True)
        for is_load, records in writes:
            if is_load:
                await store.load(home(f"user:{number}", cell) for number, cell in records)
            else:
                await _write(store, records)
        table = Counter([record.cell async for page in every_page(store, 100) for record in page])
        assert await store.count_by_cell() == dict(table)
        await store.close()


async def _write(store: SqliteStore, records: list[tuple[int, str]]) -> None:
    for number, cell in records:
        present = (await store.read([f"user:{number}"])).get(f"user:{number}")
        epoch = NO_EPOCH if present is None else present.epoch
        await store.compare_and_set(home(f"user:{number}", cell, max(epoch, 0) + 1), epoch)
