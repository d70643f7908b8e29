"""A cell that begins to fail is told of once, and once when it answers again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from proxy.observe.meters import Meters
from proxy.observe.rows import CellOutcomes, RowBank
from proxy.workers.cell_watch import CellWatch
from tests.proxy.workers.stage import CELL, Stage, running, started, until

FAILS = "does not answer: 3 exchanges failed since its last reply; `reason` in the access log says how"


class Watched:
    """One cell, of which each look sees so many more failures and answers."""

    def __init__(self) -> None:
        self._watch = CellWatch(["red"])
        self._failures = 0
        self._answers = 0

    def look(self, failures: int = 0, answers: int = 0) -> list[str]:
        self._failures += failures
        self._answers += answers
        return self._watch.look([CellOutcomes(self._failures, self._answers)])


def test_a_cell_that_dies_is_told_of_once_however_long_it_is_dead() -> None:
    cell = Watched()
    assert cell.look(answers=9) == []
    assert cell.look(failures=3) == [f"cell red {FAILS}"]
    assert [cell.look(failures=50) for _ in range(100)] == [[]] * 100


def test_failures_that_are_few_or_between_answers_are_no_news() -> None:
    cell = Watched()
    assert [cell.look(failures=1), cell.look(failures=1), cell.look(answers=1)] == [[], [], []]
    assert [cell.look(failures=40, answers=1) for _ in range(10)] == [[]] * 10
    assert [cell.look(failures=1) for _ in range(3)] == [[], [], [f"cell red {FAILS}"]]


def test_it_answers_again_when_it_did_so_for_a_while() -> None:
    cell = Watched()
    cell.look(failures=3)
    assert [cell.look() for _ in range(50)] == [[]] * 50, "nobody asked it"
    assert cell.look(answers=1) == []
    assert cell.look(failures=1) == []
    assert [cell.look(answers=1), *(cell.look() for _ in range(4))] == [
        [],
        [],
        [],
        [],
        ["cell red answers again"],
    ]
    assert cell.look(failures=3) == [f"cell red {FAILS}"]


def test_only_a_cells_own_replies_count_as_its_answers_over_all_workers() -> None:
    bank = RowBank(2)
    rows = [bank.open_row(), bank.open_row()]
    for row in rows:
        meters = Meters(row.counters)
        dead, alive = meters.cells
        dead.attempt_failed()
        dead.reply(200, 0.1)
        dead.fallback("cell-unreachable")  # that reply was the route's static one
        for status in (307, 413, 499, 502, 503, 504):
            dead.reply(status, 0.1)
        alive.reply(204, 0.1)
        alive.reply(403, 0.1)
        alive.reply(500, 0.1)
        meters.publish()
    bank.retire(rows[0])
    assert bank.outcomes() == [CellOutcomes(2, 0), CellOutcomes(0, 6)]
    bank.retire(rows[1])


@pytest.mark.slow
def test_the_edge_says_once_that_a_cell_is_dead(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            assert (await stage.ask()).status == 200
            await stage.cell.close()
            for _ in range(3):
                assert (await stage.ask()).status == 503
            await until(lambda: _said(stage, f"WARNING cell {CELL} does not answer: "), "the log tells")
            assert sum("does not answer" in line for line in stage.said) == 1
            assert json.loads((await stage.admin("/-/flags")).body)["failing"] == [CELL]

    asyncio.run(scenario())


async def _said(stage: Stage, text: str) -> bool:
    return any(text in line for line in stage.said)
