"""What a supervisor decides: when a dead worker is replaced, and who serves for a slot without one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from proxy.control.messages import STORE_IS_AWAY


@dataclass(frozen=True, slots=True)
class Timing:
    """The supervisor's patience.

    look_every_s     how often it looks whether the workers still report; silences are counted in
                     looks, so that a supervisor that was itself suspended blames nobody
    silent_s         a worker that has served, and is silent for so long, is killed: its loop is stuck
    starting_s       the same before it has: on a busy machine a new process reads its modules for long
    lagging_s        a worker silent for so long is helped: another one accepts for its slot too
    first_delay_s    pause before the second replacement in a row (the first comes at once); doubled each time
    longest_delay_s  where the doubling ends
    stable_s         a worker that served for so long had no part in what went wrong before
    first_tries      failed starts of a slot after which the supervisor gives up, if no worker ever served
    waits_for_store  it does not while all that fails is that the store does not answer
    kill_after_s     what a worker gets beyond limits.drain_timeout_s before it is killed
    """

    look_every_s: float = 0.25
    silent_s: float = 5.0
    starting_s: float = 60.0
    lagging_s: float = 1.0
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    stable_s: float = 60.0
    first_tries: int = 3
    waits_for_store: bool = False
    kill_after_s: float = 2.0

    def looks(self, seconds: float) -> int:
        """A time as a number of looks."""
        return max(1, round(seconds / self.look_every_s))


class Backoff:
    """When the workers of one slot are replaced."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self.failures = 0

    def delay_s(self, served_s: float) -> float:
        """Pause before the next worker of the slot, after the end of one that served so long (0.0: never)."""
        if served_s >= self._timing.stable_s:
            self.failures = 0
        self.failures += 1
        if self.failures == 1:
            return 0.0
        return float(min(self._timing.longest_delay_s, self._timing.first_delay_s * 2 ** (self.failures - 2)))

    def is_hopeless(self, exit_status: int | None) -> bool:
        """Whether a slot that has never served will hardly do, after the end of another worker."""
        waits = self._timing.waits_for_store and exit_status == STORE_IS_AWAY
        return self.failures >= self._timing.first_tries and not waits


@dataclass(frozen=True, slots=True)
class Change:
    """Who is to accept for `slot` besides its own worker: slot `old`'s no more, slot `new`'s from now on."""

    slot: int
    old: int | None
    new: int | None


def stand_ins(slots: int, serving: AbstractSet[int], standing_in: Mapping[int, int]) -> list[Change]:
    """What must change so that each slot without a serving worker has exactly one other that accepts for it.

    serving      slots whose worker serves
    standing_in  slot -> slot whose worker accepts for it now; whoever it names may have gone since
    """
    load = dict.fromkeys(serving, 0)
    for slot, other in standing_in.items():
        if slot not in serving and other in load:
            load[other] += 1
    changes: list[Change] = []
    for slot in range(slots):
        now = standing_in.get(slot)
        if slot in serving:
            wanted = None
        elif now in serving:
            continue
        else:
            wanted = min(load, key=lambda other: (load[other], other), default=None)
            if wanted is not None:
                load[wanted] += 1
        if wanted != now:
            changes.append(Change(slot, now, wanted))
    return changes
