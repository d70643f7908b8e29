"""The embedded store shared by real processes: what one writes the other sees, and a kill loses nothing."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from lookup.assignment import NO_EPOCH
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, stalls
from tests.lookup.fakes import home
from tests.lookup.stores.contract import next_change


@contextmanager
def writer(path: Path, prefix: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes until killed."""
    command = [sys.executable, "-m", "tests.lookup.stores.sqlite_writer", str(path), prefix]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def committed(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next keys that the process says it committed."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def the_rest(process: subprocess.Popen[str]) -> list[str]:
    """What a killed process still said; a line cut short was committed too, but isn't counted."""
    assert process.stdout is not None
    return [line.strip() for line in process.stdout if line.endswith("\n")]


@asynchronous
async def test_another_processs_changes_are_followed_without_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    store = await SqliteStore.open(path, create=True)
    async with aclosing(store.follow()) as changes:
        last = (await anext(changes)).sequence
        async with stalls() as stalled:
            with writer(path, "user:") as process:
                delays_s = []
                for number in range(50):
                    change = await next_change(changes)
                    assert change.assignment is not None
                    delays_s.append(time.time() - change.assignment.updated_at_s)
                    assert change.assignment.key == f"user:{number}"
                    assert change.sequence == last + 1
                    last = change.sequence
                assert process.poll() is None
    assert statistics.median(delays_s) < 0.1 + stalled.seconds
    await store.close()


@asynchronous
async def test_a_writer_killed_in_the_middle_loses_no_committed_write_and_no_event(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    said: list[str] = []
    for attempt in range(4):
        with writer(path, f"user:{attempt}-") as process:
            said += committed(process, 5 + 7 * attempt)
            process.kill()
            said += the_rest(process)
    store = await SqliteStore.open(path)
    homes = await store.read(said)
    assert sorted(homes) == sorted(said)
    total = sum((await store.count_by_cell()).values())
    await store.compare_and_set(home("user:after", at_s=time.time()), NO_EPOCH)
    await store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (sequences,) = connection.execute("SELECT group_concat(sequence) FROM feed").fetchone()
        assert sequences == ",".join(str(number + 1) for number in range(total + 1)), (
            "each write has its event"
        )
    connection.close()


@asynchronous
async def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    with writer(path, "user:a") as one, writer(path, "user:b") as two, writer(path, "user:c") as three:
        said = [key for process in (one, two, three) for key in committed(process, 40)]
    assert len(set(said)) == 120
    store = await SqliteStore.open(path)
    assert len(await store.read(said)) == 120
    await store.close()
