"""Keys that name a home key, in Cassandra: one row each, decided by compare-and-set where placements are.

A home's record does not bring its aliases along: they are in other partitions, and looking for them would
double the cost of every reading of a user who has none.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

from lookup.aliases import AliasRefusedError, may_be_alias
from lookup.assignment import Alias, Assignment
from lookup.feed_event import FeedEvent
from lookup.ports import StoreUnavailableError
from lookup.stores.cassandra_cluster import READ, confirming, deciding_again
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.tasks import gather_all

Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Assignment]]]

_log: Final = logging.getLogger(__name__)

_KEYS_AT_ONCE: Final = 16
_WRITE_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An alias, and the operation that wrote it. Epoch 0: only a fence, no alias yet."""

    alias: Alias
    operation: UUID


class Aliases:
    """Statements about table `alias`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        owner = None if settings.owners is None else settings.owners.placing
        self._deciding, self._confirming = deciding_again(owner), confirming(owner)
        table = f"{settings.keyspace}.alias"
        columns = "key, home, epoch, updated_at_s"
        self._read = f"SELECT {columns} FROM {table} WHERE key IN ?"
        self._one = f"SELECT {columns}, operation FROM {table} WHERE key = ?"
        self._first = (
            f"INSERT INTO {table} (home, epoch, updated_at_s, operation, key) VALUES (?, ?, ?, ?, ?) "
            "IF NOT EXISTS"
        )
        self._next = (
            f"UPDATE {table} SET home = ?, epoch = ?, updated_at_s = ?, operation = ? WHERE key = ? "
            "IF epoch = ? AND operation = ?"
        )

    async def follow(self, keys: Sequence[str], read: Read, *, surely: bool) -> Mapping[str, Assignment]:
        """What `read` says of the keys, and of those that name a home what it says of that.

        surely   whether they name it is confirmed too, each key by a request of its own
        """
        found = dict(await read(keys))
        others = [key for key in keys if key not in found and may_be_alias(key)]
        aliases = await (self._confirm_all(others) if surely else self._named(others))
        named = [alias for alias in aliases if alias.home]
        if named:
            homes = await read(list({alias.home for alias in named}))
            for alias in named:
                record = homes.get(alias.home)
                if record is not None:
                    found[alias.key] = replace(record, aliases=(alias,))
        return found

    async def confirm(self, key: str) -> AliasRow | None:
        """What is decided of the key, writes on their way included."""
        rows = await self._session.ask(self._one, (key,), self._confirming)
        return AliasRow(Alias(*rows[0][:4]), rows[0][4]) if rows else None

    async def fence(self, key: str, present: AliasRow | None) -> bool:
        """See to it that no write begun before is decided from now on. False: the row has changed."""
        alias = Alias(key, "", 0) if present is None else present.alias
        return await self.change(alias, present, uuid4())

    async def change(self, new: Alias, former: AliasRow | None, operation: UUID) -> bool:
        """Write the alias in place of `former`; False: another write was quicker."""
        values = (new.home, new.epoch, new.updated_at_s, operation, new.key)
        if former is None:
            rows = await self._session.ask(self._first, values, self._deciding)
        else:
            condition = (former.alias.epoch, former.operation)
            rows = await self._session.ask(self._next, (*values, *condition), self._deciding)
        return bool(rows[0][0])

    async def decide(self, new: Alias, former: AliasRow | None, operation: UUID) -> bool:
        """Whether this operation is in the truth. Raises StoreUnavailableError when that can't be told: then
        it may yet be decided, so its intent stays, and the relay settles it."""
        for _ in range(_WRITE_ATTEMPTS):
            try:
                if await self.change(new, former, operation):
                    return True
            except StoreUnavailableError as failure:
                _log.warning("a write did not say how it ended, looking it up: %s", failure)
            present = await self.confirm(new.key)
            if present is not None and present.operation == operation:
                return True
            if present != former:
                return False
        raise StoreUnavailableError(f"Cassandra did not decide epoch {new.epoch} of an alias; try again")

    async def present(self, operation: str, noted: Alias, *, surely: bool) -> FeedEvent | None:
        """outbox.Outbox.present of an alias's event."""
        held = await self.confirm(noted.key)
        if held is not None and held.alias.epoch >= noted.epoch:
            return FeedEvent(operation, alias=held.alias)
        if surely and not await self.fence(noted.key, held):
            raise StoreUnavailableError("an alias is being changed just now")
        return None

    async def _confirm_all(self, keys: Sequence[str]) -> list[Alias]:
        rows = await gather_all(self.confirm(key) for key in keys)
        return [row.alias for row in rows if row is not None]

    async def _named(self, keys: Sequence[str]) -> list[Alias]:
        aliases: list[Alias] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            rows = await self._session.ask(self._read, (list(keys[start : start + _KEYS_AT_ONCE]),), READ)
            aliases += [Alias(*row) for row in rows]
        return aliases


def insist_on_home(new: Alias, found: Mapping[str, Assignment]) -> None:
    """Raises AliasRefusedError when what was found of both keys speaks against it."""
    own, named = found.get(new.key), found.get(new.home)
    if own is not None and own.key == new.key:
        raise AliasRefusedError(f"{new.key} has a home of its own, it can't name {new.home}")
    if named is None:
        raise AliasRefusedError(f"{new.home} has no home yet: place it first")
    if named.key != new.home:
        raise AliasRefusedError(f"{new.home} names {named.key}: name that one")
