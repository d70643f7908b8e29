"""A resolver as its tests want it: short times, a fixed seed, tiers that are fakes."""

from __future__ import annotations

from random import Random

from lookup.ports import History, KeyMove
from lookup.resolution import Hint
from lookup.resolver import Resolver, build_resolver
from lookup.settings import CLAIM_LIFETIME_S, LookupSettings
from tests.lookup.fakes import NOW_S, Counts, FakeStore

REFRESH_S, EXPIRY_S, HARD_STALE_S, SPREAD_S = 60.0, 300.0, 86_400.0, 30.0


def resolver(
    store: FakeStore, shared: FakeStore | None = None, counts: Counts | None = None, deadline_s: float = 5.0
) -> Resolver:
    settings = LookupSettings(deadline_s=deadline_s)
    return build_resolver(store, settings, Random(1), shared, counts or Counts())


def believing(store: FakeStore, *moves: KeyMove) -> Resolver:
    """A resolver whose feed has caught up."""
    made = resolver(store)
    made.learn_history(History(0.0, moves), NOW_S)
    made.forget_moves_before(NOW_S - CLAIM_LIFETIME_S)
    made.believe_claims_until(NOW_S + 1000)
    return made


def claim(cell: str = "cell-c", epoch: int = 1) -> Hint:
    return Hint(cell, epoch, NOW_S - 100)
