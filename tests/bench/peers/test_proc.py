"""Reading /proc: a process's CPU time and its descendants."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.peers import proc


def test_a_command_name_with_spaces_and_parentheses_does_not_shift_the_fields() -> None:
    numbered = " ".join(str(number) for number in range(5, 53))  # each field's value is its number in proc(5)
    assert proc.stat_fields(f"42 (a) S 9 (b) R 4 {numbered}\n") == (4, 14, 15)


def test_the_tree_holds_a_child_of_a_child() -> None:
    grandchild = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", grandchild], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        pids = proc.tree(os.getpid())
        below = proc.tree(child.pid)
        child.communicate(b"\n")
    assert pids[0] == os.getpid()
    assert below[0] == child.pid
    assert len(below) == 2
    assert set(below) <= set(pids)


def test_a_process_that_ended_spoils_the_measurement() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    with pytest.raises(proc.ProcessGoneError, match=str(child.pid)):
        proc.cpu_s([child.pid])
