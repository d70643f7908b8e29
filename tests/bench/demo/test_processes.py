from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from bench.demo.processes import DemoError, children, refuse_taken_ports, start, stop, wait_ready
from tests.support.ends import PATIENCE_S

SLEEP = "import signal; print('up', flush=True); signal.pause()"
LEAVES_A_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); " + SLEEP


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process is about to do."""

    def look() -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s
            time.sleep(0.01)

    await asyncio.to_thread(look)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_taken_ports_are_named_with_what_they_are_for_and_the_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as freed:
        taken_port, free_port = taken.getsockname()[1], freed.getsockname()[1]
        freed.close()
        told = rf"(?s)taken: {taken_port} \(eu-edge\)\. .*pid {os.getpid()} .*kill {os.getpid()}`.*DEMO_PORT="
        with pytest.raises(DemoError, match=told):
            refuse_taken_ports({"eu-edge": taken_port, "us-edge": free_port})


def test_the_mend_for_taken_ports_names_others_than_those() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(DemoError, match=r"DEMO_PORT=28080"),
    ):
        refuse_taken_ports({"eu-edge": 18080, "cell": taken.getsockname()[1]})


def test_a_process_that_was_killed_is_a_complaint_that_names_the_signal(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        running = await start(
            "sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log"
        )
        running.process.kill()
        await running.process.wait()
        return await stop([running])

    assert asyncio.run(scenario()) == ["sleeper had ended before, by SIGKILL:\n    (its log is empty)"]


def test_a_process_that_ends_on_sigterm_is_no_complaint(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        running = await start("sleeper", [sys.executable, "-c", SLEEP], tmp_path / "logs" / "log")
        await until(lambda: "up" in running.log.read_text())
        return await stop([running])

    assert asyncio.run(scenario()) == []


def test_a_process_that_had_ended_is_a_complaint_that_shows_its_log(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        running = await start(
            "failure", [sys.executable, "-c", "raise SystemExit('out of luck')"], tmp_path / "log"
        )
        await running.process.wait()
        return await stop([running])

    (complaint,) = asyncio.run(scenario())
    assert "failure" in complaint
    assert "out of luck" in complaint


def test_processes_left_behind_are_a_complaint_and_are_ended(tmp_path: Path) -> None:
    async def scenario() -> tuple[list[str], set[int]]:
        running = await start("parent", [sys.executable, "-c", LEAVES_A_CHILD], tmp_path / "log")
        await until(lambda: running.log.read_text().count("up") == 2)
        (child,) = children(running.process.pid)
        complaints = await stop([running])
        await until(lambda: is_gone(child))
        return complaints, {child}

    complaints, left = asyncio.run(scenario())
    assert complaints == [f"parent left processes behind: {sorted(left)}"]


def test_waiting_for_a_process_that_ends_tells_how_it_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        running = await start(
            "failure", [sys.executable, "-c", "raise SystemExit('no keys')"], tmp_path / "log"
        )
        async with aiohttp.ClientSession() as session:
            await wait_ready(running, "http://127.0.0.1:9/", session, timeout_s=10)

    with pytest.raises(DemoError, match=r"failure ended with 1:\n    no keys"):
        asyncio.run(scenario())
