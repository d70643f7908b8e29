"""Runs a hook's command so that it ends, with all that it started, when whoever started this program is gone.

python hook_child.py COMMAND ...: with standard input a pipe that nobody writes to; its end is the sign. It
passes on the command's last words, and ends when the command does, even if that leaves something in the
background which keeps its output open. A program of its own, because a driver that was killed by SIGKILL can
clean up nothing. It imports little: every hook waits for its start.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER: Final = 36

LAST_WORDS_BYTES: Final = 300
_PIECE_BYTES: Final = 1 << 16
_MOST_PIECES: Final = 16
"""A pipe holds one; what is left in the background may go on to fill it."""

_LIFE: Final = 0
_OUTPUT: Final = 1
_ERRORS: Final = 2
_NOT_STARTED: Final = 127
_SIGNALLED: Final = 128
"""Statuses as shells tell them."""


def command_line(command: Sequence[str]) -> list[str]:
    """What runs the command so."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *command]


def _run(command: Sequence[str]) -> int:
    """The command's status, once it has ended or was ended."""
    signals, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # what counts is that it wakes the select
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child, words = _start(command)
    while True:
        ready, _, _ = select.select((_LIFE, signals, *words.open_files), (), ())
        if _LIFE in ready or (signals in ready and signal.SIGTERM in os.read(signals, 512)):
            _end_all()
            return _SIGNALLED + signal.SIGKILL
        status = _ended(child)
        words.hear(_MOST_PIECES)
        if status is not None:
            with suppress(OSError):
                os.write(_OUTPUT, words.last)
            return status


class _Words:
    """The last ones that come out of a pipe."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self.open_files: tuple[int, ...] = (pipe,)
        self.last = b""

    def hear(self, most: int) -> None:
        """What is there, in at most so many pieces."""
        for _ in range(most if self.open_files else 0):
            try:
                piece = os.read(self.open_files[0], _PIECE_BYTES)
            except BlockingIOError:
                return
            if not piece:
                self.open_files = ()
                return
            self.last = (self.last + piece)[-LAST_WORDS_BYTES:]


def _start(command: Sequence[str]) -> tuple[int, _Words]:
    parent = os.getpid()
    heard, output = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _become(command, parent, output)
        finally:
            os._exit(_NOT_STARTED)
    os.close(output)
    return child, _Words(heard)


def _become(command: Sequence[str], parent: int, output: int) -> NoReturn:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_NOT_STARTED)
    os.dup2(os.open(os.devnull, os.O_RDONLY), _LIFE)
    for stream in (_OUTPUT, _ERRORS):
        os.dup2(output, stream)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and commands would inherit that
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(_ERRORS, f"can't be started: {error.strerror}\n".encode())
        os._exit(_NOT_STARTED)


def _ended(child: int) -> int | None:
    """The child's status if it has ended. Waits for orphans as well, whose parent this has become."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _SIGNALLED - code


def _end_all() -> None:
    """Kill whatever descends from here until nothing is left: orphans become children of this process."""
    if sys.platform != "linux":
        os.killpg(0, signal.SIGKILL)
    while True:
        for pid in _descendants():
            with suppress(OSError):  # gone already, or another user's: that one is waited for
                os.kill(pid, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _descendants() -> set[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended
                parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found: set[int] = set()
    unseen = [os.getpid()]
    while unseen:
        more = children.get(unseen.pop(), [])
        found.update(more)
        unseen += more
    return found


def _prctl(option: int, value: int) -> None:
    """Nothing on other systems, which have none: there only what stays in the command's group is ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
