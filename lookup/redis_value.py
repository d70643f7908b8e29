"""How the shared cache spells a record: one line per field, version and epoch first, the key among them.

A reader checks the key: an answer that was meant for another question is then seen to be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lookup.aliases import alias_in
from lookup.assignment import Alias, Assignment, State

_VERSION: Final = "2"
_FIELDS: Final = 9
_STATES: Final = {str(int(state)): state for state in State}

EPOCH_PATTERN: Final = r"^2\n(%d+)\n"
"""A Lua pattern that finds the epoch in a value."""


def encode(record: Assignment) -> bytes:
    """Raises ValueError when a field has a line break in it, which no valid record has."""
    text = "\n".join(
        (
            _VERSION,
            str(record.epoch),
            record.key,
            record.cell,
            record.jurisdiction,
            str(int(record.state)),
            record.moved_to,
            repr(record.updated_at_s),
            repr(record.read_at_s),
        )
    )
    if text.count("\n") != _FIELDS - 1:
        raise ValueError(f"{record!r}: a field has a line break")
    return text.encode()


class Held:
    """What Redis holds of the keys that were asked for.

    found         records by their keys
    named         what it knows of keys that name another one
    wrong_values  were another key's, of another version, or malformed
    """

    __slots__ = ("found", "named", "wrong_values")

    def __init__(self) -> None:
        self.found: dict[str, Assignment] = {}
        self.named: list[Alias] = []
        self.wrong_values = 0


def decode_all(keys: Sequence[str], values: Sequence[object]) -> Held:
    """Of a whole reading; the values are in the order of the keys, None where there is none."""
    held = Held()
    for key, value in zip(keys, values, strict=True):
        if value is None:
            continue
        record = decode(value, key) if isinstance(value, bytes) else None
        if record is None:
            held.wrong_values += 1
        elif isinstance(record, Alias):
            held.named.append(record)
        else:
            held.found[key] = record
    return held


def decode(value: bytes, key: str) -> Assignment | Alias | None:
    """The key's record, or whom it names (aliases.as_record spells that); None when the value is another
    key's, of another version, or malformed."""
    try:
        version, epoch, named, cell, jurisdiction, state, moved_to, updated_at_s, read_at_s = (
            value.decode().split("\n")
        )
        if version != _VERSION or named != key:
            return None
        record = Assignment(
            key,
            cell,
            jurisdiction,
            int(epoch),
            _STATES[state],
            moved_to,
            float(updated_at_s),
            (),
            float(read_at_s),
        )
    except (ValueError, KeyError):
        return None
    if record.epoch <= 0:
        return None
    if cell:
        return record
    alias = alias_in(record)
    return alias if alias is not None and alias.home else None
