"""One change on its way from the truth to the feed, and how it is spelled: compact JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lookup.aliases import alias_in, as_record, left_mark
from lookup.assignment import Alias, Assignment, State
from lookup.flags import FlagRecord, flag_read


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """operation    names the write; an event of an operation that the feed has seen is not appended again
    left_cell    the key's home before, "" for a first placement or when it can't be told
    Exactly one of `assignment`, `flag`, `alias` is set.
    """

    operation: str
    assignment: Assignment | None = None
    flag: FlagRecord | None = None
    left_cell: str = ""
    alias: Alias | None = None

    @property
    def moved_at_s(self) -> float | None:
        """When the key's record or alias changed; None for first ones and flags, which no history tells."""
        record = self.alias or self.assignment
        return record.updated_at_s if record is not None and record.epoch > 1 else None


def encode(event: FeedEvent) -> str:
    """What changed, without the operation."""
    record, flagged, left = event.assignment, event.flag, event.left_cell
    if event.alias is not None:
        record, left = as_record(event.alias), left_mark(event.alias)
    if record is not None:
        fields: list[object] = [
            "home",
            record.key,
            record.cell,
            record.jurisdiction,
            record.epoch,
            int(record.state),
            record.moved_to,
            record.updated_at_s,
            left,
        ]
    else:
        assert flagged is not None
        fields = [
            "flag",
            flagged.cell,
            flagged.word,
            flagged.version,
            flagged.reason,
            flagged.author,
            flagged.set_at_s,
            flagged.expires_at_s,
        ]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def decode(operation: str, text: str) -> FeedEvent:
    """Raises ValueError when the text is no event that this program knows."""
    try:
        match json.loads(text):
            case ["home", key, cell, jurisdiction, epoch, state, moved_to, at_s, left_cell]:
                record = Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, at_s)
                alias = alias_in(record)
                if alias is not None:
                    return FeedEvent(operation, alias=alias)
                return FeedEvent(operation, assignment=record, left_cell=left_cell)
            case ["flag", cell, flag, version, reason, author, set_at_s, expires_at_s]:
                flagged = flag_read(cell, flag, version, reason, author, set_at_s, expires_at_s)
                return FeedEvent(operation, flag=flagged)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    raise ValueError(f"not an event of the feed: {text[:40]!r}")
