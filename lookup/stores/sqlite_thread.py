"""One thread that owns one SQLite connection and runs jobs on it.

The loop never waits for this thread, and asks SQLite one thing itself: whether anybody has committed
(sqlite_watch.py). Writes that wait together share a transaction, because committing costs more than most.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from lookup.ports import StoreUnavailableError
from lookup.stores.sqlite_file import writing

T = TypeVar("T")
Open = Callable[[], sqlite3.Connection]

_JOIN_S: Final = 10.0
_TOGETHER: Final = 128
"""Most jobs taken at once: other processes wait for a transaction's end."""


class _Write:
    """A write, and whoever waits until it is committed."""

    def __init__(self, job: Callable[[sqlite3.Connection], None]) -> None:
        self.outcome: Future[None] = Future()
        self.failure: Exception | None = None
        self._job = job

    def attempt(self, connection: sqlite3.Connection) -> None:
        """Within the transaction; a failure undoes this write only."""
        try:
            with writing(connection):
                self._job(connection)
        except Exception as failure:
            self.failure = failure

    def settle(self) -> None:
        """The transaction is committed."""
        if self.failure is None:
            self.outcome.set_result(None)
        else:
            self.outcome.set_exception(self.failure)


_Queued = Callable[[], None] | _Write | None
"""None ends the thread."""


class SqliteThread:
    """Opens the connection when a job needs it."""

    def __init__(self, name: str, open_connection: Open) -> None:
        self._open = open_connection
        self._jobs: SimpleQueue[_Queued] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
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

    async def run_write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Like `run`, in a transaction that is committed when this returns. Several writes may share one, but
        each has its effect or none, as if it were alone."""
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        results: list[T] = []
        write = _Write(lambda connection: results.append(job(connection)))
        self._jobs.put(write)
        await asyncio.wrap_future(write.outcome)
        return results[0]

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
        while self._work_off(self._take()):
            pass
        self.disconnect()

    def _take(self) -> list[_Queued]:
        """What is queued, after a wait for the first; None, which ends the thread, is always the last."""
        taken = [self._jobs.get()]
        with contextlib.suppress(Empty):
            while taken[-1] is not None and len(taken) < _TOGETHER:
                taken.append(self._jobs.get_nowait())
        return taken

    def _work_off(self, taken: list[_Queued]) -> bool:
        """Do it all; False when the last is to end. Readings come first: none waits for a write that it was
        not after, and none sees what is not committed."""
        for job in taken:
            if job is not None and not isinstance(job, _Write):
                job()
        writes = [job for job in taken if isinstance(job, _Write)]
        if writes:
            self._write([write for write in writes if write.outcome.set_running_or_notify_cancel()])
        return taken[-1] is not None

    def _write(self, writes: list[_Write]) -> None:
        try:
            connection = self.connection()
            with writing(connection):
                for write in writes:
                    write.attempt(connection)
                    if write.failure is not None and not connection.in_transaction:
                        raise write.failure  # e.g. the disk is full: SQLite has undone all of it
        except Exception as failure:
            for write in writes:
                write.outcome.set_exception(failure)
        else:
            for write in writes:
                write.settle()
