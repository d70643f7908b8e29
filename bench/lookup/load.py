"""How busy the machine's cores were while something was measured: the servers, and everybody else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from bench.lookup.figures import Figure
from bench.peers import proc

_BUSY_FIELDS: Final = (0, 1, 2, 5, 6)
_STOLEN_FIELD: Final = 7
"""Of the first line of /proc/stat (proc(5)): the rest is idle time, or counted in these already."""


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds so far: of each server, of this process, of the whole machine; and those that it wanted and
    its host gave to others, if it is a virtual one."""

    at_s: float
    servers_s: Mapping[str, float]
    own_s: float
    machine_s: float
    stolen_s: float


def read(servers: Mapping[str, int]) -> Reading:
    """Now; `servers` has a process id by name."""
    return Reading(
        perf_counter(),
        {name: proc.cpu_s([pid]) for name, pid in servers.items()},
        proc.cpu_s([os.getpid()]),
        *busy_and_stolen_s(Path("/proc/stat").read_text()),
    )


def busy_and_stolen_s(stat: str) -> tuple[float, float]:
    """Seconds in which a core of the machine was used, and in which one was wanted and the host had none."""
    ticks = [int(field) for field in stat.split("\n", 1)[0].split()[1:]]
    busy = sum(ticks[field] for field in _BUSY_FIELDS)
    return busy / proc.TICKS_PER_S, ticks[_STOLEN_FIELD] / proc.TICKS_PER_S


def figures(before: Reading, after: Reading, alike: int = 1) -> list[Figure]:
    """In percent of a core. `alike` processes did the same as this one."""
    elapsed_s = after.at_s - before.at_s
    servers = {name: after.servers_s[name] - before.servers_s[name] for name in before.servers_s}
    own_s = alike * (after.own_s - before.own_s)
    others_s = max(0.0, after.machine_s - before.machine_s - own_s - sum(servers.values()))
    parts = {f"CPU of {name}": cpu_s for name, cpu_s in {"the resolvers": own_s, **servers}.items()}
    parts["CPU of everything else on the machine"] = others_s
    parts["CPU that the machine's host gave to others"] = after.stolen_s - before.stolen_s
    return [Figure(name, round(100 * cpu_s / elapsed_s), "% of a core") for name, cpu_s in parts.items()]
