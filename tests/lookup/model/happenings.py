"""What can happen in a world, each by itself; dice decide to whom and how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeVar

from lookup.assignment import NO_EPOCH, State
from lookup.leases import LEASE_S
from lookup.move_hold import HOLD_S
from lookup.resolution import Hint
from tests.lookup.model.disk import content_of, restore
from tests.lookup.model.fates import Fate
from tests.lookup.model.operators import CLOCKS_S, cell_of
from tests.lookup.model.worker import CLAIM_LIFETIME_S, LINGER_S, REQUEST_S, SKEW_S
from tests.lookup.model.world import World

T = TypeVar("T")

Happening = Callable[[World, Random], None]

_STEPS_S: Final = (
    *(0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 2.0, LEASE_S, LEASE_S, 4.0, 4.0, 6.0, 8.0),
    *(LINGER_S, LINGER_S + 4.0, HOLD_S, 70.0, 500.0),
)


def mostly_first(dice: Random, choices: Sequence[T]) -> T:
    """So that much happens to one."""
    return choices[0] if dice.random() < 0.7 else dice.choice(choices)


def operator(dice: Random) -> str:
    return mostly_first(dice, sorted(CLOCKS_S))


# Workers.


def worker_starts(world: World, dice: Random) -> None:
    """Perhaps with what a former one kept."""
    if len(world.workers) < 3:
        worker = world.start(dice.choice((-2.5, 0.0, 2.5)), leased=dice.random() < 0.8)
        if dice.random() < 0.5:
            restore(worker, world.snapshot)


def worker_keeps_what_it_knows(world: World, dice: Random) -> None:
    if world.workers:
        world.snapshot = content_of(dice.choice(world.workers))


def worker_dies(world: World, dice: Random) -> None:
    if world.workers:
        worker = dice.choice(world.workers)
        world.workers.remove(worker)
        world.run(worker.die())


def worker_follows(world: World, dice: Random) -> None:
    """It hears of some changes."""
    if world.workers:
        world.follow(dice.choice(world.workers), dice.randint(1, 4))


def worker_misses_a_change(world: World, dice: Random) -> None:
    if world.workers:
        dice.choice(world.workers).tap.losing = dice.randint(1, 2)


def worker_renews(world: World, dice: Random) -> None:
    if world.workers:
        world.stage.fates.draw(dice, 0.3, 1)
        if dice.random() < 0.3:
            world.stage.fates.coming = [Fate.SLOW]
        world.renew(dice.choice(world.workers))


def everybody_catches_up(world: World, _: Random) -> None:
    world.everybody_catches_up()


# Requests and credentials.


def request(world: World, dice: Random) -> None:
    """With a claim or without one; mostly a write, mostly sent at once. What is said beforehand of writes
    that are confirmed may be late, or not be heard of."""
    if not world.workers:
        return
    worker = dice.choice(world.workers)
    key, hint = _credential(world, dice, mostly_first(dice, world.keys))
    if dice.random() < 0.1:
        world.stage.fates.coming = [dice.choice((Fate.SLOW, Fate.REFUSED, Fate.UNHEARD, Fate.STRAYED))]
    world.ask(worker, key, hint, safe=dice.random() < 0.2)
    if worker.requests and dice.random() < 0.6:
        world.cells.send(worker.requests[-1])


def _credential(world: World, dice: Random, key: str) -> tuple[str, Hint | None]:
    oldest_s = world.now_s - CLAIM_LIFETIME_S
    world.claims = [(owner, hint) for owner, hint in world.claims if hint.issued_at_s > oldest_s]
    if world.claims and dice.random() < 0.4:
        return dice.choice(world.claims)
    return key, None


def request_leaves(world: World, dice: Random) -> None:
    waiting = [request for worker in world.workers for request in worker.requests]
    if waiting:
        world.cells.send(dice.choice(waiting))


def request_ends(world: World, dice: Random) -> None:
    under_way = [(worker, request) for worker in world.workers for request in worker.requests]
    if under_way:
        worker, request = dice.choice(under_way)
        worker.end(request, cut_off=dice.random() < 0.5)


def token_is_issued(world: World, dice: Random, key: str = "") -> None:
    """By an identity provider that asks the truth, and whose clock may be wrong. Of a user on the way between
    two cells it tells no epoch: a cell that is fenced at this epoch would let it pass."""
    key = key or mostly_first(dice, world.keys)
    record = world.run(world.stage.truth([key])).get(key)
    if record is not None:
        is_placed = record.state is State.PLACED
        epoch = record.epoch if is_placed and dice.random() < 0.5 else NO_EPOCH
        at_s = world.now_s + dice.choice((-SKEW_S / 2, 0.0, SKEW_S / 2))
        world.claims.append((key, Hint(record.cell, epoch, at_s)))


def readings_are_slow(world: World, dice: Random) -> None:
    """What is read now arrives later, when something else may have happened."""
    if dice.random() < 0.6:
        world.traffic.hold_back()
    if dice.random() < 0.6:
        world.traffic.hold_histories_back()


def readings_arrive(world: World, _: Random) -> None:
    world.traffic.let_go()
    world.run(asyncio.sleep(0))


# Operators.


def user_appears(world: World, dice: Random) -> None:
    world.stage.fates.draw(dice, 0.2, 4)
    world.run(world.operators.place(mostly_first(dice, world.keys), cell_of(dice), operator(dice)))


def move_is_ordered(world: World, dice: Random) -> None:
    world.stage.fates.draw(dice, 0.1, 1)
    if world.operators.orders and dice.random() < 0.3:
        operation = dice.choice(sorted(world.operators.orders))
        world.run(world.operators.order_again(operation, operator(dice)))
    else:
        world.run(world.operators.order(mostly_first(dice, world.keys), cell_of(dice), operator(dice)))


def move_goes_on(world: World, dice: Random) -> None:
    """A driver takes a step or some; without a move one is ordered."""
    moves = world.open_moves()
    if not moves:
        world.run(world.operators.order(mostly_first(dice, world.keys), cell_of(dice), operator(dice)))
        return
    world.stage.fates.draw(dice, 0.4 if dice.random() < 0.2 else 0.0, 8)
    world.operators.hook_fails = dice.random() < 0.1
    operation, patient = mostly_first(dice, moves).order.operation, dice.random() < 0.8
    world.run(world.operators.drive(operation, operator(dice), dice.randint(1, 3), patient=patient))
    world.note_ends()


def move_is_given_up(world: World, dice: Random) -> None:
    if world.operators.orders:
        world.stage.fates.draw(dice, 0.2, 5)
        operation = dice.choice(sorted(world.operators.orders))
        world.run(world.operators.give_up(operation, operator(dice)))
        world.note_ends()


def late_step_lands(world: World, dice: Random) -> None:
    """What was on its way when its writer gave up or died."""
    if world.stage.fates.late:
        world.land(dice.randrange(len(world.stage.fates.late)))


# Time and trouble.


def time_passes(world: World, dice: Random) -> None:
    world.pass_time(dice.choice(_STEPS_S))


def confirmed_writes_end(world: World, _: Random) -> None:
    """Time passes for as long as a move may have to wait for them; everybody keeps up."""
    world.pass_time(REQUEST_S + LINGER_S + SKEW_S)
    world.everybody_catches_up()


def changes_are_told(world: World, dice: Random) -> None:
    """Relays take their turns, and may die at it."""
    world.stage.fates.draw(dice, 0.2, 4)
    if world.workers:
        world.follow(dice.choice(world.workers), 1)


def feed_is_harmed(world: World, dice: Random) -> None:
    world.run(world.stage.harm_feed(dice))
