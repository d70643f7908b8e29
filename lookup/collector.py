"""Keeps full passes of Python's garbage collector short: what has outlived one is left out of the next.

A full pass looks at every object that could be part of a cycle, each remembered home among them: 85 ms for
200,000 homes, in which nobody is answered, and every few seconds where homes come and go.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

THOROUGH_EVERY_S: Final = 3600.0
"""Until the next thorough pass a cycle stays that became garbage after it had outlived a pass."""

_OLDEST: Final = 2
_THRESHOLDS: Final = (100, 5, 2)
"""See gc.set_threshold. The first counts what was made less what was freed. Where as many homes go as come,
Python's own 700 are seldom reached: for seconds there is no pass, and the next one takes 30 to 70 ms
(`python -m bench.lookup zipf`), with these mostly below 6, 13 at most. Each home is looked at by one full
pass only, so that more passes cost no more."""


@contextmanager
def short_passes(clock: Callable[[], float]) -> Iterator[None]:
    """Within the block, full passes look only at what was made since the last one.

    Garbage without cycles goes at once, as ever. Every THOROUGH_EVERY_S by `clock` (seconds) a pass looks at
    everything. For a whole process: enter it once, after the start, for as long as it serves.
    """
    thorough_at_s = clock() + THOROUGH_EVERY_S
    thresholds = gc.get_threshold()

    def on_pass(phase: str, info: dict[str, int]) -> None:
        nonlocal thorough_at_s
        if info["generation"] != _OLDEST:
            return
        if phase == "stop":
            gc.freeze()
        elif clock() >= thorough_at_s:
            thorough_at_s = clock() + THOROUGH_EVERY_S
            gc.unfreeze()

    gc.callbacks.append(on_pass)
    gc.collect()
    gc.collect()  # with nothing left: the next full pass waits until a quarter of what this one found is new
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(on_pass)
        gc.unfreeze()
