"""What every log of moves must do: subclasses say how to open one. Run against the real thing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import pytest

from lookup.assignment import NO_EPOCH, State
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.moves import Event, Move, MoveOrder, Position, Step
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.truth import OpenTruth, Truth

HOLD_S = 15.0
WAY = (Event.FENCED, Event.ACKNOWLEDGED, Event.COPIED, Event.VERIFIED, Event.COMMITTED)


def order(operation: str, key: str = "user:1") -> MoveOrder:
    return MoveOrder(operation, key, "cell-b", "copy 'ö'", "verify", "ann", "full")


async def noted(truth: Truth, operation: str, key: str = "user:1", at_s: float = NOW_S) -> Move:
    return await truth.note_move(order(operation, key), home(key, epoch=4), at_s)


async def held(truth: Truth, operation: str, holder: str = "ann", at_s: float = NOW_S) -> Move:
    return await truth.hold_move(operation, holder, at_s, at_s + HOLD_S, False)


async def ended(truth: Truth, operation: str) -> Move:
    """The move, held by ann and brought to its end."""
    move = await held(truth, operation)
    for event in WAY:
        move = await truth.advance_move(move, event, "ann", NOW_S)
    return move


async def outcomes(attempts: Sequence[Awaitable[Move]]) -> tuple[list[Move], list[BaseException]]:
    """What came of attempts made at once: the moves, and the refusals."""
    found = await asyncio.gather(*attempts, return_exceptions=True)
    moves = [outcome for outcome in found if isinstance(outcome, Move)]
    return moves, [outcome for outcome in found if isinstance(outcome, BaseException)]


class MoveLogContract:
    """Each test begins with an empty store; each call of fixture `open_truth` opens that one store."""

    @asynchronous
    async def test_keeps_every_field_of_a_move(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            first = await noted(truth, "op-ö", "email:ö@x")
            assert first == Move(order("op-ö", "email:ö@x"), "cell-a", "eu", 4, Step.INTENDED, NOW_S, NOW_S)
            await held(truth, "op-ö", "bob", NOW_S + 1.25)
            fence = Position("generation", 17)
            await truth.begin_attempt(first, "bob")
            moved = await truth.advance_move(first, Event.FENCED, "bob", NOW_S + 2, "a detail", fence)
        async with open_truth() as truth:
            assert await truth.move("op-ö") == moved
            assert moved == replace(
                first,
                step=Step.FENCING,
                changed_at_s=NOW_S + 2,
                detail="a detail",
                holder="bob",
                held_until_s=NOW_S + 1.25 + HOLD_S,
                fence=fence,
                attempt=1,
            )
            assert await truth.move("op-2") is None
            assert list(await truth.moves_of("user:2")) == []

    @asynchronous
    async def test_a_repeated_operation_is_the_move_that_it_was(self, open_truth: OpenTruth) -> None:
        async with open_truth() as one, open_truth() as two:
            first = await noted(one, "op-1")
            assert await noted(two, "op-1", at_s=NOW_S + 9) == first
            assert await noted(two, "op-1", "user:2") == first
            over = await ended(one, "op-1")
            assert await noted(two, "op-1") == over

    @asynchronous
    async def test_a_key_has_one_open_move_at_a_time(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            first = await noted(truth, "op-1")
            with pytest.raises(MoveInProgressError) as refusal:
                await noted(truth, "op-2")
            assert refusal.value.move == first
            await noted(truth, "op-3", "user:2")
            await ended(truth, "op-1")
            assert (await noted(truth, "op-2", at_s=NOW_S + 1)).step is Step.INTENDED
            assert [m.order.operation for m in await truth.moves_of("user:1")] == ["op-2", "op-1"]

    @asynchronous
    async def test_of_many_operators_of_one_key_one_begins(self, open_truth: OpenTruth) -> None:
        async with open_truth() as one, open_truth() as two:
            begun, refused = await outcomes([noted((one, two)[n % 2], f"op-{n}") for n in range(8)])
            assert len(begun) == 1
            assert [type(refusal) for refusal in refused] == [MoveInProgressError] * 7
            assert list(await one.moves_of("user:1")) == begun
            assert list(await two.moves(open_only=False, limit=9)) == begun

    @asynchronous
    async def test_of_many_drivers_of_one_move_one_holds_it(self, open_truth: OpenTruth) -> None:
        async with open_truth() as one, open_truth() as two:
            await noted(one, "op-1")
            holding, refused = await outcomes(
                [held((one, two)[n % 2], "op-1", f"driver-{n}") for n in range(8)]
            )
            assert len(holding) == 1
            assert {str(refusal) for refusal in refused} == {str(MoveTakenError("op-1", holding[0].holder))}
            assert (await two.move("op-1")) == holding[0]

    @asynchronous
    async def test_a_step_is_noted_once_by_whoever_holds_the_move(self, open_truth: OpenTruth) -> None:
        async with open_truth() as one, open_truth() as two:
            await noted(one, "op-1")
            move = await held(one, "op-1")
            stepped, refused = await outcomes(
                [truth.advance_move(move, Event.FENCED, "ann", NOW_S) for truth in (one, two)]
            )
            assert [m.step for m in stepped] == [Step.FENCING]
            assert [type(refusal) for refusal in refused] == [MoveTakenError]
            with pytest.raises(MoveTakenError):
                await two.advance_move(stepped[0], Event.ACKNOWLEDGED, "bob", NOW_S)
            with pytest.raises(ValueError, match="can't be"):
                await two.advance_move(stepped[0], Event.COMMITTED, "ann", NOW_S)

    @asynchronous
    async def test_attempts_are_numbered_for_whoever_holds_the_move_and_no_number_comes_twice(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as one, open_truth() as two:
            await noted(one, "op-1")
            move = await held(one, "op-1")
            begun, _ = await outcomes([truth.begin_attempt(move, "ann") for truth in (one, two) * 2])
            assert {m.attempt for m in begun} == {1, 2, 3, 4}
            with pytest.raises(MoveTakenError, match="ann"):
                await two.begin_attempt(move, "bob")
            stepped = await one.advance_move(move, Event.FENCED, "ann", NOW_S)
            with pytest.raises(MoveTakenError):
                await two.begin_attempt(move, "ann")
            assert (await held(two, "op-1", "bob", NOW_S + HOLD_S)).attempt == stepped.attempt == 4

    @asynchronous
    async def test_a_hold_is_extended_runs_out_and_can_be_stolen(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            await noted(truth, "op-1")
            move = await held(truth, "op-1", "ann")
            assert (await held(truth, "op-1", "ann", NOW_S + 5)).held_until_s == NOW_S + 5 + HOLD_S
            with pytest.raises(MoveTakenError, match="ann"):
                await held(truth, "op-1", "bob", NOW_S + HOLD_S)
            assert (await held(truth, "op-1", "bob", NOW_S + 5 + HOLD_S)).holder == "bob"
            stolen = await truth.hold_move("op-1", "cyd", NOW_S + 6, NOW_S + 60, True)
            assert (stolen.holder, stolen.step) == ("cyd", Step.INTENDED)
            for former in ("ann", "bob"):
                with pytest.raises(MoveTakenError, match="cyd"):
                    await truth.advance_move(move, Event.FENCED, former, NOW_S + 7)
            with pytest.raises(MoveTakenError):
                await held(truth, "op-unknown")

    @asynchronous
    async def test_who_lets_go_leaves_word_and_nobody_lets_go_of_anothers(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as truth:
            await noted(truth, "op-1")
            move = await held(truth, "op-1", "ann")
            await truth.release_move("op-1", "bob", "not mine")
            assert await truth.move("op-1") == move
            await truth.release_move("op-1", "ann", "stopped")
            left = await truth.move("op-1")
            assert left == replace(move, holder="", held_until_s=0.0, detail="stopped")
            assert (await held(truth, "op-1", "bob")).holder == "bob"
            await truth.release_move("op-unknown", "ann", "")

    @asynchronous
    async def test_who_notes_a_move_may_hold_it_at_once(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            until_s = NOW_S + HOLD_S
            move = await truth.note_move(order("op-1"), home("user:1", epoch=4), NOW_S, "ann", until_s)
            assert (move.step, move.holder, move.held_until_s) == (Step.INTENDED, "ann", until_s)
            with pytest.raises(MoveTakenError, match="ann"):
                await held(truth, "op-1", "bob")
            again = await truth.note_move(order("op-1"), home("user:1", epoch=4), NOW_S, "bob", until_s)
            assert again == move
            stepped = await truth.advance_move(move, Event.FENCED, "ann", NOW_S)
            assert (await held(truth, "op-1", "bob", until_s)) == replace(
                stepped, holder="bob", held_until_s=until_s + HOLD_S
            )

    @asynchronous
    async def test_what_another_program_changed_meanwhile_nobody_overwrites_by_what_it_remembers(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as one, open_truth() as two:
            await noted(one, "op-1")
            move = await held(one, "op-1", "ann")
            await two.hold_move("op-1", "bob", NOW_S, NOW_S + HOLD_S, True)
            stepped = await two.advance_move(move, Event.FENCED, "bob", NOW_S)
            with pytest.raises(MoveTakenError, match="bob"):
                await one.advance_move(move, Event.FENCED, "ann", NOW_S)
            with pytest.raises(MoveTakenError, match="bob"):
                await held(one, "op-1", "ann")
            await one.release_move("op-1", "ann", "not any more")
            assert await one.move("op-1") == stepped
            await two.release_move("op-1", "bob", "tired")
            assert (await held(one, "op-1", "ann")).step is Step.FENCING
            await two.hold_move("op-1", "ann", NOW_S, NOW_S + HOLD_S, True)
            again = await one.begin_attempt(stepped, "ann")
            assert (again.attempt, (await two.begin_attempt(stepped, "ann")).attempt) == (1, 2)

    @asynchronous
    async def test_a_move_that_is_over_is_held_by_nobody(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            await noted(truth, "op-1")
            over = await ended(truth, "op-1")
            assert (over.step, over.holder, over.held_until_s) == (Step.DONE, "", 0.0)
            for steal in (False, True):
                assert await truth.hold_move("op-1", "bob", NOW_S, NOW_S + HOLD_S, steal) == over
            assert await truth.move("op-1") == over

    @asynchronous
    async def test_lists_moves_the_last_noted_first(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            day_s = 86_400.0
            for number in range(6):
                await noted(truth, f"bulk/{number}", f"user:{number}", NOW_S + number * day_s / 3)
            await noted(truth, "bulk-7/1", "user:7", NOW_S + 2 * day_s)
            for number in (1, 4):
                await ended(truth, f"bulk/{number}")

            async def listed(*, open_only: bool, limit: int) -> list[str]:
                return [m.order.key for m in await truth.moves(open_only=open_only, limit=limit)]

            latest = ["user:7", "user:5", "user:4", "user:3", "user:2", "user:1", "user:0"]
            assert await listed(open_only=False, limit=100) == latest
            assert await listed(open_only=False, limit=3) == latest[:3]
            assert await listed(open_only=True, limit=3) == ["user:7", "user:5", "user:3"]
            assert await listed(open_only=True, limit=9) == ["user:7", "user:5", "user:3", "user:2", "user:0"]

            async def paged(*, open_only: bool, limit: int) -> list[str]:
                found: list[str] = []
                last: Move | None = None
                while some := await truth.moves(open_only=open_only, limit=limit, after=last):
                    found += [m.order.key for m in some]
                    last = some[-1]
                return found

            await noted(truth, "bulk-7/0", "user:8", NOW_S + 2 * day_s)  # at once with another one
            await noted(truth, "bulk-7/2", "user:9", NOW_S + 2 * day_s)
            with_those = ["user:8", "user:7", "user:9", *latest[1:]]
            for limit in (1, 2, 3, 20):
                assert await paged(open_only=False, limit=limit) == with_those
                assert await paged(open_only=True, limit=limit) == [
                    key for key in with_those if key not in ("user:1", "user:4")
                ]
            over = await truth.move("bulk/4")  # whoever left off at a move that is over meanwhile
            rest = await truth.moves(open_only=True, limit=9, after=over)
            assert [m.order.key for m in rest] == ["user:3", "user:2", "user:0"]
            assert (await truth.noted_under("bulk"), await truth.noted_under("bul")) == (6, 0)

    @asynchronous
    async def test_remembers_what_a_record_was(self, open_truth: OpenTruth) -> None:
        async with open_truth() as truth:
            await truth.load([home("user:2", "cell-x", 3)])
            await truth.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            moving = replace(home("user:1", "cell-a", 2), state=State.MOVING, moved_to="cell-b")
            await truth.compare_and_set(moving, 1)
            await truth.compare_and_set(home("user:1", "cell-b", 3), 2)
            await truth.compare_and_set(home("user:2", "cell-y", 4), 3)
            assert list(await truth.past("user:1")) == [
                home("user:1", "cell-a", 1),
                moving,
                home("user:1", "cell-b", 3),
            ]
            assert [old.cell for old in await truth.past("user:2")] == ["cell-x", "cell-y"]
            assert list(await truth.past("user:3")) == []
