"""The collector's full passes: what they leave out, and what they find in the end."""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Callable

from lookup.collector import THOROUGH_EVERY_S, short_passes

_KEPT = 100_000


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Knot:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


def looked_at(knots: list[Knot]) -> int:
    """How many of them the next full pass would look at."""
    seen = {id(found) for found in gc.get_objects()}
    return sum(id(knot) in seen for knot in knots)


def test_what_outlived_a_full_pass_is_left_out_of_the_next() -> None:
    with short_passes(Clock()):
        kept = [Knot() for _ in range(1000)]
        assert looked_at(kept) == 1000
        gc.collect()
        assert looked_at(kept) == 0


def test_cycles_that_never_outlived_a_pass_are_freed_by_the_next() -> None:
    with short_passes(Clock()):
        knot = Knot()
        there = weakref.ref(knot)
        del knot
        gc.collect()
        assert there() is None


def test_an_old_cycle_is_freed_by_the_next_thorough_pass() -> None:
    clock = Clock()
    with short_passes(clock):
        knot = Knot()
        there = weakref.ref(knot)
        gc.collect()
        del knot
        gc.collect()
        assert there() is not None
        clock.now_s = THOROUGH_EVERY_S
        gc.collect()
        assert there() is None
        assert gc.get_freeze_count() > 1000  # and the next one is a short one again


def test_old_garbage_without_cycles_is_freed_at_once() -> None:
    class Plain:
        pass

    with short_passes(Clock()):
        plain = Plain()
        there = weakref.ref(plain)
        gc.collect()
        del plain
        assert there() is None


def test_after_the_block_the_collector_is_as_it_was() -> None:
    with short_passes(Clock()):
        pass
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert gc.get_freeze_count() == 0


class Home:
    """Refers to nothing that refers to it."""

    __slots__ = ("cell",)


def full_passes_while(work: Callable[[], None]) -> int:
    count = 0

    def on_pass(phase: str, info: dict[str, int]) -> None:
        nonlocal count
        count += phase == "start" and info["generation"] == 2

    gc.callbacks.append(on_pass)
    try:
        work()
    finally:
        gc.callbacks.remove(on_pass)
    return count


def test_full_passes_come_so_often_that_each_is_short() -> None:
    kept: list[Knot] = []
    usual = gc.get_threshold()
    with short_passes(Clock()):
        passes = full_passes_while(lambda: kept.extend(Knot() for _ in range(_KEPT)))
    assert _KEPT / passes < 30_000
    assert gc.get_threshold() == usual


def test_they_come_as_often_where_as_much_goes_as_comes() -> None:
    homes = deque(Home() for _ in range(10_000))

    def replace_all() -> None:
        for _ in range(_KEPT // 200):
            homes.extend(Home() for _ in range(200))
            for _ in range(200):
                homes.popleft()

    with short_passes(Clock()):
        assert _KEPT / full_passes_while(replace_all) < 30_000
