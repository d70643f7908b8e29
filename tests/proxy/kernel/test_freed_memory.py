"""Bodies that pass through take the same memory again and again; what was freed is not kept without limit."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc's heap is told what to keep"
)

READS = 500

PASS_BODIES = """
import re, resource
from collections import deque
from pathlib import Path

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident_kib():
    return int(re.search(r"VmRSS:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])

def take_and_pass_on(reads):
    under_way = deque()
    for read in range(reads):
        under_way.append(source[: 256_000 >> read % 3])
        while len(under_way) > read * 7 % 9:
            under_way.popleft()

source = b"x" * 256_000
take_and_pass_on(READS)
before = faults()
take_and_pass_on(READS)
taken = faults() - before
before_kib = resident_kib()
blocks = [source[:100_000] + b"y" for _ in range(400)]
del blocks
print(taken, resident_kib() - before_kib)
"""


def passed_bodies(beforehand: str) -> tuple[int, int]:
    """In a process of its own: page faults meanwhile, and KiB still resident after 40 MB were freed."""
    source = beforehand + PASS_BODIES.replace("READS", str(READS))
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    taken, left_kib = map(int, ran.stdout.split())
    return taken, left_kib


KEEP = "from proxy.kernel.freed_memory import keep_freed_memory\nassert keep_freed_memory()\n"


def test_reads_take_memory_that_is_there_already() -> None:
    taken, _ = passed_bodies(KEEP)
    assert taken < READS  # without: seven times as many


def test_memory_beyond_what_bodies_under_way_need_is_given_back() -> None:
    _, left_kib = passed_bodies(KEEP)
    assert left_kib < 5 << 10
