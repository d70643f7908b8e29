"""Tells followers what this process or another appended to the embedded store's feed. On the thread."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from lookup.ports import Change, StoreUnavailableError
from lookup.stores import sqlite_feed
from lookup.stores.sqlite_file import port_errors, reading

_HEARTBEAT_S: Final = 0.3
"""Looks come more seldom when nothing happens; the port promises a heartbeat per second."""

_MAX_WAITING: Final = 100_000
"""Changes that a follower may be behind; beyond that it must begin anew."""


class Follower:
    """Where one consumer's changes wait. `next_batch` is for its loop, the rest for the store's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Change] = deque()
        self._failure: StoreUnavailableError | None = None
        self._arrived = asyncio.Event()

    async def next_batch(self) -> list[Change]:
        """At least one change, in order. Raises StoreUnavailableError when the feed broke."""
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        batch = list(self._waiting)
        self._waiting.clear()
        return batch

    def deliver(self, changes: list[Change]) -> None:
        """From the thread: hand over."""
        self._call(lambda: self._accept(changes))

    def fail(self, failure: StoreUnavailableError) -> None:
        """From the thread: the feed broke; what was delivered before is still read."""
        self._call(lambda: self._break(failure))

    def _call(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the consumer's loop has ended
            self._loop.call_soon_threadsafe(action)

    def _accept(self, changes: list[Change]) -> None:
        if len(self._waiting) + len(changes) > _MAX_WAITING:
            self._break(StoreUnavailableError("the feed's consumer fell too far behind"))
            return
        self._waiting.extend(changes)
        self._arrived.set()

    def _break(self, failure: StoreUnavailableError) -> None:
        self._failure = failure
        self._arrived.set()


class Tail:
    """The followers and how far the feed was read for them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._followers: list[Follower] = []
        self._generation = ""
        self._sequence = 0
        self._file_id = (0, 0)
        self._heartbeat_due_s = 0.0

    @property
    def is_followed(self) -> bool:
        """Whether looking makes sense."""
        return bool(self._followers)

    def join(self, connection: sqlite3.Connection, follower: Follower) -> None:
        """Add a follower; its first event says where the feed stands."""
        if self._followers:
            self._read_on(connection)
        else:
            self._begin(connection)
        self._followers.append(follower)
        follower.deliver([self._heartbeat()])

    def leave(self, follower: Follower) -> None:
        """The follower doesn't listen any more."""
        if follower in self._followers:
            self._followers.remove(follower)

    def look(self, connection: sqlite3.Connection) -> None:
        """Deliver what is new, or a heartbeat when one is due."""
        with port_errors(self._path):
            self._read_on(connection)
        if monotonic() >= self._heartbeat_due_s:
            self._check_file()
            self._send([self._heartbeat()])

    def break_off(self, failure: StoreUnavailableError) -> None:
        """The feed can't be read: every follower must begin anew."""
        followers, self._followers = self._followers, []
        for follower in followers:
            follower.fail(failure)

    def _begin(self, connection: sqlite3.Connection) -> None:
        stands = sqlite_feed.head(connection)
        self._generation, self._sequence = stands.generation, stands.last_sequence
        self._file_id = self._identify_file()

    def _read_on(self, connection: sqlite3.Connection) -> None:
        more = True
        while more:
            with reading(connection):
                stands = sqlite_feed.head(connection)
                after = self._sequence if stands.generation == self._generation else 0
                changes = sqlite_feed.changes_after(connection, after, stands.generation)
            position = (stands.generation, changes[-1].sequence if changes else stands.last_sequence)
            if position != (self._generation, self._sequence):
                self._generation, self._sequence = position
                self._send(changes or [self._heartbeat()])
            more = self._sequence < stands.last_sequence

    def _send(self, changes: list[Change]) -> None:
        self._heartbeat_due_s = monotonic() + _HEARTBEAT_S
        for follower in self._followers:
            follower.deliver(changes)

    def _heartbeat(self) -> Change:
        return Change(self._generation, self._sequence)

    def _identify_file(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise StoreUnavailableError(f"{self._path}: {error.strerror}") from error
        return status.st_dev, status.st_ino

    def _check_file(self) -> None:
        if self._identify_file() != self._file_id:
            raise StoreUnavailableError(f"{self._path}: another file has taken the store's place")
