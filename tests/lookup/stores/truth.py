"""What moves and leases need of a store, and how their contracts open one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from lookup.cell_keys import RecordPages
from lookup.leases import LeaseBook
from lookup.move_log import MoveLog
from lookup.ports import FeedingStore


class Truth(FeedingStore, RecordPages, MoveLog, LeaseBook, Protocol):
    """A store with its feed and its pages, its log of moves and its book of leases."""


OpenTruth = Callable[[], AbstractAsyncContextManager[Truth]]
