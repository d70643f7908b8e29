"""Runs a command that is told to end (SIGTERM) when the process that started it is gone, even by SIGKILL.

python tied.py PID COMMAND ...: PID is whose end counts. The command takes this process's place.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h; it outlasts the exec


def tied(command: Sequence[str]) -> list[str]:
    """The command line that runs the command tied to this process. Start it from the main thread.

    The kernel means the thread that started it: with the end of another one it would come too early.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def _run(parent: int, command: Sequence[str]) -> None:
    """Raises OSError when the command can't be run; else doesn't return."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit("whoever started this is gone already")
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    _run(int(sys.argv[1]), sys.argv[2:])
