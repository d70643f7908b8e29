"""A cell's line shows what operators say of it beside what its users see."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping

from rich.console import Console

from bench.demo.board import LEGEND, Board, Watch, line
from bench.demo.tally import CellTally, Tally, Verdict


def test_a_dead_cell_that_nobody_flagged_is_shown_as_serving_and_unreachable() -> None:
    cell = CellTally()
    cell.note(Verdict.DEGRADED, "503 cell-unreachable", 0.0, 0.001)
    assert line("eu-1", cell, "serving", "0", 1.0).texts[-2:] == ("serving", "unreachable")


def test_of_a_cell_without_traffic_nothing_is_claimed() -> None:
    assert line("eu-1", CellTally(), "serving", "0", 1.0).texts[-2:] == ("serving", "-")


def test_requests_that_a_cell_refused_as_not_its_users_are_shown_and_alarm_nobody() -> None:
    """Where users move a few are normal."""
    shown = line("eu-1", CellTally(), "serving", "3", 1.0)
    assert (shown.texts[-3:], shown.alarm) == (("3", "serving", "-"), False)


def test_a_reply_from_another_cell_is_an_error_that_alarms() -> None:
    cell = CellTally()
    cell.note(Verdict.WRONG, "eu-2", 0.0, 0.001)
    shown = line("eu-1", cell, "serving", "0", 1.0)
    assert (shown.texts[4], shown.alarm) == ("1", True)


def test_the_legend_says_what_is_of_now_and_what_of_all_the_time() -> None:
    assert LEGEND == "of the last 5 s, but errors, degraded, not mine: since the start"


def test_below_the_live_lines_stands_what_to_try() -> None:
    console = Console(file=io.StringIO(), width=80)
    board = Board(console, Tally(["eu-1"]), {}, {}, "try this:\n  flag [eu-1] down")
    with console.capture() as shown:
        console.print(board.picture())
    assert shown.get().splitlines()[-2:] == ["try this:", "  flag [eu-1] down"]


def test_names_of_cells_are_whole_on_a_narrow_terminal() -> None:
    names = ["eu-west-1-cell-01", "eu-west-1-cell-02"]
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as shown:
        console.print(Board(console, Tally(names), {}, {}).picture())
    assert [line.split()[0] for line in shown.get().splitlines() if "eu-west" in line] == names


def test_what_one_cell_does_not_tell_hides_nothing_of_the_others() -> None:
    told: list[Mapping[str, int]] = [{"eu-1": 1, "eu-2": 2}, {"eu-2": 3}]

    async def run() -> Mapping[str, int]:
        async def fetch() -> Mapping[str, int]:
            if told:
                return told.pop(0)
            following.cancel()
            await asyncio.Event().wait()
            return {}

        watch = Watch(fetch, every_s=0.0)
        following = asyncio.create_task(watch.follow())
        await asyncio.wait([following])
        return watch.current

    assert asyncio.run(run()) == {"eu-2": 3}
