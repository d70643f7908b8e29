"""What one worker process takes of the machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time (user and system) and resident memory of the worker in this slot."""

    slot: int
    cpu_s: float
    resident_bytes: int


def usage(slot: int, pid: int) -> Usage | None:
    """As of now (proc_pid_stat(5)); None when the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = text.rpartition(b")")[2].split()  # from the third field on; the name before may hold spaces
    return Usage(slot, (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, int(fields[21]) * _PAGE_BYTES)
