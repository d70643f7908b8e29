"""Who asks on one core and the servers on another, as beside the peers (bench.peers.cores)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.peers.cores import pick_here


@contextmanager
def apart(servers: Iterable[int]) -> Iterator[None]:
    """Within the block; `servers` are process ids. Where there is one core only, all share it as before.

    Left to the kernel, who asks waits two to three times as long for a core, although half of both is idle:
    the tail then tells how the kernel mixes two busy programs.
    """
    cores, usable = pick_here(), os.sched_getaffinity(0)
    placed = [(os.getpid(), 0), *((pid, 1) for pid in servers)] if cores is not None else []
    try:
        for pid, place in placed:
            _keep(pid, {cores[place]} if cores is not None else usable)
        yield
    finally:
        for pid, _ in placed:
            _keep(pid, usable)


def _keep(pid: int, cores: set[int]) -> None:
    """All threads that the process has, and so those that they start."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has just ended
            os.sched_setaffinity(int(thread.name), cores)
