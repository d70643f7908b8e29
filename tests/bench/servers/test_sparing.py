"""What a server that shares its cores is started with."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.servers.sparing import TIMER_SLACK_NS, sparing

_TELL = """
import os, threading
def tell():
    print(open(f"/proc/{threading.get_native_id()}/timerslack_ns").read().strip(), os.sched_getscheduler(0))
thread = threading.Thread(target=tell)
thread.start()
thread.join()
"""


def test_its_threads_have_slow_timers_and_take_no_core_from_others() -> None:
    told = subprocess.run(sparing([sys.executable, "-c", _TELL]), capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(TIMER_SLACK_NS), str(os.SCHED_BATCH)]


def test_it_gets_its_arguments_as_they_are() -> None:
    odd = ["$HOME", "a b", "'", ""]
    tell = [sys.executable, "-c", "import sys; print(sys.argv[1:])"]
    told = subprocess.run(sparing([*tell, *odd]), capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str(odd)
