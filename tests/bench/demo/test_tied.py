"""What was tied to a process ends with it, however that ended, and otherwise runs as if it were not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.demo.tied import tied
from tests.support.ends import PATIENCE_S

PARENT = """
import subprocess, sys
from bench.demo.tied import tied
sleeper = "import signal; print('up', flush=True); signal.pause()"
print(subprocess.Popen(tied([sys.executable, "-c", sleeper])).pid, flush=True)
sys.stdin.read()
"""


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_it_ends_when_the_process_that_started_it_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "up\n"
        assert not is_gone(child)
        parent.kill()
    until_s = time.monotonic() + PATIENCE_S
    while not is_gone(child):
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_the_command_is_the_process_that_was_started() -> None:
    command = [sys.executable, "-c", "import os, sys; print(os.getpid()); sys.exit(7)"]
    with subprocess.Popen(tied(command), stdout=subprocess.PIPE, text=True) as child:
        assert child.communicate()[0] == f"{child.pid}\n"
    assert child.returncode == 7


def test_it_does_not_run_for_somebody_who_is_gone_already() -> None:
    words = tied([sys.executable, "-c", "print('runs')"])
    words[words.index(str(os.getpid()))] = "1"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
