"""Workers that can't start, never get ready, or do not end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.proxy.workers.stage import Stage, running, until

pytestmark = pytest.mark.slow

ODD = "tests.proxy.workers.odd_worker"


def test_when_no_worker_can_start_the_edge_ends_and_says_why_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "refuses"), first_delay_s=0.1) as stage:
            assert await stage.ended() == 1
            said = "".join(stage.said)
            assert said.count("ERROR the key cabinet is locked") == 1
            assert said.count("cannot start (ended with status 1): the key cabinet is locked\n") == 1
            assert "Traceback" not in said
            assert "clients on" not in said, "nobody was ever served"

    asyncio.run(scenario())


def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "refuses-twice"), first_delay_s=0.1) as stage:
            await until(lambda: _serving(stage), "both workers are ready")
            assert (tmp_path / "starts-0").read_text() == "3"
            assert sum("serves: clients on http://127.0.0.1:" in line for line in stage.said) == 1
            stage.process.terminate()
            assert await stage.ended() == 0
        assert stage.said[-1].endswith("INFO stopped\n")

    asyncio.run(scenario())


def test_an_edge_that_never_served_does_not_wait_for_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "lacks-store"), first_delay_s=0.1) as stage:
            assert await stage.ended() == 1

    asyncio.run(scenario())


def test_an_edge_that_left_but_a_torn_snapshot_waits_for_the_store(tmp_path: Path) -> None:
    _leave_torn_snapshot(tmp_path)

    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "lacks-store"), first_delay_s=0.1) as stage:
            await until(lambda: _serving(stage), "both workers are ready")
            assert (tmp_path / "starts-0").read_text() == "5"

    asyncio.run(scenario())


def test_an_edge_that_served_before_gives_up_on_what_time_does_not_mend(tmp_path: Path) -> None:
    _leave_torn_snapshot(tmp_path)

    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "refuses"), first_delay_s=0.1) as stage:
            assert await stage.ended() == 1

    asyncio.run(scenario())


def test_a_worker_whose_loop_stands_still_before_it_serves_is_not_taken_for_stuck(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "reads-long"), silent_s=1.0) as stage:

            async def told() -> bool:
                assert stage.process.returncode is None, "".join(stage.said)
                return any("is ready" in line for line in stage.said)

            await until(told, "a worker is ready")
            before = "".join(stage.said).partition("is ready")[0]
            assert "stuck" not in before

    asyncio.run(scenario())


def test_a_worker_that_is_still_starting_ends_when_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "hangs")) as stage:
            await until(lambda: _both_started(tmp_path), "both workers have begun to start")
            assert (await stage.admin("/-/ready")).status == 503
            stage.process.terminate()
            assert await stage.ended() == 0

    asyncio.run(scenario())


def test_a_worker_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "never-drains"), drain_timeout_s=0.2) as stage:
            await until(lambda: _serving(stage), "both workers are ready")
            stage.process.terminate()
            assert await stage.ended() == 0

    asyncio.run(scenario())


def test_a_worker_whose_end_overruns_says_what_it_waited_for_what_it_cut_and_what_to_raise(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, worker=(ODD, "never-drains"), drain_timeout_s=0.2) as stage:
            await until(lambda: _serving(stage), "both workers are ready")
            stage.process.terminate()
            assert await stage.ended() == 0
        told = [line for line in stage.said if " ERROR " in line]
        assert sorted(line.split("ERROR ")[1].split(":")[0] for line in told) == ["worker 0", "worker 1"]
        for line in told:
            assert "waits for its idle hours 1 s after limits.drain_timeout_s (0.2 s)" in line
            assert "requests broken off: 7; if this is usual, raise limits.drain_timeout_s" in line

    asyncio.run(scenario())


def _leave_torn_snapshot(folder: Path) -> None:
    """Where the demo's edge keeps its snapshots."""
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / "edge-eu-1.1.snapshot").write_bytes(b"torn")


async def _serving(stage: Stage) -> bool:
    with suppress(OSError, EOFError):
        return [state for _, state in (await stage.workers()).values()] == ["ready", "ready"]
    return False


async def _both_started(folder: Path) -> bool:
    return all((folder / f"starts-{slot}").exists() for slot in (0, 1))
