"""Which two cores the bench uses: one for the proxy, another, not its hyperthread, for origin and load."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path


def pick(usable: Collection[int], siblings: Mapping[int, Collection[int]]) -> tuple[int, int] | None:
    """The proxy's core and the load's, or None when there is only one.

    `siblings` says, by core, which share its hardware (itself included). Two hyperthreads of one core are
    taken only when there is nothing else.
    """
    ordered = sorted(usable)
    for proxy in ordered:
        for load in ordered:
            if load not in siblings.get(proxy, (proxy,)):
                return proxy, load
    return (ordered[0], ordered[1]) if len(ordered) > 1 else None


def pick_here() -> tuple[int, int] | None:
    """The two cores on this machine."""
    usable = os.sched_getaffinity(0)
    return pick(usable, {core: _siblings(core) for core in usable})


def _siblings(core: int) -> frozenset[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    return parse_list(path.read_text()) if path.exists() else frozenset({core})


def parse_list(text: str) -> frozenset[int]:
    """A kernel list of cores: `0-3,8` (cpuset(7), "List format")."""
    cores: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return frozenset(cores)
