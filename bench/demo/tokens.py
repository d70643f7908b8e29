"""Tokens for the demo's users, as an identity provider would issue them. Verifies nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from lookup.assignment import NO_EPOCH
from lookup.writer import FIRST_EPOCH
from proxy.config import Settings
from proxy.rooms.mint import DEMO_KEYS, SigningKey, load_signing_key, mint_token

ALGORITHMS: Final = tuple(DEMO_KEYS)
LIFETIME_S: Final = 86_400


class Tokens:
    """Mints with the keys in `keys` what `settings` accepts; the same question gets the same token."""

    def __init__(self, keys: Path, settings: Settings) -> None:
        self._keys = {
            algorithm: load_signing_key(key_id, algorithm, keys / file)
            for algorithm, (key_id, file) in DEMO_KEYS.items()
        }
        self._issuer = settings.identity.issuer
        self._audience = settings.identity.audience
        self._minted: dict[tuple[int, str, str], str] = {}

    def token(self, number: int, algorithm: str, claimed_cell: str = "") -> str:
        """A token for user `number`; it claims a home when `claimed_cell` is not ""."""
        question = (number, algorithm, claimed_cell)
        token = self._minted.get(question)
        if token is None:
            token = self._minted[question] = self._mint(self._keys[algorithm], number, claimed_cell)
        return token

    def forged(self, number: int) -> str:
        """A token that says all the right things, signed with a secret that no edge knows."""
        return self._mint(SigningKey(DEMO_KEYS["HS256"][0], "HS256", b"forged" * 8), number, "")

    def _mint(self, key: SigningKey, number: int, claimed_cell: str) -> str:
        return mint_token(
            key,
            subject=str(number),
            issuer=self._issuer,
            audience=self._audience,
            now_s=time.time(),
            lifetime_s=LIFETIME_S,
            cell=claimed_cell,
            epoch=FIRST_EPOCH if claimed_cell else NO_EPOCH,
        )
