"""What a model needs of the store, feed and log that it runs on: the real ones, with fate in between."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from random import Random
from typing import Protocol

from lookup.assignment import Assignment
from lookup.leases import LeaseBook
from lookup.move_log import MoveLog
from lookup.ports import Change, History, SharedCache, Store
from tests.lookup.model.fates import Fates


class Stage(Protocol):
    """`fates` meet every write of `store`, `log` and `leases`, in the order in which they are tried.

    tag   what names begin with, so that worlds that share a store don't meet
    """

    @property
    def tag(self) -> str: ...
    @property
    def fates(self) -> Fates: ...
    @property
    def store(self) -> Store: ...
    @property
    def log(self) -> MoveLog: ...
    @property
    def leases(self) -> LeaseBook: ...
    @property
    def shared(self) -> SharedCache | None: ...

    def follow(self) -> AsyncGenerator[Change, None]:
        """The feed as workers follow it: after the last change comes a heartbeat."""

    async def history(self, since_s: float) -> History:
        """ports.ChangeFeed.history."""

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """The latest committed records, as workers without a lease ask for them."""

    async def truth(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """The same, as the model knows it, past every fate."""

    async def tell(self) -> None:
        """Whatever brings changes to the feed takes its turn; StoreUnavailableError when it can't."""

    async def harm_feed(self, dice: Random) -> None:
        """Something befalls the feed."""

    async def told(self) -> list[Assignment]:
        """What the feed has told since the last call, none of it lost."""

    async def close(self) -> None:
        """End what it began."""
