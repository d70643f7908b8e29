from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lookup.assignment import Assignment
from lookup.flags import Flag
from lookup.placement import CellRoom, NoRoom, ShareLimits
from lookup.placer import PlacementPlan, Placer
from lookup.ports import StoreUnavailableError
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, settle
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.placing_process import USERS

CELLS = (CellRoom("eu-1", "eu"), CellRoom("eu-2", "eu"), CellRoom("us-1", "us"))
PLAN = PlacementPlan(CELLS, {"eu": ["eu"], "us": ["us", "eu"]}, ShareLimits())


def now() -> float:
    return NOW_S


class TestPlacer:
    @asynchronous
    async def test_places_a_new_user_under_its_law_and_leaves_it_there(self) -> None:
        store = FakeStore()
        record = await Placer(store, PLAN, now).place("user:1", "us")
        assert record == Assignment("user:1", "us-1", "us", 1, updated_at_s=NOW_S)
        elsewhere = replace(PLAN, cells=CELLS[:2])
        assert await Placer(store, elsewhere, now).place("user:1", "us") == record

    @asynchronous
    async def test_a_cell_with_any_flag_in_force_gets_nobody(self) -> None:
        store = FakeStore()
        await store.set_flag("eu-1", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
        await store.set_flag("eu-2", Flag.DOWN, reason="r", author="a", now_s=NOW_S, expires_at_s=NOW_S - 1)
        placer = Placer(store, PLAN, now)
        placed = [await placer.place(f"user:{number}", "eu") for number in range(20)]
        assert {record.cell for record in placed if not isinstance(record, NoRoom)} == {"eu-2"}

    @asynchronous
    async def test_where_no_cell_has_room_a_known_user_is_told_its_home_all_the_same(self) -> None:
        store = FakeStore(home("user:1", "eu-1"))
        placer = Placer(store, replace(PLAN, cells=[replace(CELLS[0], capacity=1)]), now)
        assert await placer.place("user:1", "eu") == home("user:1", "eu-1")
        refused = await placer.place("user:2", "eu")
        assert str(refused) == "eu-1 is full (1 of 1 users)"
        assert "user:2" not in store.records

    @asynchronous
    async def test_those_placed_since_the_last_count_are_counted(self) -> None:
        store = FakeStore()
        plan = replace(PLAN, cells=[replace(cell, capacity=2) for cell in CELLS[:2]])
        placer = Placer(store, plan, now)
        placed = [await placer.place(f"user:{number}", "eu") for number in range(5)]
        assert Counter(record.cell for record in store.records.values()) == {"eu-1": 2, "eu-2": 2}
        assert isinstance(placed[4], NoRoom)

    @asynchronous
    async def test_a_jurisdiction_that_nobody_knows_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="no jurisdiction 'mars'"):
            await Placer(FakeStore(), PLAN, now).place("user:1", "mars")

    @asynchronous
    async def test_without_any_count_law_flags_and_weight_decide(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = _Uncountable()
        await store.set_flag("eu-1", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
        plan = replace(PLAN, cells=[replace(cell, capacity=1) for cell in CELLS])
        placer = Placer(store, plan, now)
        placed = [await placer.place(f"user:{number}", "eu") for number in range(3)]
        assert [_assigned(record).cell for record in placed] == ["eu-2"] * 3
        assert caplog.text.count("whatever cells' capacities and shares are") == 1
        assert store.counted == 1

    @asynchronous
    async def test_a_count_that_takes_long_is_not_waited_for(self, caplog: pytest.LogCaptureFixture) -> None:
        store = _Uncountable()
        store.gate.clear()
        store.countable = True
        placer = Placer(store, replace(PLAN, cells=[replace(CELLS[0], capacity=1)]), now, patience_s=0.01)
        placed = await asyncio.gather(*(placer.place(f"user:{number}", "eu") for number in range(3)))
        assert [_assigned(record).cell for record in placed] == ["eu-1"] * 3
        store.gate.set()
        await settle()
        assert isinstance(await placer.place("user:9", "eu"), NoRoom)
        assert "capacities and shares are kept again" in caplog.text
        await placer.counts.close()


class _Uncountable(FakeStore):
    """Counts when it is `countable`, and when the gate is open."""

    countable = False
    counted = 0

    async def count_by_cell(self) -> Mapping[str, int]:
        self.counted += 1
        await self.gate.wait()
        if not self.countable:
            raise StoreUnavailableError("gone")
        return await super().count_by_cell()


class TestRaces:
    @asynchronous
    async def test_many_tasks_of_two_edges_agree_on_one_home(self, tmp_path: Path) -> None:
        here = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
        there = await SqliteStore.open(tmp_path / "home.sqlite")
        one = Placer(here, replace(PLAN, cells=CELLS[:1]), now)
        two = Placer(there, replace(PLAN, cells=CELLS[1:2]), now)
        keys = [f"user:{number % 10}" for number in range(80)]
        told = await asyncio.gather(
            *((one if number % 2 else two).place(key, "eu") for number, key in enumerate(keys))
        )
        truth = await here.read(keys)
        assert len(truth) == 10
        assert [record for record in told if record != truth[_assigned(record).key]] == []
        await here.close()
        await there.close()

    def test_two_processes_that_know_different_cells_agree_in_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "home.sqlite"
        asyncio.run(_create(path))
        command = [sys.executable, "-m", "tests.lookup.placing_process", str(path)]
        edges = [
            subprocess.Popen([*command, *extra], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for extra in (("eu-1,eu-2", "up"), ("eu-3,eu-4", "down"))
        ]
        try:
            told = _run_together(edges)
        finally:
            for edge in edges:
                edge.kill()
                edge.communicate()
        assert told[0] == told[1]
        assert len(told[0]) == USERS
        assert told[0] == asyncio.run(_homes(path, list(told[0])))


def _run_together(edges: list[subprocess.Popen[str]]) -> list[dict[str, tuple[str, int]]]:
    for edge in edges:
        assert edge.stdout is not None
        assert edge.stdout.readline() == "ready\n"
    for edge in edges:
        assert edge.stdin is not None
        edge.stdin.write("go\n")
        edge.stdin.flush()
    told = []
    for edge in edges:
        assert edge.stdout is not None
        rows = [line.split() for line in edge.stdout]
        told.append({key: (cell, int(epoch)) for key, cell, epoch in rows})
    return told


def _assigned(record: Assignment | NoRoom) -> Assignment:
    assert isinstance(record, Assignment)
    return record


async def _create(path: Path) -> None:
    await (await SqliteStore.open(path, create=True)).close()


async def _homes(path: Path, keys: list[str]) -> dict[str, tuple[str, int]]:
    store = await SqliteStore.open(path)
    found = {key: (record.cell, record.epoch) for key, record in (await store.read(keys)).items()}
    await store.close()
    return found
