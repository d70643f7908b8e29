"""One worker process as its supervisor sees it: start, reports, orders, standard error, end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from proxy.control import channel
from proxy.control.channel import Channel
from proxy.control.messages import Do, Order, Report, WorkerState, decode_report, encode
from proxy.control.status import WorkerStatus
from proxy.control.words import messages, whole_lines
from proxy.observe.heavy import NOTHING
from proxy.observe.rows import Row

# -P: a folder named `proxy` where the operator happens to stand must not shadow this package.
COMMAND: Final = (sys.executable, "-P", "-m", "proxy.worker")
_ERROR_LIMIT: Final = 16_384

_log: Final = logging.getLogger("homecell")


class Watcher(Protocol):
    """Who is told what happens to a worker."""

    def reported(self, worker: WorkerProcess) -> None: ...

    def handed(self, key_set_fd: int) -> None: ...

    def ended(self, worker: WorkerProcess) -> None: ...


class Handover(NamedTuple):
    """What every worker gets from its supervisor: the config, and the last good JWK Set (-1: none yet)."""

    config: Path
    texts_fd: int
    key_set_fd: int


class WorkerProcess:
    """A running worker. Raises OSError when it can't be started.

    report           its last word
    tally            who asks it most, as far as it has told
    silent_looks     looks since then; the supervisor counts, each report sets it to nothing
    ready_since_s    monotonic seconds, 0.0 before
    errors           what it wrote on standard error before it was ready, at most the last 16 KiB
    exit_status      as of subprocess, None while it runs
    """

    def __init__(
        self,
        command: Sequence[str],
        handover: Handover,
        slot: int,
        listener: socket.socket,
        row: Row,
        watcher: Watcher,
    ) -> None:
        self.slot: Final = slot
        self.row: Final = row
        self.report = Report(WorkerState.STARTING, {}, 0)
        self.tally = NOTHING
        self.silent_looks = 0
        self.ready_since_s = 0.0
        self.errors = b""
        self.exit_status: int | None = None
        self._watcher = watcher
        ours, theirs = channel.pair()
        self._channel = Channel(ours)
        try:
            with theirs:
                self._process = _start(
                    command, handover, slot, listener.fileno(), row.descriptor, theirs.fileno()
                )
            self.pid: Final = self._process.pid
            self._pidfd = os.pidfd_open(self.pid)
        except OSError:
            self._channel.close()
            raise
        assert self._process.stderr is not None
        self._stderr = self._process.stderr
        os.set_blocking(self._stderr.fileno(), False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel, self._hear)
        loop.add_reader(self._stderr, self._read_errors)
        loop.add_reader(self._pidfd, self._end)

    def drain(self) -> None:
        """Let it finish what runs, then end."""
        if not self._channel.send(encode(Order(Do.DRAIN))):
            self.signal(signal.SIGTERM)

    def adopt(self, slot: int, listener: socket.socket) -> None:
        """Let it accept for another slot too."""
        self._channel.send(encode(Order(Do.ADOPT, slot)), listener.fileno())

    def release(self, slot: int) -> None:
        """Let it accept no more for that slot."""
        self._channel.send(encode(Order(Do.RELEASE, slot)))

    def reopen_logs(self) -> None:
        """Let it write to a fresh access log."""
        self._channel.send(encode(Order(Do.REOPEN_LOGS)))

    def place_anew(self, texts_fd: int) -> None:
        """Let it place users by the config that has these texts."""
        self._channel.send(encode(Order(Do.PLACE_ANEW)), texts_fd)

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended already."""
        if self.exit_status is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def status(self, now_s: float) -> WorkerStatus:
        """As the admin endpoint tells it; `now_s` is Unix seconds."""
        seen_s = self.row.feed_seen_s()
        return WorkerStatus(
            self.slot,
            self.pid,
            self.report.state,
            self.report.flags,
            self.report.applied_ms,
            max(0.0, now_s - seen_s) if seen_s else None,
        )

    @property
    def ending(self) -> str:
        """How it ended; only after its end."""
        status = self.exit_status
        assert status is not None, "only after its end"
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    @property
    def last_words(self) -> str:
        """`: ` and why it never became ready, as far as it said so."""
        said = messages(self.errors)
        return f": {said[-1][1]}" if said else ""

    def _hear(self) -> None:
        try:
            received = self._channel.receive()
        except BlockingIOError:
            return
        if received is None:  # it ends: the pidfd will tell
            asyncio.get_running_loop().remove_reader(self._channel)
            return
        if received.descriptor >= 0:
            self._watcher.handed(received.descriptor)
        before, self.report = self.report.state, decode_report(received.message)
        if self.report.tally is not None:
            self.tally = self.report.tally
        self.silent_looks = 0
        if self.report.state is WorkerState.READY and not self.ready_since_s:
            self.ready_since_s = time.monotonic()
            self._show_errors()
        if self.report.state is not before:
            self._watcher.reported(self)

    def _read_errors(self) -> None:
        text = self._stderr.read()
        if text == b"":
            asyncio.get_running_loop().remove_reader(self._stderr)
        elif text:
            self.errors = (self.errors + text)[-_ERROR_LIMIT:]
            if self.ready_since_s:
                self._show_errors()

    def _show_errors(self) -> None:
        """Before a worker is ready its words are kept back: of many that fail alike only one is shown.

        A line that has no end yet is kept until it has, or its writer is gone.
        """
        errors, self.errors = whole_lines(self.errors)
        for level, text in messages(errors):
            _log.log(level, "worker %d: %s", self.slot, text)

    def _end(self) -> None:
        loop = asyncio.get_running_loop()
        for source in (self._channel, self._stderr, self._pidfd):
            loop.remove_reader(source)
        self._read_errors()
        if self.ready_since_s and self.errors:
            self.errors += b"\n"
            self._show_errors()
        self.exit_status = self._process.wait()
        self._channel.close()
        self._stderr.close()
        os.close(self._pidfd)
        self._watcher.ended(self)


def _start(
    command: Sequence[str], handover: Handover, slot: int, listener_fd: int, row_fd: int, control_fd: int
) -> subprocess.Popen[bytes]:
    descriptors = {
        "--texts-fd": handover.texts_fd,
        "--listener-fd": listener_fd,
        "--row-fd": row_fd,
        "--control-fd": control_fd,
    }
    if handover.key_set_fd >= 0:
        descriptors["--key-set-fd"] = handover.key_set_fd
    options = [text for name, descriptor in descriptors.items() for text in (name, str(descriptor))]
    return subprocess.Popen(
        [*command, "--slot", str(slot), "--config", str(handover.config), *options],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=tuple(descriptors.values()),
        process_group=0,  # Ctrl-C is for the supervisor, which then lets the workers drain
    )
