"""What a remembered home costs in memory, all told, and how long the worst eviction takes."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from random import Random
from time import perf_counter, time

from bench.lookup.figures import Figure, percentile
from lookup.assignment import Assignment
from lookup.memory import Memory
from lookup.settings import LookupSettings

_CELLS = [(f"eu-west-1-cell-{number:02}", "eu") for number in range(100)]


def measure(entries: int, evictions: int) -> list[Figure]:
    """Fill a memory, key texts included, then push `evictions` entries out of it."""
    settings = LookupSettings()
    gc.collect()
    before_bytes = _resident_bytes()
    memory = Memory(entries, 1000, settings.lifetimes(), Random(1))
    now_s = time()
    for number in range(entries):
        memory.learn(_record(number), now_s, 0)
    gc.collect()
    per_entry = (_resident_bytes() - before_bytes) / entries
    gc.disable()
    samples_us = [_evict(memory, entries + number, now_s) for number in range(evictions)]
    gc.enable()
    churned = (_resident_bytes() - before_bytes) / entries
    return [
        Figure(f"bytes per entry at {entries:,}", per_entry, "bytes", 300),
        Figure(f"the same after {evictions:,} evictions", churned, "bytes", 300),
        Figure("eviction and insertion, median", percentile(samples_us, 0.5), "us"),
        Figure("eviction and insertion, 99.9 %", percentile(samples_us, 0.999), "us", note="collector off"),
    ]


def _evict(memory: Memory, number: int, now_s: float) -> float:
    record = _record(number)
    begun_s = perf_counter()
    memory.learn(record, now_s, 0)
    return (perf_counter() - begun_s) * 1e6


def _record(number: int) -> Assignment:
    """As a store gives it: each text an object of its own, epochs of users that moved now and then."""
    cell, jurisdiction = _CELLS[number % len(_CELLS)]
    return Assignment(f"user:{number}", cell, jurisdiction, 1 + number % 5)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
