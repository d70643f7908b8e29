"""Moves over the real embedded store, with any interleaving of operators, workers, crashes and time.

The cells and the clock are pretended; store, log, leases, fences, resolvers, followers and movers are real. A
request that a worker let through by its lease is taken to end within LINGER_S after the lease has.
"""

from __future__ import annotations

import pytest

from tests.lookup.model.machine import crowd, explore, rehearse
from tests.lookup.model.sqlite_stage import sqlite_stage


@pytest.mark.slow
def test_no_interleaving_loses_a_write_or_lets_one_reach_the_wrong_cell() -> None:
    crowd(sqlite_stage, examples=6, moments=60)
    explore(sqlite_stage, examples=4, steps=8)


@pytest.mark.slow
def test_no_scene_that_chance_would_seldom_bring_does() -> None:
    rehearse(sqlite_stage, times=4)


@pytest.mark.slow
def test_no_interleaving_of_many_does_either() -> None:
    crowd(sqlite_stage, examples=30, moments=150)
    explore(sqlite_stage, examples=15, steps=20)
