"""A commit by anybody is noticed soon; without one, there is hardly anything to do."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from lookup.stores.sqlite_watch import LOOK_EVERY_S, CommitWatch
from tests.support.ends import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "home.sqlite"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (n INTEGER)")
    writer.commit()
    writer.close()
    return path


def test_each_commit_is_reported_and_nothing_else_often(path: Path) -> None:
    async def scenario() -> None:
        reports = 0

        def report() -> None:
            nonlocal reports
            reports += 1

        watch = CommitWatch(path, report)
        watch.start()
        writer = sqlite3.connect(path)
        for number in range(5):
            before = reports
            writer.execute("INSERT INTO t VALUES (?)", (number,))
            writer.commit()
            await until(lambda before=before: reports > before, "the commit was reported")  # type: ignore[misc]
        before = reports
        await asyncio.sleep(10 * LOOK_EVERY_S)  # the time is what is tested: ten looks
        assert reports - before <= 2
        watch.stop()
        writer.close()

    asyncio.run(scenario())


def test_who_stopped_hears_no_more_while_another_still_does(path: Path) -> None:
    async def scenario() -> None:
        reports: list[None] = []
        watch = CommitWatch(path, lambda: reports.append(None))
        watch.start()
        watch.start()
        watch.stop()
        reports.clear()
        await until(lambda: bool(reports), "somebody still watches")
        watch.stop()
        reports.clear()
        await asyncio.sleep(3 * LOOK_EVERY_S)
        assert not reports

    asyncio.run(scenario())


def test_a_file_that_cannot_be_read_is_reported_at_each_look_for_its_thread_to_find_out_why(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        reports: list[None] = []
        watch = CommitWatch(tmp_path / "missing.sqlite", lambda: reports.append(None))
        watch.start()
        await until(lambda: len(reports) >= 3, "three looks")
        watch.stop()

    asyncio.run(scenario())
