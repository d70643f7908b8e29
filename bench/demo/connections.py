"""How many client connections a process holds, as Linux tells: so many requests its death can lose."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ESTABLISHED: Final = "01"  # in /proc/net/tcp
_STOPPED: Final = "TZX"  # in /proc/PID/stat


def connections_held(pid: int, port: int) -> int:
    """Of our own process: its established IPv4 connections from clients of that port of its own."""
    wanted = set(_sockets(port))
    return sum(file in wanted for file in _open_files(pid))


def is_stopped(pid: int) -> bool:
    """By SIGSTOP, or for ever."""
    state = (
        Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    )
    return state in _STOPPED


def _sockets(port: int) -> Iterator[str]:
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _ESTABLISHED and int(fields[1].rpartition(":")[2], 16) == port:
            yield f"socket:[{fields[9]}]"


def _open_files(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed while we looked
            yield str(descriptor.readlink())
