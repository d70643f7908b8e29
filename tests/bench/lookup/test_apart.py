"""Who asks and who serves on cores of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread

import pytest

from bench.lookup.apart import apart
from bench.peers.cores import pick_here


@pytest.fixture
def server() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.skipif(pick_here() is None, reason="needs two cores")
def test_within_the_block_nobody_who_asks_runs_on_the_servers_core(server: int) -> None:
    usable = os.sched_getaffinity(0)
    with apart([server]):
        asking, serving = os.sched_getaffinity(0), os.sched_getaffinity(server)
        assert len(asking) == len(serving) == 1
        assert asking != serving
    assert os.sched_getaffinity(0) == os.sched_getaffinity(server) == usable


@pytest.mark.skipif(pick_here() is None, reason="needs two cores")
def test_threads_that_ran_before_are_moved_too_and_back_when_the_block_fails() -> None:
    usable = os.sched_getaffinity(0)
    end = Event()
    thread = Thread(target=end.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        with suppress(KeyError), apart([]):
            assert os.sched_getaffinity(thread.native_id) == os.sched_getaffinity(0) != usable
            raise KeyError
        assert os.sched_getaffinity(thread.native_id) == usable
    finally:
        end.set()
        thread.join()
