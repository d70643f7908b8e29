"""How far one follower has read the feed's streams, and what it makes of their entries. Pure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, TypeAlias

from lookup import feed_event
from lookup.ports import Change
from lookup.redis_feed_scripts import FeedPosition

_log: Final = logging.getLogger(__name__)

_FRESH_BEAT_S: Final = 1.0
_ROUNDING_S: Final = 0.01
"""A heartbeat that is younger was not written by the clock that Redis has now: it was set back."""

Entry: TypeAlias = tuple[bytes, dict[bytes, bytes]]
"""Of a stream: its id and fields."""


class Cursor:
    """Times are seconds of one clock that never goes back.

    event_id, beat_id   of the last entries taken
    beaten_at_s         when the last heartbeat was seen
    """

    def __init__(self, position: FeedPosition, now_s: float) -> None:
        self.beaten_at_s = now_s
        self.generation = ""
        self.sequence = 0
        self.event_id = self.beat_id = "0-0"
        self._move_to(position)

    def begin(self, position: FeedPosition, now_s: float) -> list[Change]:
        """Go on from there: a heartbeat, if the feed's last one is fresh enough to stand for it."""
        if position.generation != self.generation:
            self._move_to(position)
        if not -_ROUNDING_S < position.beat_age_s < _FRESH_BEAT_S or not position.is_complete:
            return []
        self.beaten_at_s = now_s
        return [Change(self.generation, self.sequence)]

    def take(
        self, events: Sequence[Entry], beats: Sequence[Entry], now_s: float, is_all: bool
    ) -> list[Change]:
        """What one reading of both streams says; `is_all`: there was no more to read."""
        changes = [change for entry in events if (change := self._change(entry)) is not None]
        for beat_id, fields in beats:
            self.beat_id = beat_id.decode()
            self.beaten_at_s = now_s
            sequence = int(fields[b"s"])
            if is_all and sequence >= self.sequence:
                # More than was read: events are missing, which the consumer sees by the number.
                self.sequence = sequence
                changes.append(Change(self.generation, sequence))
        return changes

    def _move_to(self, position: FeedPosition) -> None:
        self.generation = position.generation
        self.sequence = position.sequence
        self.event_id = position.last_id
        self.beat_id = position.beat_id

    def _change(self, entry: Entry) -> Change | None:
        event_id, fields = entry
        self.event_id = event_id.decode()
        self.sequence = int(fields[b"s"])
        try:
            event = feed_event.decode("", fields[b"c"].decode())
        except ValueError as mistake:
            _log.warning("event %d of the feed counts as missed: %s", self.sequence, mistake)
            return None
        return Change(
            self.generation, self.sequence, event.assignment, event.flag, event.left_cell, event.alias
        )
