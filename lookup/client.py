"""A client of the lookup service, for edges and other programs: typed, asynchronous, small.

async with LookupClient("https://lookup.example", token) as client:
    found = await client.get("user:42")
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

import aiohttp

from lookup.assignment import NO_EPOCH, Assignment
from lookup.flags import Flag, FlagRecord, flag_of
from lookup.move_client import MoveClient
from lookup.ports import Change, EpochConflictError, History, KeyMove, StoreUnavailableError
from lookup.service.forms import (
    Found,
    Json,
    change_of,
    found_of,
    history_head_of,
    moves_of,
    record_form,
    record_of,
)
from lookup.service.link import ServiceLink, parsed, slug
from lookup.web_errors import in_words


@dataclass(frozen=True, slots=True)
class Batch:
    """The homes that were found, by the key asked for; the keys that have none; those that can't be told."""

    homes: Mapping[str, Found]
    unknown: Sequence[str]
    unavailable: Sequence[str]


class LookupClient:
    """Usable from one event loop, from its first use to `close`.

    Every method raises StoreUnavailableError when the service does not answer as it should (try again), of
    which StoreUnusableError says that trying again won't help; and ValueError for what the service refuses.

    moves   begins moves, follows them, ends them
    """

    def __init__(self, url: str, token: str) -> None:
        self._link = ServiceLink(url, token)
        self.moves = MoveClient(self._link)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, key: str) -> Found | None:
        """The home of one key, None when it has none."""
        batch = await self.get_many([key])
        if batch.unavailable:
            raise StoreUnavailableError(f"{self._link.url}: the home can't be told now")
        return next(iter(batch.homes.values()), None)

    async def get_many(self, keys: Sequence[str]) -> Batch:
        """The homes of at most 1,000 keys."""
        return await self._link.call("POST", "/v1/keys:batch", {"keys": keys}, _batch_of)

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """The store's own records of at most 1,000 keys."""
        form: Json = {"keys": keys, "fresh": True}
        return await self._link.call("POST", "/v1/keys:batch", form, _records_of)

    async def confirm(self, keys: Sequence[str], write_takes_s: float = 0.0) -> Mapping[str, Assignment]:
        """The records of at most 1,000 keys as they surely are now: see ports.Store.confirm. Moves wait for
        writes that go by this answer, as long as the service's config says or, if that is longer, so long."""
        form: Json = {"keys": keys, "confirmed": True, "write_takes_s": write_takes_s}
        return await self._link.call("POST", "/v1/keys:batch", form, _records_of)

    async def place(self, key: str, cell: str, jurisdiction: str) -> Assignment:
        """Give a new key its home; the home that it has already, if any."""
        form: Json = {"cell": cell, "jurisdiction": jurisdiction}
        return await self._link.call("POST", f"{_path(key)}:place", form, record_of)

    async def place_anywhere(self, key: str, jurisdiction: str, tenant: str = "") -> Assignment | None:
        """The same in a cell that the service chooses; None: no cell has room."""
        form: Json = {"jurisdiction": jurisdiction, "tenant": tenant}
        status, answer = await self._link.exchange("POST", f"{_path(key)}:place", form)
        if status == 409:
            return None
        return self._link.read(status, answer, record_of)

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        """Write the record if the store's has this epoch (NO_EPOCH: there is none). Or EpochConflictError.

        Raises ValueError also when the record names another cell than the store's: such a user is moved.
        """
        expected = None if expected_epoch == NO_EPOCH else expected_epoch
        status, form = await self._link.exchange(
            "PUT", _path(new.key), {"home": record_form(new), "expected_epoch": expected}
        )
        if isinstance(form, dict) and slug(form) == "epoch-conflict":
            current = form.get("current")
            raise EpochConflictError(new.key, expected_epoch, None if current is None else record_of(current))
        self._link.accept(status, form)

    async def load(self, records: Sequence[Assignment]) -> int:
        """Write those of at most 1,000 records whose keys are new; how many."""
        homes = [record_form(record) for record in records]
        return await self._link.call("POST", "/v1/homes:load", {"homes": homes}, _written_of)

    async def count_by_cell(self) -> Mapping[str, int]:
        """How many keys are at home in each cell."""
        return await self._link.call("GET", "/v1/cells", None, _counts_of)

    async def flags(self) -> Mapping[str, FlagRecord]:
        """Every flag, by cell."""
        return await self._link.call("GET", "/v1/flags", None, _flags_of)

    async def set_flag(
        self, cell: str, flag: Flag, *, reason: str, author: str, now_s: float, expires_at_s: float | None
    ) -> FlagRecord:
        """The cell's new flag."""
        form: Json = {
            "flag": flag.value,
            "reason": reason,
            "author": author,
            "set_at_s": now_s,
            "expires_at_s": expires_at_s,
        }
        return await self._link.call("PUT", f"/v1/flags/{quote(cell, safe='')}", form, flag_of)

    async def history(self, since_s: float) -> History:
        """The keys moved after that time, perhaps some before: of a key's moves away from one cell the last.

        However many they are, other tasks get their turns while they are read.
        """
        moves: list[KeyMove] = []
        async with aclosing(self._link.lines(f"/v1/history?since_s={since_s!r}")) as lines:
            head = await anext(lines, None)
            covers_since_s, count = self._link.read(200, head, history_head_of)
            async for line in lines:
                moves += self._link.read(200, line, moves_of)
        if len(moves) != count:
            raise StoreUnavailableError(f"{self._link.url}: {len(moves)} of {count} moves were told")
        return History(covers_since_s, moves)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """The feed from now on, heartbeats too; ends by raising StoreUnavailableError."""
        try:
            async with self._link.stream("/v1/changes") as response:
                if response.status != 200:
                    self._link.accept(response.status, parsed(await response.read()))
                async for line in response.content:
                    if line.startswith(b"data: "):
                        yield change_of(json.loads(line[6:]))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RuntimeError) as error:  # of aiohttp
            raise StoreUnavailableError(f"{self._link.url}: the feed broke ({in_words(error)})") from error
        raise StoreUnavailableError(f"{self._link.url}: the feed ended")

    async def close(self) -> None:
        """Close the connections; later calls raise StoreUnavailableError."""
        await self._link.close()


def _path(key: str) -> str:
    return f"/v1/keys/{quote(key, safe=':')}"


def _asked_for(form: object) -> str:
    """The key that was asked for; the home's own, when it does not name another one."""
    match form:
        case {"asked": str() as asked}:
            return asked
        case {"key": str() as key}:
            return key
    raise ValueError("not a home")


def _batch_of(form: object) -> Batch:
    match form:
        case {"homes": list() as homes, "unknown": list() as unknown, "unavailable": list() as unavailable}:
            found = {_asked_for(home): found_of(home) for home in homes}
            return Batch(found, unknown, unavailable)
    raise ValueError("not a batch")


def _records_of(form: object) -> Mapping[str, Assignment]:
    match form:
        case {"homes": list() as homes}:
            return {_asked_for(home): record_of(home) for home in homes}
    raise ValueError("not a batch")


def _flags_of(form: object) -> Mapping[str, FlagRecord]:
    match form:
        case {"flags": list() as flags}:
            return {record.cell: record for record in map(flag_of, flags)}
    raise ValueError("no flags")


def _counts_of(form: object) -> Mapping[str, int]:
    match form:
        case {"homes": dict() as counts}:
            return counts
    raise ValueError("no counts")


def _written_of(form: object) -> int:
    match form:
        case {"written": int() as written}:
            return written
    raise ValueError("no count")
