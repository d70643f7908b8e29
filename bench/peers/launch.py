"""Start programs pinned to a core in a temporary folder, and end each by its pid whatever happens."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

STOP_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.02


class LaunchError(Exception):
    """A program did not start; the message ends with what it printed."""


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def environment(python_path: Path | None) -> dict[str, str]:
    """This process's environment; with a path, Python looks for modules there first."""
    return {**os.environ, **({} if python_path is None else {"PYTHONPATH": str(python_path)})}


class Launcher:
    """Owns a temporary folder and the processes started in it; leaving the `with` block ends and deletes all.

    Each process gets a session of its own: Ctrl-C reaches the bench alone, which then stops them in order.
    """

    def __init__(self, proxy_core: int, load_core: int) -> None:
        self.proxy_core = proxy_core
        self.load_core = load_core
        self.folder = Path(tempfile.mkdtemp(prefix="homecell-bench-"))
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running):
            _stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        core: int,
        ports: Sequence[int],
        timeout_s: float = 15.0,
        python_path: Path | None = None,
    ) -> int:
        """Start `command` on `core`, wait until it listens on every port, and return its pid.

        Raises LaunchError, with the end of its output, when it exits or stays silent for `timeout_s`.
        """
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment(python_path),
                start_new_session=True,
            )
        self._running.append(process)
        deadline_s = time.monotonic() + timeout_s
        while not all(answers(port) for port in ports):
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline_s:
                what = f"exited with {process.returncode}" if ended else f"is silent after {timeout_s:.0f} s"
                raise LaunchError(f"{name} {what}:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(POLL_S)
        return process.pid


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
