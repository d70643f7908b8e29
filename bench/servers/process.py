"""One server process: started in a folder of its own, waited for, frozen, killed, ended by its id.

The folder keeps a `pid` file, so that another process can end what this one started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.servers.ports import listens

_POLL_S: Final = 0.02
_STOP_S: Final = 15.0
_FREE_S: Final = 10.0
_LOG_TAIL_CHARACTERS: Final = 3000


class ServerError(Exception):
    """A server can't be had; the message says why and what to do."""


def poll(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether the condition came to hold within that time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_S)
    return True


class ServerProcess:
    """`command` run in `folder`, listening on `addresses`; `is_ready` says that it serves."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        addresses: Sequence[tuple[str, int]],
        is_ready: Callable[[], bool],
        ready_s: float,
    ) -> None:
        self.name = name
        self.folder = folder
        self._command = command
        self._addresses = addresses
        self._is_ready = is_ready
        self._ready_s = ready_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start, once nothing listens on its addresses any more. Raises ServerError when something does."""
        if not poll(lambda: not any(listens(host, port) for host, port in self._addresses), _FREE_S):
            raise ServerError(f"something else listens where {self.name} should: end it, or use another port")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._log().open("ab") as output:
            self._process = subprocess.Popen(
                list(self._command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
        pid = self._process.pid
        (self.folder / "pid").write_text(f"{pid} {_started_at(pid)}\n", encoding="utf-8")

    def wait_ready(self) -> None:
        """Return once it serves. Raises ServerError with the end of its log when it ends or stays silent."""
        process = self._process
        assert process is not None
        ready = poll(lambda: process.poll() is not None or self._is_ready(), self._ready_s)
        if process.poll() is not None:
            raise ServerError(f"{self.name} ended with {process.returncode}:\n{self._tail()}")
        if not ready:
            self.stop()
            raise ServerError(f"{self.name} is not ready after {self._ready_s:g} s:\n{self._tail()}")

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT lets it go on."""
        os.kill(self.pid, number)

    def revive(self) -> None:
        """Thaw it, or start it when it is gone; return once it serves. Raises ServerError."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        else:
            self.signal(signal.SIGCONT)
        self.wait_ready()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    def stop(self) -> None:
        """SIGTERM, after a while SIGKILL; wait until it is gone. Nothing happens when it is."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._forget()

    def _forget(self) -> None:
        self._process = None
        (self.folder / "pid").unlink(missing_ok=True)

    def _log(self) -> Path:
        return self.folder / "log"

    def _tail(self) -> str:
        return self._log().read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARACTERS:]


def recorded_pid(folder: Path) -> int | None:
    """The process that the folder's file names, while it runs; its id may be another process's by now."""
    try:
        pid, started_at = (folder / "pid").read_text(encoding="utf-8").split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if _started_at(int(pid)) == started_at else None


def stop_recorded(folder: Path) -> bool:
    """End the process that the folder's file names; whether it ran."""
    pid = recorded_pid(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not poll(lambda: recorded_pid(folder) is None, _STOP_S):
            os.kill(pid, signal.SIGKILL)
            poll(lambda: recorded_pid(folder) is None, _STOP_S)
    (folder / "pid").unlink(missing_ok=True)
    return pid is not None


def _started_at(pid: int) -> str:
    """When the process started, in clock ticks since boot; "" when there is none that runs."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
