"""One coarse timer wheel per worker: deadlines are attributes, looked at when their slot comes round."""

from __future__ import annotations

import logging
from typing import Final

TICK_S: Final = 0.1
_SLACK_S: Final = 2 * TICK_S
NEVER_S: Final = 1e18

_log: Final = logging.getLogger("homecell.deadlines")


class Timed:
    """Something with a deadline. Subclasses say what happens when it passes.

    deadline_s  on the wheel's clock; moved at will by `DeadlineWheel.set_deadline`
    watched_s   when the wheel looks at it next; the wheel's own
    """

    __slots__ = ("deadline_s", "watched_s")

    def __init__(self) -> None:
        self.deadline_s = NEVER_S
        self.watched_s = NEVER_S

    def on_deadline(self) -> None:
        """The deadline has passed; set another one to be called again."""
        raise NotImplementedError(type(self))


class DeadlineWheel:
    """Deadlines at a resolution of TICK_S.

    now_s   the wheel's clock, monotonic seconds, moved on by `advance` only: cheap to read, one tick coarse
    """

    __slots__ = ("_slots", "_tick", "now_s")

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self._tick = int(now_s / TICK_S)
        self._slots: dict[int, list[Timed]] = {}

    def set_deadline(self, item: Timed, after_s: float) -> None:
        """Set the item's deadline to `after_s` from now; it may be noticed two ticks late.

        Moving it later, or by less than a tick or so, costs one comparison.
        """
        deadline_s = self.now_s + after_s
        item.deadline_s = deadline_s
        if deadline_s < item.watched_s - _SLACK_S:
            self._watch(item)

    def _watch(self, item: Timed) -> None:
        tick = max(int(item.deadline_s / TICK_S) + 1, self._tick + 1)
        item.watched_s = tick * TICK_S
        self._slots.setdefault(tick, []).append(item)

    def advance(self, now_s: float) -> None:
        """Move the clock on and call what is due; never raises."""
        self.now_s = now_s
        last = int(now_s / TICK_S)
        while self._tick < last:
            self._tick += 1
            for item in self._slots.pop(self._tick, ()):
                self._look_at(item)

    def _look_at(self, item: Timed) -> None:
        if item.watched_s > self._tick * TICK_S + TICK_S / 2:
            return  # it stands in a later slot as well
        item.watched_s = NEVER_S
        if item.deadline_s <= self.now_s:
            item.deadline_s = NEVER_S
            try:
                item.on_deadline()
            except Exception:  # one item's fault must not take the time from all others
                _log.exception("a deadline was not handled")
        elif item.deadline_s < NEVER_S:
            self._watch(item)
