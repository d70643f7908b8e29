"""Workers that start while their store can't be reached: what clients and operators see, and after."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.proxy.workers.stage import Stage, running, runs, started, until

pytestmark = pytest.mark.slow


@contextmanager
def damaged(file: Path) -> Iterator[None]:
    file.write_bytes(b"no database at all" * 1000)
    yield


@contextmanager
def empty(file: Path) -> Iterator[None]:
    file.touch()
    yield


@contextmanager
def missing(file: Path) -> Iterator[None]:
    assert not file.exists()
    yield


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another store, which another process has for itself."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("CREATE TABLE other (x)")
        yield


def _remove(file: Path) -> None:
    for path in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("put_in_its_place", [missing, damaged, empty, locked])
def test_workers_started_without_their_store_serve_known_users_until_it_is_back(
    tmp_path: Path, put_in_its_place: Callable[[Path], AbstractContextManager[None]]
) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            assert (await stage.ask("/before")).status == 200
            away = _take_store_away(tmp_path)
            with put_in_its_place(tmp_path / "home.sqlite"):
                await _replace_workers(stage)
                # a successor starts while the former worker drains, so it may have read before that one
                # wrote; those that start now find what both wrote
                await _replace_workers(stage)
                assert (await stage.ask("/safe")).status == 200
                await until(lambda: _stale(stage, "/safe"), "the log says that the answer was stale")
                refused = await stage.ask("/unsafe", "POST")
                assert (refused.status, b"lookup-unavailable" in refused.body) == (503, True)
                await _knowledge_ages(stage)
            _bring_store_back(tmp_path, away)
            await until(lambda: _writes(stage), "unsafe requests are served again")
            await until(lambda: _is_fresh(stage), "the feed is heard again")

    asyncio.run(scenario())


def test_workers_started_without_store_and_with_torn_snapshots_end_and_say_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, first_delay_s=0.1) as stage:
            await started(stage)
            away = _take_store_away(tmp_path)
            for slot in (0, 1):
                _put_torn_snapshot(tmp_path / "snapshots", slot)
                os.kill(await stage.pid(slot), signal.SIGKILL)

            async def told() -> bool:
                said = "".join(stage.said)
                why = "home.sqlite: no such store; homecell store init --config "
                return "not used, as it is torn or damaged" in said and why in said

            await until(told, "the workers have said why they can't start")
            _bring_store_back(tmp_path, away)
            await until(stage.all_ready, "both workers serve again")
            assert (await stage.ask()).status == 200

    asyncio.run(scenario())


async def _stale(stage: Stage, path: str) -> bool:
    return [line["tier"] for line in stage.log_lines() if line["path"] == path] == ["stale"]


async def _knowledge_ages(stage: Stage) -> None:
    """Readiness and metric say that the knowledge is as old as the store's last word."""

    async def told() -> bool:
        ready = json.loads((await stage.admin("/-/ready")).body)
        metrics = await stage.metrics()
        age_s = metrics.value("homecell_feed_age_seconds")
        return ready["store"]["state"] == "silent" and age_s is not None and age_s > 5.0

    await until(told, "the admin endpoint tells an age of more than five seconds")
    assert (await stage.admin("/-/ready")).status == 200


async def _is_fresh(stage: Stage) -> bool:
    return bool(json.loads((await stage.admin("/-/ready")).body)["store"]["state"] == "heard")


async def _writes(stage: Stage) -> bool:
    return (await stage.ask("/unsafe", "POST")).status == 200


def _take_store_away(folder: Path) -> dict[Path, bytes]:
    files = {path: path.read_bytes() for path in folder.glob("home.sqlite*")}
    _remove(folder / "home.sqlite")
    return files


def _bring_store_back(folder: Path, files: dict[Path, bytes]) -> None:
    _remove(folder / "home.sqlite")
    for path, content in files.items():
        if not path.name.endswith("-shm"):
            path.write_bytes(content)


async def _replace_workers(stage: Stage) -> None:
    """End both workers, which write their snapshots before they go."""
    for slot in (0, 1):
        old = await stage.pid(slot)
        os.kill(old, signal.SIGTERM)
        await until(partial(_ended, old), "the worker has ended")
        await stage.replaced(slot, old)
    assert len(list((stage.folder / "snapshots").glob("*.snapshot"))) == 2


async def _ended(pid: int) -> bool:
    return not runs(pid)


def _put_torn_snapshot(folder: Path, slot: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"edge-eu-1.{slot}.snapshot").write_bytes(b"homecell-snapshot 1 00ff\n[")
