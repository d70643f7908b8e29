"""The embedded store's change feed for those who follow it in this process: read on its reading thread, soon
after each commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

from lookup.ports import Change, StoreUnavailableError
from lookup.stores.sqlite_file import port_errors
from lookup.stores.sqlite_tail import Follower, Tail
from lookup.stores.sqlite_thread import SqliteThread
from lookup.stores.sqlite_watch import CommitWatch

_log: Final = logging.getLogger(__name__)


class Following:
    """For one event loop.

    report_lost  called on the thread when the file can't be read, e.g. another has taken its place: whoever
                 has it open begins anew
    """

    def __init__(self, path: Path, thread: SqliteThread, report_lost: Callable[[], None]) -> None:
        self._path = path
        self._thread = thread
        self._report_lost = report_lost
        self._tail = Tail(path)
        self._watch = CommitWatch(path, self._post_look)
        self._look_posted = False

    async def follow(self) -> AsyncGenerator[Change, None]:
        """ports.ChangeFeed.follow; sees other processes' changes within a few looks (25 ms each)."""
        follower = Follower(asyncio.get_running_loop())
        self._watch.start()
        try:
            with port_errors(self._path):
                await self._thread.run(lambda connection: self._tail.join(connection, follower))
            while True:
                for change in await follower.next_batch():
                    yield change
        finally:
            self._watch.stop()
            self._thread.post_if_open(lambda: self._tail.leave(follower))

    def end(self) -> None:
        """Followers get StoreUnavailableError."""
        self._thread.post_if_open(lambda: self._tail.break_off(StoreUnavailableError("the store is closed")))

    def _post_look(self) -> None:
        if not self._look_posted:
            self._look_posted = True
            self._thread.post_if_open(self._look)

    def _look(self) -> None:
        """On the thread: read on for the followers."""
        self._look_posted = False
        if not self._tail.is_followed:
            return
        try:
            self._tail.look(self._thread.connection())
        except StoreUnavailableError as failure:
            self._stop_looking(failure)
        except Exception as failure:  # e.g. a row that a newer program wrote; the thread must live on
            _log.exception("the change feed of %s can't be understood", self._path)
            self._stop_looking(StoreUnavailableError(f"{self._path}: {failure}"))

    def _stop_looking(self, failure: StoreUnavailableError) -> None:
        self._tail.break_off(failure)
        self._report_lost()
