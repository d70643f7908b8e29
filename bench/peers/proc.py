"""CPU time and resident memory of a process tree, from /proc. Reads only; starts and ends nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")

PROC: Final = Path("/proc")


class ProcessGoneError(Exception):
    """A process that was measured ended in between, so that its CPU time is lost and the figure would lie."""


def stat_fields(stat: str) -> tuple[int, int, int]:
    """Parent pid, user ticks and system ticks out of one /proc/PID/stat line (proc(5)).

    The command name, in parentheses, may itself hold spaces and parentheses: only the last ")" ends it.
    """
    fields = stat[stat.rindex(")") + 2 :].split()
    return int(fields[1]), int(fields[11]), int(fields[12])


def tree(root_pid: int) -> list[int]:
    """The pids of a process and all its living descendants, the root first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = stat_fields((entry / "stat").read_text())[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    pids = [root_pid]
    for pid in pids:
        pids.extend(children.get(pid, ()))
    return pids


def cpu_s(pids: list[int]) -> float:
    """User and system seconds that these processes (all their threads) have used so far."""
    ticks = 0
    for pid in pids:
        try:
            _, user, system = stat_fields((PROC / str(pid) / "stat").read_text())
        except (FileNotFoundError, ProcessLookupError) as gone:
            raise ProcessGoneError(f"process {pid} ended during the measurement") from gone
        ticks += user + system
    return ticks / TICKS_PER_S


def status_kib(pid: int, field: str) -> int:
    """A memory field (VmRSS, VmHWM) of /proc/PID/status, in KiB."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise KeyError(field)


def reset_peak(pid: int) -> None:
    """Make VmHWM start again from what is resident now (proc(5), clear_refs)."""
    (PROC / str(pid) / "clear_refs").write_text("5")
