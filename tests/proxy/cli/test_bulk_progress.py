"""How far a move of many users is: a bar where there is a terminal, lines elsewhere, nothing for scripts."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lookup.assignment import Assignment
from lookup.move_fates import Ending, Fate
from lookup.move_list import Wish
from lookup.stores.sqlite import SqliteStore
from proxy.cli.bulk_progress import LineProgress, NoProgress, progress_for
from proxy.cli.bulk_report import Tally
from tests.proxy.config.site import Site


def hear(tally: Tally, fate: Fate, count: int) -> None:
    for number in range(count):
        tally.hear(Ending(Wish(f"user:{number}"), fate, "eu-2"))


def test_lines_come_every_few_seconds_with_what_was_done_since(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = 100.0
    progress = LineProgress(lambda: now_s)
    progress.expect(5000)
    tally = Tally("op", None)
    for passing_s, moved, failed in ((1.0, 10, 0), (4.0, 990, 0), (2.0, 500, 7), (8.0, 2000, 0)):
        now_s += passing_s
        hear(tally, Fate.MOVED, moved)
        hear(tally, Fate.GIVEN_UP, failed)
        progress.show(tally)
    assert capsys.readouterr().err.splitlines() == [
        "5 s: 1,000 of 5,000 users, 1,000 moved, 0 not, 200/s",
        "15 s: 3,507 of 5,000 users, 3,500 moved, 7 not, 251/s",
    ]


def test_scripts_are_told_nothing_and_where_there_is_no_terminal_there_is_no_bar() -> None:
    assert isinstance(progress_for(quiet=True), NoProgress)
    assert isinstance(progress_for(quiet=False), LineProgress)


@pytest.mark.slow
def test_on_a_terminal_a_bar_fills(site: Site) -> None:
    asyncio.run(_seed(site.folder / "home.sqlite"))
    site.spoil(
        (
            "  - name: us-1\n",
            '  - {name: eu-2, jurisdiction: eu, region: eu-west, endpoints: ["127.0.0.1:8103"]}\n'
            "  - name: us-1\n",
        )
    )
    terminal, other_end = pty.openpty()
    homecell = Path(sys.executable).with_name("homecell")
    command = (homecell, "moves", "bulk", "-", "--to", "eu-2", "--no-copy", "--config", site.edge)
    users = "".join(f"user:p{number}\n" for number in range(40))
    done = subprocess.run(
        command,
        input=users.encode(),
        stdout=subprocess.PIPE,
        stderr=other_end,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        timeout=60,
    )
    os.close(other_end)
    shown = os.read(terminal, 1 << 20).decode()
    os.close(terminal)
    assert done.returncode == 0, shown
    assert "40/40" in shown
    assert "40 moved, 0 not" in shown
    assert done.stdout.decode().startswith("40 users moved: 40 to eu-2\n")


async def _seed(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.load(
        Assignment(f"user:p{number}", "eu-1", "eu", 1, updated_at_s=time.time()) for number in range(40)
    )
    await store.close()
