"""The records of homes and of names for them, as --json shows them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lookup.assignment import Alias, Assignment


def home_document(record: Assignment) -> dict[str, object]:
    """What the store has; nothing of when a cache read it, for none did."""
    aliases = [alias_document(alias) for alias in record.aliases]
    return _without_reading({**asdict(record), "state": record.state.name.lower(), "aliases": aliases})


def alias_document(alias: Alias) -> dict[str, object]:
    """As home_document."""
    return _without_reading(asdict(alias))


def _without_reading(members: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if name != "read_at_s"}
