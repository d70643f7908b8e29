"""A store that gives a home to users who have none as they are looked up: for edges that may place users."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from lookup.assignment import Assignment
from lookup.keys import Kind
from lookup.placement import NoRoom
from lookup.placer import Placer
from lookup.ports import Store

_log: Final = logging.getLogger(__name__)
_USERS: Final = f"{Kind.USER}:"


class FirstSight:
    """Reads like the store; on the way of those requests only that would else be answered "unknown user"."""

    def __init__(self, store: Store, placer: Placer, jurisdiction: str) -> None:
        self._store = store
        self._placer = placer
        self._jurisdiction = jurisdiction

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.read; a user without a home is there too, unless no cell has room for it.

        Only keys of verified credentials may come here: each one is written down.
        """
        return await self._with_new(keys, await self._store.read(keys))

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.confirm, likewise."""
        return await self._with_new(keys, await self._store.confirm(keys))

    async def _with_new(
        self, keys: Sequence[str], known: Mapping[str, Assignment]
    ) -> Mapping[str, Assignment]:
        new = [key for key in keys if key not in known and key.startswith(_USERS)]
        if not new:
            return known
        placed = await asyncio.gather(*(self._placer.place(key, self._jurisdiction) for key in new))
        refused = [answer for answer in placed if isinstance(answer, NoRoom)]
        if refused:
            _log.warning("%d new users get no home: %s", len(refused), refused[0])
        return {**known, **{answer.key: answer for answer in placed if not isinstance(answer, NoRoom)}}
