"""Notices on the event loop that anybody committed to the file, so that the store's thread sleeps until then.

`PRAGMA data_version` is a look at shared memory: some 10 us, forty times a second. Asked on the store's
thread it would cost a multiple: a busy loop and the thread take the interpreter from each other each time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

LOOK_EVERY_S: Final = 0.025
_HEARTBEAT_S: Final = 0.4
"""Without a commit; the port promises one heartbeat per second."""

_UNKNOWN: Final = -1


class CommitWatch:
    """Calls `report` soon after each commit, of this process or another, and now and then without one.

    `start` and `stop` are called in pairs, on the loop; it watches while there are more starts than stops.
    """

    def __init__(self, path: Path, report: Callable[[], None]) -> None:
        self._path = path
        self._report = report
        self._watchers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._connection: sqlite3.Connection | None = None
        self._seen = _UNKNOWN
        self._due_s = 0.0

    def start(self) -> None:
        """Watch, if nobody has asked for it yet."""
        self._watchers += 1
        if self._timer is None:
            self._seen = _UNKNOWN
            self._glance()

    def stop(self) -> None:
        """Watch no more, once nobody wants it."""
        self._watchers -= 1
        if self._watchers == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._disconnect()

    def _glance(self) -> None:
        version = self._version()
        pause_s = LOOK_EVERY_S if version != _UNKNOWN else _HEARTBEAT_S
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._glance)
        now_s = monotonic()
        if version == _UNKNOWN or version != self._seen or now_s >= self._due_s:
            self._seen = version
            self._due_s = now_s + _HEARTBEAT_S
            self._report()

    def _version(self) -> int:
        """Another number after each commit; _UNKNOWN where the file can't tell: the thread finds out why."""
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(
                    f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=0
                )
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            self._disconnect()
            return _UNKNOWN
        return version

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
