"""Tells from a store itself how its keys are spelled, so that a wrong secret is noticed as one.

Without it every user would be unknown, and new ones would be placed a second time under other hashes.
"""

from __future__ import annotations

from typing import Final

from lookup.keys import MARK, KeySpelling
from lookup.ports import Store, StoreUnusableError
from lookup.writer import place

NO_CELL: Final = "-"
"""In place of the mark's cell: stores count nobody there."""


class KeySpellingError(StoreUnusableError):
    """The store spells its keys otherwise than this program was told. The message names the mend."""


async def insist_on_spelling(store: Store, spelling: KeySpelling, now_s: float) -> None:
    """Raises KeySpellingError, or StoreUnavailableError. An empty store is marked as one of hashed keys.

    The mark is a record under a name that no key can have, with the secret's fingerprint in place of whose
    law it is under: so a backup takes it along.
    """
    record = (await store.read([MARK])).get(MARK)
    if record is None:
        if not spelling.is_hashed:
            return
        if await store.count_by_cell():
            raise KeySpellingError(
                "the store holds keys as they are, and the config hashes them; remove `lookup.key_hash`, or "
                "begin with an empty store"
            )
        try:
            record = await place(store, MARK, NO_CELL, spelling.fingerprint, now_s)
        except ValueError as refusal:  # by a lookup service that spells keys otherwise
            raise KeySpellingError(str(refusal)) from refusal
    if not spelling.is_hashed:
        raise KeySpellingError(
            "the store holds hashed keys, and the config has no secret for them; add `lookup.key_hash` with "
            "the `secret_file` that the store was begun with"
        )
    if record.jurisdiction != spelling.fingerprint:
        raise KeySpellingError(
            "the store's keys were hashed with another secret than the config's; put that secret back into "
            "`lookup.key_hash.secret_file`: hashes can't be made anew from hashes"
        )
