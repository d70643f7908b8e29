"""The demo's processes: started, waited for, watched, ended.

Each has a log file and a session of its own, so that Ctrl-C reaches the demo alone, which ends them in order.
If the demo itself is killed they end by themselves.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench.demo.tied import tied
from proxy.kernel.port_holder import Holder, holder_of

_POLL_S: Final = 0.05
_STOP_S: Final = 20.0
_LOG_TAIL_LINES: Final = 12


class DemoError(Exception):
    """The demo can't go on; the message says what is wrong and what to do."""


def refuse_taken_ports(ports: Mapping[str, int]) -> None:
    """Raise DemoError naming each of the ports (by what it is for) that is taken, and who listens there."""
    taken = {f"{port} ({what})": holder_of(port) for what, port in ports.items() if not _is_free(port)}
    if taken:
        other = 18080 if 18080 not in ports.values() else 28080
        held = {holder.pid: holder for holder in taken.values() if holder is not None}
        raise DemoError(
            f"these ports are taken: {', '.join(taken)}. {_how_to_free(held)}, "
            f"or move all ports of this one: make demo DEMO_PORT={other}"
        )


def _how_to_free(held: Mapping[int, Holder]) -> str:
    if not held:
        return "End what listens there (`sudo ss -ltnp` shows it)"
    holders = "".join(f"\n    {holder}" for holder in held.values())
    return f"They are held by{holders}\nEnd that (`kill {' '.join(map(str, held))}`)"


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


@dataclass(slots=True)
class Running:
    """A started process; `name` is for messages."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines)


async def start(name: str, command: Sequence[str], log: Path) -> Running:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *tied(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Running(name, process, log)


async def wait_ready(running: Running, url: str, session: aiohttp.ClientSession, timeout_s: float) -> None:
    """Return when `url` answers 200. Raises DemoError, showing the log, if it ends or is late."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        if running.process.returncode is not None:
            raise DemoError(f"{running.name} ended with {running.process.returncode}:\n{running.tail()}")
        if await answers(url, session):
            return
        if time.monotonic() > deadline_s:
            raise DemoError(f"{running.name} is not ready after {timeout_s:.0f} s:\n{running.tail()}")
        await asyncio.sleep(_POLL_S)


async def answers(url: str, session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=1.0)) as reply:
            return reply.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def stop(everything: Sequence[Running]) -> list[str]:
    """End the processes, the last started first; returns a complaint for each that did not end well."""
    complaints = []
    for running in reversed(everything):
        complaint = await _stop_one(running)
        if complaint:
            complaints.append(complaint)
    return complaints


async def _stop_one(running: Running) -> str:
    process = running.process
    if process.returncode is not None:
        log = running.tail() or "    (its log is empty)"
        return f"{running.name} had ended before, {_end(process.returncode)}:\n{log}"
    family = children(process.pid)
    process.terminate()
    try:
        code = await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        return f"{running.name} did not end within {_STOP_S:.0f} s of SIGTERM and was killed"
    left = (family | _group(process.pid)) & _stat_of_all().keys()
    if left:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return f"{running.name} left processes behind: {sorted(left)}"
    return "" if code in (0, -signal.SIGTERM) else f"{running.name} ended with {code}:\n{running.tail()}"


def _end(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"


def _group(leader: int) -> set[int]:
    return {pid for pid, (_, pgrp) in _stat_of_all().items() if pgrp == leader}


def children(parent: int) -> set[int]:
    """The process ids of the live children of `parent`."""
    return {pid for pid, (ppid, _) in _stat_of_all().items() if ppid == parent}


def _stat_of_all() -> dict[int, tuple[int, int]]:
    """(parent, process group) of every process that runs, by id; what only waits to be reaped is left out."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, ppid, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue  # it ended while we looked
            if state != "Z":
                found[int(folder.name)] = (int(ppid), int(pgrp))
    return found
