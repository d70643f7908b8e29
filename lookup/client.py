"""A client of the lookup service, for edges and other programs: typed, asynchronous, small.

async with LookupClient("https://lookup.example", token) as client:
    found = await client.get("user:42")
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeVar
from urllib.parse import quote

import aiohttp

from lookup.aliases import by_key
from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.flags import Flag, FlagRecord
from lookup.ports import (
    Change,
    EpochConflictError,
    History,
    StoreUnavailableError,
    StoreUnusableError,
)
from lookup.service.forms import (
    STATE_LABELS,
    Json,
    change_of,
    flag_of,
    history_of,
    record_form,
    record_of,
)

T = TypeVar("T")

_TIMEOUT_S: Final = 12.0
_CONNECT_S: Final = 2.0
_SILENT_S: Final = 5.0
"""The feed has a heartbeat every second."""


@dataclass(frozen=True, slots=True)
class Found:
    """A home as the service's tiers know it. `tier` "stale": no tier answered, good for safe methods only.

    key   the home key: that of the key which was asked for, or which that one names
    """

    key: str
    cell: str
    jurisdiction: str
    epoch: int
    state: State
    tier: str


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
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, key: str) -> Found | None:
        """The home of one key, None when it has none."""
        batch = await self.get_many([key])
        if batch.unavailable:
            raise StoreUnavailableError(f"{self._url}: the home can't be told now")
        return next(iter(batch.homes.values()), None)

    async def get_many(self, keys: Sequence[str]) -> Batch:
        """The homes of at most 1,000 keys."""
        return await self._call("POST", "/v1/keys:batch", {"keys": keys}, _batch_of)

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """The store's own records of at most 1,000 keys."""
        form: Json = {"keys": keys, "fresh": True}
        return by_key(await self._call("POST", "/v1/keys:batch", form, _records_of), keys)

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """The records of at most 1,000 keys as they surely are now: see ports.Store.confirm."""
        form: Json = {"keys": keys, "confirmed": True}
        return by_key(await self._call("POST", "/v1/keys:batch", form, _records_of), keys)

    async def place(self, key: str, cell: str, jurisdiction: str) -> Assignment:
        """Give a new key its home; the home that it has already, if any."""
        form: Json = {"cell": cell, "jurisdiction": jurisdiction}
        return await self._call("POST", f"{_path(key)}:place", form, record_of)

    async def place_anywhere(self, key: str, jurisdiction: str, tenant: str = "") -> Assignment | None:
        """The same in a cell that the service chooses; None: no cell has room."""
        form: Json = {"jurisdiction": jurisdiction, "tenant": tenant}
        status, answer = await self._exchange("POST", f"{_path(key)}:place", form)
        if status == 409:
            return None
        self._accept(status, answer)
        return record_of(answer)

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        """Write the record if the store's has this epoch (NO_EPOCH: there is none). Or EpochConflictError."""
        expected = None if expected_epoch == NO_EPOCH else expected_epoch
        status, form = await self._exchange(
            "PUT", _path(new.key), {"home": record_form(new), "expected_epoch": expected}
        )
        if status == 409 and isinstance(form, dict):
            current = form.get("current")
            raise EpochConflictError(new.key, expected_epoch, None if current is None else record_of(current))
        self._accept(status, form)

    async def load(self, records: Sequence[Assignment]) -> int:
        """Write those of at most 1,000 records whose keys are new; how many."""
        homes = [record_form(record) for record in records]
        return await self._call("POST", "/v1/homes:load", {"homes": homes}, _written_of)

    async def count_by_cell(self) -> Mapping[str, int]:
        """How many keys are at home in each cell."""
        return await self._call("GET", "/v1/cells", None, _counts_of)

    async def flags(self) -> Mapping[str, FlagRecord]:
        """Every flag, by cell."""
        return await self._call("GET", "/v1/flags", None, _flags_of)

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
        return await self._call("PUT", f"/v1/flags/{quote(cell, safe='')}", form, flag_of)

    async def history(self, since_s: float) -> History:
        """The keys moved after that time."""
        return await self._call("GET", f"/v1/history?since_s={since_s!r}", None, history_of)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """The feed from now on, heartbeats too; ends by raising StoreUnavailableError."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
        try:
            async with self._open().get(f"{self._url}/v1/changes", timeout=timeout) as response:
                if response.status != 200:
                    self._accept(response.status, _parsed(await response.read()))
                async for line in response.content:
                    if line.startswith(b"data: "):
                        yield change_of(json.loads(line[6:]))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RuntimeError) as error:  # of aiohttp
            raise StoreUnavailableError(f"{self._url}: the feed broke ({_said(error)})") from error
        raise StoreUnavailableError(f"{self._url}: the feed ended")

    async def close(self) -> None:
        """Close the connections; later calls raise StoreUnavailableError."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _call(self, method: str, path: str, form: Json, decode: Callable[[object], T]) -> T:
        status, answer = await self._exchange(method, path, form)
        self._accept(status, answer)
        try:
            return decode(answer)
        except ValueError as error:
            raise StoreUnusableError(
                f"{self._url}: answers otherwise than a lookup service ({error}); correct the URL"
            ) from error

    async def _exchange(self, method: str, path: str, form: Json = None) -> tuple[int, object]:
        body = None if form is None else json.dumps(form, ensure_ascii=False).encode()
        try:
            async with self._open().request(method, f"{self._url}{path}", data=body) as response:
                return response.status, _parsed(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self._url}: no answer ({_said(error)})") from error

    def _accept(self, status: int, answer: object) -> None:
        if status == 200:
            return
        detail = answer.get("detail", "") if isinstance(answer, dict) else ""
        said = f"{self._url}: {status} {detail}".rstrip()
        if status == 400:
            raise ValueError(said)
        if status in (401, 403):
            raise StoreUnusableError(f"{said}; give this client a token of the service that permits it")
        if status in (404, 405, 413):
            raise StoreUnusableError(f"{said}; is this the URL of a lookup service of the same version?")
        raise StoreUnavailableError(said)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S, sock_connect=_CONNECT_S),
            )
        return self._session


def _path(key: str) -> str:
    return f"/v1/keys/{quote(key, safe=':')}"


def _found_of(form: object) -> Found:
    match form:
        case {
            "key": str() as key,
            "cell": str() as cell,
            "jurisdiction": str() as jurisdiction,
            "epoch": int() as epoch,
            "state": "placed" | "moving" as state,
            "tier": str() as tier,
        }:
            return Found(key, cell, jurisdiction, epoch, State(STATE_LABELS.index(state)), tier)
    raise ValueError("not a home")


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
            found = {_asked_for(home): _found_of(home) for home in homes}
            return Batch(found, unknown, unavailable)
    raise ValueError("not a batch")


def _records_of(form: object) -> Sequence[Assignment]:
    match form:
        case {"homes": list() as homes}:
            return [record_of(home) for home in homes]
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


def _parsed(body: bytes) -> object:
    """The JSON, None when it is none: the status says enough then."""
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
