"""Those who place and move users, by the real writer and mover; any of them may die at any step."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from math import inf
from random import Random
from typing import Final, Protocol

from lookup.hooks import HookFailedError
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.mover import MoveListener, Mover, MoveRefusedError, Patience
from lookup.moves import Move, MoveOrder
from lookup.ports import EpochConflictError, StoreUnavailableError
from lookup.writer import place
from tests.lookup.model.fates import Crash
from tests.lookup.model.records import Records
from tests.lookup.model.stage import Stage
from tests.lookup.model.worker import CLAIM_LIFETIME_S, SKEW_S

CLOCKS_S: Final = {"ann": 2.5, "bob": -2.5}
"""By how much the operators' clocks are ahead."""


class StillWaitingError(Exception):
    """A step waits for something that time or a worker must bring."""


class Surroundings(Protocol):
    """What an operator sees of the world."""

    now_s: float
    stage: Stage
    records: Records

    def copy_begins(self, move: Move) -> None: ...


class Operators:
    """`orders` by operation id. `hook_fails`: the next copies and verifications do."""

    def __init__(self, world: Surroundings) -> None:
        self.orders: dict[str, MoveOrder] = {}
        self.hook_fails = False
        self._world = world

    async def place(self, key: str, cell: str, holder: str) -> None:
        """A user is seen for the first time, or again."""
        world = self._world
        with suppress(Crash, StoreUnavailableError, EpochConflictError):
            world.records.promise(await place(world.stage.store, key, cell, "eu", self._unix_s(holder)))

    async def order(self, key: str, cell: str, holder: str) -> None:
        """A move is asked for."""
        operation = f"op-{self._world.stage.tag}{len(self.orders) + 1}"
        self.orders[operation] = MoveOrder(operation, key, cell, "copy", "verify")
        await self.order_again(operation, holder)

    async def order_again(self, operation: str, holder: str) -> None:
        """The same operation is the same move."""
        order = self.orders[operation]
        known = await self._world.stage.log.move(operation)
        with suppress(Crash, StoreUnavailableError, MoveRefusedError, MoveInProgressError):
            again = await self._mover(holder, inf).begin(order)
            assert known is None or again == known

    async def drive(self, operation: str, holder: str, steps: int, *, patient: bool) -> None:
        """So many steps of a move are taken."""
        mover = self._mover(holder, inf if patient else 0.0)
        for _ in range(steps):
            if not await _survives(mover.step(operation)):
                break

    async def give_up(self, operation: str, holder: str) -> None:
        """The user is to stay."""
        await _survives(self._mover(holder, inf).give_up(operation, "the model wants it"))

    async def finish(self, operation: str) -> Move:
        """To the end, whoever began it."""
        return await self._mover("ann", inf).drive(operation)

    async def run(self, hook: str, move: Move) -> None:
        """Hooks.run: a copy or a verification begins."""
        if hook == "copy":
            self._world.copy_begins(move)
        if self.hook_fails:
            raise HookFailedError("the model says no")

    def _mover(self, holder: str, patient_s: float) -> Mover:
        async def pause(_: float) -> None:
            raise StillWaitingError

        stage = self._world.stage
        return Mover(
            stage.store,
            stage.log,
            stage.leases,
            self,
            holder,
            lambda: self._unix_s(holder),
            Patience(patient_s, SKEW_S, open_s=CLAIM_LIFETIME_S),
            MoveListener(),
            pause,
        )

    def _unix_s(self, holder: str) -> float:
        return self._world.now_s + CLOCKS_S[holder]


def cell_of(dice: Random) -> str:
    """Any cell."""
    return dice.choice(("cell-a", "cell-b", "cell-c"))


async def _survives(step: Awaitable[object]) -> bool:
    """Whether the operator goes on after it."""
    try:
        await step
    except (Crash, StoreUnavailableError, MoveTakenError, MoveRefusedError, StillWaitingError):
        return False
    return True
