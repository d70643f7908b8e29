"""One thread that owns one SQLite connection: runs jobs in order, and looks at the file regularly in between.

Nothing of SQLite happens on the event loop, and the loop never waits for this thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final, TypeVar

from lookup.ports import StoreUnavailableError

T = TypeVar("T")
Open = Callable[[], sqlite3.Connection]

_JOIN_S: Final = 10.0


class SqliteThread:
    """`look` is called on the thread every `look_every_s` while `looking` is set; it must not raise."""

    def __init__(
        self, name: str, open_connection: Open, look: Callable[[], None], look_every_s: float
    ) -> None:
        self._open = open_connection
        self._look = look
        self._look_every_s = look_every_s
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self.looking = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """What the job returns or raises, or what opening the file raises.

        When the caller is cancelled, a job that has begun ends by itself; one that has not is left out.
        """
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        outcome: Future[T] = Future()
        self._jobs.put(lambda: self._work(job, outcome))
        return await asyncio.wrap_future(outcome)

    def post_if_open(self, job: Callable[[], None]) -> None:
        """Run the job on the thread; nobody waits for it and it must not raise."""
        if not self._closed:
            self._jobs.put(job)

    async def close(self) -> None:
        """Run what was queued, close the file, end the thread."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, _JOIN_S)

    def connection(self) -> sqlite3.Connection:
        """On the thread: the connection, opened if need be."""
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def disconnect(self) -> None:
        """On the thread: close the file; whoever needs it next opens it anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _work(self, job: Callable[[sqlite3.Connection], T], outcome: Future[T]) -> None:
        if not outcome.set_running_or_notify_cancel():
            return
        try:
            outcome.set_result(job(self.connection()))
        except Exception as failure:
            outcome.set_exception(failure)

    def _run(self) -> None:
        next_look_s = monotonic()
        while True:
            wait_s = max(0.0, next_look_s - monotonic()) if self.looking else None
            try:
                job = self._jobs.get(timeout=wait_s)
                if job is None:
                    break
                job()
            except Empty:
                pass
            if self.looking and monotonic() >= next_look_s:
                self._look()
                next_look_s = monotonic() + self._look_every_s
        self.disconnect()
