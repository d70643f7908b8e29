"""A lookup service as store and feed, for an edge that has no database of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeAlias, TypeVar

from lookup.assignment import Assignment, check_epoch
from lookup.chunks import chunks
from lookup.client import LookupClient
from lookup.flags import Flag, FlagRecord
from lookup.ports import Change, History, StoreUnusableError
from lookup.service.forms import MAX_BATCH_KEYS, MOST_WRITE_S
from lookup.service.tokens import TokensFileError, load_token

T = TypeVar("T")

_Ask: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Assignment]]]
_BATCHES_AT_ONCE: Final = 4


class RemoteStore:
    """Implements ports.Store and ports.ChangeFeed: what it reads is the truth behind the service.

    write_takes_s  how long a write may take from the answer that confirmed its home to its end in the cell
    """

    def __init__(self, client: LookupClient, write_takes_s: float = 0.0) -> None:
        self._client = client
        self._write_takes_s = write_takes_s

    @classmethod
    def at(cls, url: str, token_file: Path, write_takes_s: float = 0.0) -> Self:
        """The service at that URL; asks it nothing yet. Raises StoreUnusableError for a bad token file, and
        for writes that take longer than any service waits for."""
        if write_takes_s > MOST_WRITE_S:
            raise StoreUnusableError(
                f"limits.request_timeout_s and limits.cell_request_limit_s are {write_takes_s:g} s together; "
                f"with a lookup service as store {MOST_WRITE_S:g} s are the most: lower them"
            )
        try:
            return cls(LookupClient(url, load_token(token_file)), write_takes_s)
        except TokensFileError as error:
            raise StoreUnusableError(str(error)) from error

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.read: one request for each thousand keys."""
        return await _in_batches(self._client.read, keys)

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.confirm: the service asks its own store so."""
        return await _in_batches(partial(self._client.confirm, write_takes_s=self._write_takes_s), keys)

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        """ports.Store.compare_and_set. Raises ValueError when the new epoch is not higher."""
        check_epoch(new, expected_epoch)
        await self._client.compare_and_set(new, expected_epoch)

    async def load(self, assignments: Iterable[Assignment]) -> int:
        """ports.Store.load: repeating it after an interruption completes it."""
        loaded = 0
        for records in chunks(assignments, MAX_BATCH_KEYS):
            loaded += await self._client.load(records)
        return loaded

    async def count_by_cell(self) -> Mapping[str, int]:
        """ports.Store.count_by_cell."""
        return await self._client.count_by_cell()

    async def flags(self) -> Mapping[str, FlagRecord]:
        """ports.Store.flags."""
        return await self._client.flags()

    async def set_flag(
        self,
        cell: str,
        flag: Flag,
        *,
        reason: str,
        author: str,
        now_s: float,
        expires_at_s: float | None = None,
    ) -> FlagRecord:
        """ports.Store.set_flag."""
        return await self._client.set_flag(
            cell, flag, reason=reason, author=author, now_s=now_s, expires_at_s=expires_at_s
        )

    async def follow(self) -> AsyncGenerator[Change, None]:
        """ports.ChangeFeed.follow."""
        async with aclosing(self._client.changes()) as changes:
            async for change in changes:
                yield change

    async def history(self, since_s: float) -> History:
        """ports.ChangeFeed.history."""
        return await self._client.history(since_s)

    async def close(self) -> None:
        """ports.Store.close; followers get StoreUnavailableError."""
        await self._client.close()


async def _in_batches(ask: _Ask, keys: Sequence[str]) -> Mapping[str, Assignment]:
    found: dict[str, Assignment] = {}
    batches = list(chunks(keys, MAX_BATCH_KEYS))
    for start in range(0, len(batches), _BATCHES_AT_ONCE):
        together = batches[start : start + _BATCHES_AT_ONCE]
        for records in await asyncio.gather(*map(ask, together)):
            found.update(records)
    return found
