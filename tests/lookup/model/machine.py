"""Hypothesis chooses what happens in a world, in any order; or crowds moves of users with all the rest."""

from __future__ import annotations

import os
from itertools import count
from random import Random
from typing import ClassVar, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.lookup.model import happenings, scenes
from tests.lookup.model.happenings import Happening
from tests.lookup.model.world import BuildStage, World

TIMES: Final = int(os.environ.get("HOMECELL_MODEL_TIMES", "1"))
"""How many times as many examples as usual."""

_EPOCH_S: Final = 1_000_000_000.0
"""Long ago: Redis has a clock of its own, and believes no time far ahead of it. 700 worlds end before."""

_WORLD_S: Final = 1_000_000.0
_numbers: Final = count()
DICE = st.randoms(use_true_random=False)
"""What it draws may depend on what happened: for stages where the same always follows from the same."""

SEEDED = st.integers(0, 2**32 - 1).map(Random)
"""For stages with a life of their own."""

OFTEN: Final = (
    *(happenings.request,) * 5,
    *(happenings.move_goes_on,) * 5,
    *(happenings.everybody_catches_up, happenings.everybody_catches_up, happenings.worker_follows),
    happenings.confirmed_writes_end,
    *(happenings.request_leaves, happenings.request_ends, happenings.worker_renews, happenings.time_passes),
)
SELDOM: Final = (
    *(happenings.worker_starts, happenings.worker_dies, happenings.worker_misses_a_change),
    happenings.worker_keeps_what_it_knows,
    *(happenings.readings_are_slow, happenings.readings_arrive, happenings.token_is_issued),
    *(happenings.user_appears, happenings.move_is_ordered, happenings.move_is_given_up),
    *(happenings.late_step_lands, happenings.late_step_lands, happenings.changes_are_told),
    *(happenings.feed_is_harmed, *scenes.ALL),
)
MOMENTS: Final[tuple[Happening, ...]] = (*OFTEN * 3, *SELDOM)


def new_world(build: BuildStage) -> World:
    """Its time begins after that of the former one has ended: they may share a store."""
    return World(build, _EPOCH_S + _WORLD_S * next(_numbers))


def happen(world: World, moment: Happening, dice: Random) -> None:
    """One of MOMENTS, and the look at what came of it."""
    moment(world, dice)
    world.check()


class WorldMachine(RuleBasedStateMachine):
    """Subclasses say on which stage."""

    build: ClassVar[BuildStage]

    def __init__(self) -> None:
        super().__init__()
        self.world = new_world(type(self).build)

    @initialize()
    def begin(self) -> None:
        self.world.begin()

    @invariant()
    def holds(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.end_well()
        finally:
            self.world.close()


def explore(build: BuildStage, examples: int, steps: int, dice: st.SearchStrategy[Random] = DICE) -> None:
    """Moments in any order, as Hypothesis likes."""

    class Machine(WorldMachine):
        @rule(moment=st.sampled_from(MOMENTS), dice=dice)
        def something_happens(self, moment: Happening, dice: Random) -> None:
            happen(self.world, moment, dice)

        @rule(moments=st.lists(st.sampled_from(MOMENTS), min_size=4, max_size=16), dice=dice)
        def much_happens(self, moments: list[Happening], dice: Random) -> None:
            for moment in moments:
                happen(self.world, moment, dice)

    Machine.build = staticmethod(build)
    chosen = settings(
        max_examples=examples * TIMES,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=chosen)


def rehearse(build: BuildStage, times: int) -> None:
    """Each scene by itself, every other time with all its steps: what chance seldom brings."""
    for scene in scenes.ALL:
        for seed in range(times * TIMES):
            world = new_world(build)
            try:
                world.begin()
                happen(world, scene, Random(seed) if seed % 2 else scenes.Thorough(seed))
                world.end_well()
            finally:
                world.close()


def crowd(build: BuildStage, examples: int, moments: int, dice: st.SearchStrategy[Random] = DICE) -> None:
    """Long lives of a world, drawn at once: deeper than steps that Hypothesis chooses one by one."""

    @settings(max_examples=examples * TIMES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(happening=st.lists(st.sampled_from(MOMENTS), min_size=moments // 2, max_size=moments), dice=dice)
    def live(happening: list[Happening], dice: Random) -> None:
        world = new_world(build)
        try:
            world.begin()
            for moment in happening:
                happen(world, moment, dice)
            world.end_well()
        finally:
            world.close()

    live()
