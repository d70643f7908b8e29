from __future__ import annotations

from collections import Counter

from bench.demo.population import UNKNOWN_USER, USERS, assignments, home_of, resident
from proxy.model import Cell, CellName, Endpoint, Jurisdiction

CELLS = tuple(
    Cell(CellName(f"{law}-{index}"), Jurisdiction(law), law, (Endpoint("127.0.0.1", 9),), index)
    for index, law in enumerate(("eu", "eu", "us", "us"))
)


def test_every_user_has_one_home_and_the_cells_share_them_evenly() -> None:
    records = list(assignments(CELLS, now_s=1.0))
    assert len({record.key for record in records}) == USERS
    assert Counter(record.cell for record in records) == {cell.name: USERS // 4 for cell in CELLS}
    assert all(record.jurisdiction == record.cell[:2] for record in records)
    assert all(record.cell == home_of(int(record.key[5:]), CELLS).name for record in records)
    assert f"user:{UNKNOWN_USER}" not in {record.key for record in records}


def test_residents_live_where_they_are_said_to() -> None:
    for cell in CELLS:
        assert {home_of(resident(cell, CELLS, nth), CELLS) for nth in range(50)} == {cell}
