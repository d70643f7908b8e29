"""All keys of a cell, however many pages they are on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lookup.assignment import Assignment, State
from lookup.cell_keys import PAGE_RECORDS, keys_of
from lookup.scan import Page
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home


class Pages:
    """Records on pages of any size, empty ones included."""

    def __init__(self, pages: list[list[Assignment]]) -> None:
        self._pages = pages

    async def scan(self, cursor: str, limit: int) -> Page:
        assert limit == PAGE_RECORDS
        number = int(cursor or "0")
        last = number + 1 == len(self._pages)
        return Page(self._pages[number], None if last else str(number + 1))


@given(st.lists(st.lists(st.sampled_from(["cell-a", "cell-b"]), max_size=4), min_size=1, max_size=6))
def test_each_key_of_the_cell_comes_once_and_no_other(cells: list[list[str]]) -> None:
    pages = [
        [home(f"user:{number}-{index}", cell) for index, cell in enumerate(page)]
        for number, page in enumerate(cells)
    ]
    expected = [record.key for page in pages for record in page if record.cell == "cell-a"]

    @asynchronous
    async def check() -> None:
        assert [key async for key in keys_of(Pages(pages), "cell-a")] == expected

    check()


@asynchronous
async def test_users_who_are_moved_out_while_it_goes_on_disturb_nothing(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
    count = 2 * PAGE_RECORDS + 7
    await store.load(home(f"user:{number}", "cell-a" if number % 2 else "cell-b") for number in range(count))
    moving = replace(home("user:1"), epoch=2, state=State.MOVING, moved_to="cell-b")
    await store.compare_and_set(moving, 1)
    seen = []
    async for key in keys_of(store, "cell-a"):
        seen.append(key)
        if key != "user:1":
            await store.compare_and_set(home(key, "cell-b", 2), 1)
        if len(seen) == 50:
            break
    rest = [key async for key in keys_of(store, "cell-a")]
    assert sorted({*seen, *rest}) == sorted(f"user:{number}" for number in range(1, count, 2))
    assert "user:1" in rest
    await store.close()
