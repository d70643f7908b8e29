"""What chance would seldom bring together: several happenings in a row, some of them left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from lookup.moves import Step
from tests.lookup.model import happenings
from tests.lookup.model.fates import Fate
from tests.lookup.model.operators import cell_of
from tests.lookup.model.worker import Worker
from tests.lookup.model.world import World

_TAKEN: Final = 0.9
"""Of the steps of a scene."""


class Thorough(Random):
    """Dice that leave no step out, and choose like any others."""

    def random(self) -> float:
        return 0.0

    def getrandbits(self, k: int, /) -> int:
        return super().getrandbits(k)


def _play(world: World, dice: Random, *steps: Callable[[], object]) -> None:
    for step in steps:
        if dice.random() < _TAKEN:
            step()
            world.check()


def somebody_joins_as_a_move_goes_on(world: World, dice: Random) -> None:
    """Its first lease is on its way while the move looks for leases."""
    key = world.keys[0]
    _end_moves(world)
    while len(world.workers) > 2:
        happenings.worker_dies(world, dice)
    joiner = world.start(dice.choice((-2.5, 0.0, 2.5)))
    world.run(world.operators.order(key, cell_of(dice), "ann"))
    _play(
        world,
        dice,
        lambda: world.follow(joiner),
        lambda: world.ask(joiner, key, None, safe=True),
        lambda: _renew_slowly(world, joiner),
        lambda: _step(world, key),
        lambda: _others_catch_up(world, joiner),
        lambda: _step(world, key),
        lambda: _step(world, key),
        lambda: _everything_lands(world),
        lambda: world.ask(joiner, key, None, safe=False),
        lambda: _step(world, key),
        lambda: happenings.request_leaves(world, dice),
    )


def a_write_waits_at_the_old_home(world: World, dice: Random) -> None:
    """It was let through before its user's move began, and ends or is cut off in the middle of it."""
    key = world.keys[0]
    _end_moves(world)
    if not world.workers:
        world.start(2.5)
    worker = dice.choice(world.workers)
    world.everybody_catches_up()
    world.run(world.operators.order(key, cell_of(dice), "bob"))
    _play(
        world,
        dice,
        lambda: world.ask(worker, key, None, safe=False),
        lambda: happenings.request_leaves(world, dice),
        lambda: _step(world, key),
        *([lambda: happenings.worker_misses_a_change(world, dice)] if dice.random() < 0.5 else []),
        *([lambda: happenings.request_ends(world, dice)] if dice.random() < 0.5 else []),
        world.everybody_catches_up,
        *([lambda: happenings.request_ends(world, dice)] if dice.random() < 0.5 else []),
        lambda: happenings.time_passes(world, dice),
        world.everybody_catches_up,
        lambda: _step(world, key),
        lambda: _step(world, key),
    )


def a_write_comes_while_a_gap_is_closed(world: World, dice: Random) -> None:
    """The gap hid its user's move: the worker's lease holds, and the shared cache has a copy from before."""
    key = world.keys[0]
    _end_moves(world)
    if not world.workers:
        world.start(-2.5)
    worker = dice.choice(world.workers)
    world.everybody_catches_up()
    world.ask(worker, key, None, safe=True)
    _order(world, key, cell_of(dice))
    _play(
        world,
        dice,
        lambda: _step(world, key),
        partial(_miss_a_change, worker),
        world.traffic.hold_histories_back,
        lambda: world.follow(worker),
        lambda: world.ask(worker, key, None, safe=False),
        *([lambda: happenings.request_leaves(world, dice)] if dice.random() < 0.5 else []),
        lambda: happenings.readings_arrive(world, dice),
        world.everybody_catches_up,
        lambda: _step(world, key),
        lambda: _step(world, key),
    )


def a_confirmed_write_is_under_way_as_its_user_moves(world: World, dice: Random) -> None:
    """Of a worker without a lease, whom the move doesn't wait for."""
    key = world.keys[0]
    _end_moves(world)
    while len(world.workers) > 2:
        happenings.worker_dies(world, dice)
    asker = world.start(dice.choice((-2.5, 0.0, 2.5)), leased=False)
    write = partial(world.ask, asker, key, None, safe=False)
    former: list[Callable[[], object]] = [
        write,
        lambda: world.pass_time(30.0),
    ]  # announced then, and long since over
    _play(world, dice, *(former if dice.choice((True, False)) else []), world.everybody_catches_up)
    _order(world, key, cell_of(dice))
    _play(
        world,
        dice,
        write,
        lambda: happenings.request_leaves(world, dice),
        lambda: _step(world, key),
        *([lambda: happenings.request_ends(world, dice)] if dice.choice((True, False)) else []),
        lambda: world.pass_time(dice.choice((0.5, 2.0, 8.0, 20.0))),
        world.everybody_catches_up,
        lambda: _step(world, key),
        lambda: _step(world, key),
    )


def a_move_goes_on_while_a_write_is_being_announced(world: World, dice: Random) -> None:
    """What the truth had said before the announcement is in the book would be of no use."""
    key = world.keys[0]
    _end_moves(world)
    while len(world.workers) > 2:
        happenings.worker_dies(world, dice)
    asker = world.start(dice.choice((-2.5, 0.0, 2.5)), leased=False)
    _order(world, key, cell_of(dice))
    _play(
        world,
        dice,
        partial(_ask_slowly, world, asker, key),
        lambda: _step(world, key),
        world.everybody_catches_up,
        lambda: _step(world, key),
        lambda: _step(world, key),
        lambda: _everything_lands(world),
        lambda: happenings.request_leaves(world, dice),
    )


def everybody_moves(world: World, dice: Random) -> None:
    """With credentials that were issued before, meanwhile and afterwards; workers remember few moves."""
    _end_moves(world)
    for key in world.keys:
        world.run(world.operators.place(key, cell_of(dice), "bob"))
    world.check()
    steps: list[Callable[[], object]] = []
    for key in dice.sample(world.keys, 3):
        step = partial(_step, world, key, "bob")
        issue = partial(happenings.token_is_issued, world, dice, key)
        steps += [issue, partial(_order, world, key, cell_of(dice)), world.everybody_catches_up]
        steps += [
            step,
            partial(_time_passes_for_all, world),
            issue,
            world.everybody_catches_up,
            step,
            step,
            partial(_everybody_claims, world),
        ]
        steps += [step, step, world.everybody_catches_up, partial(_everybody_claims, world)]
    _play(world, dice, *steps)


def a_moves_first_write_comes_too_late(world: World, dice: Random) -> None:
    """The move is given up while its first change of the record is on its way."""
    key = world.keys[0]
    _end_moves(world)
    _order(world, key, cell_of(dice))
    for move in world.open_moves():
        late = dice.choice((Fate.LATE, Fate.STRAYED))
        world.stage.fates.coming = [*[Fate.DONE] * dice.randint(0, 4), late]
        world.run(world.operators.drive(move.order.operation, "ann", 1, patient=True))
    _end_moves(world)
    _play(world, dice, *[partial(_step, world, key)] * 2, partial(_everything_lands, world))


def _miss_a_change(worker: Worker) -> None:
    worker.tap.losing = 1


ALL: Final = (
    somebody_joins_as_a_move_goes_on,
    a_write_waits_at_the_old_home,
    a_write_comes_while_a_gap_is_closed,
    a_confirmed_write_is_under_way_as_its_user_moves,
    a_move_goes_on_while_a_write_is_being_announced,
    everybody_moves,
    a_moves_first_write_comes_too_late,
)


def _time_passes_for_all(world: World) -> None:
    """More than clocks differ; everybody keeps up."""
    for _ in range(4):
        world.pass_time(2.0)
        world.everybody_catches_up()


def _everybody_claims(world: World) -> None:
    """Reads and writes with the credentials that were issued last."""
    for worker in world.workers:
        for key, hint in world.claims[-4:]:
            world.ask(worker, key, hint, safe=True)
            world.ask(worker, key, hint, safe=False)
        for request in list(worker.requests):
            worker.end(request, cut_off=False)


def _order(world: World, key: str, cell: str) -> None:
    world.run(world.operators.order(key, cell, "bob"))


def _end_moves(world: World) -> None:
    for move in world.open_moves():
        if move.step is not Step.COMMITTING:
            world.run(world.operators.give_up(move.order.operation, "ann"))
            world.note_ends()
            world.check()


def _step(world: World, key: str, holder: str = "ann") -> None:
    for move in world.open_moves():
        if move.order.key == key:
            world.run(world.operators.drive(move.order.operation, holder, 1, patient=True))
            world.note_ends()


def _renew_slowly(world: World, worker: Worker) -> None:
    world.stage.fates.coming = [Fate.SLOW]
    world.renew(worker)


def _ask_slowly(world: World, worker: Worker, key: str) -> None:
    world.stage.fates.coming = [Fate.SLOW]
    world.ask(worker, key, None, safe=False)


def _others_catch_up(world: World, worker: Worker) -> None:
    for other in world.workers:
        if other is not worker:
            world.follow(other)
            world.renew(other)


def _everything_lands(world: World) -> None:
    while world.stage.fates.late:
        world.land(0)
