"""A write that had to wait is judged anew before it leaves, when its worker's word on it may have run out."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Final

import pytest

from lookup.flags import Flag
from proxy.observe import layout
from tests.proxy.forward.waiting import MOVED, MOVING, between_attempts
from tests.support.ends import End, until
from tests.support.messages import answer, answered, asked, get, got, post, posted, problem_of
from tests.support.stage import Stage, staged

Doubt = Callable[[Stage], None]

BODY: Final = b"hello"


async def waiting_write(stage: Stage) -> End:
    """A client whose write was permitted, and waits for a connection to its cell."""
    return await between_attempts(stage, post(b"/", BODY))


def lose_lease(stage: Stage) -> None:
    stage.edge.fence.lease_until_s = -inf


def lose_and_regain_lease(stage: Stage) -> None:
    lose_lease(stage)
    stage.edge.fence.grant(time.perf_counter(), time.time(), inf)


def hear_of_a_move(stage: Stage) -> None:
    stage.resolver.learn_change(MOVING, "", time.time())


DOUBTS: Final = [lose_lease, lose_and_regain_lease, hear_of_a_move]
"""After any of these, the truth must be asked. A move does not wait for a worker that lost its lease, not
even if it got another one meanwhile."""


@pytest.mark.parametrize("doubt", DOUBTS)
@staged
async def test_a_waiting_write_is_not_sent_when_a_move_began_meanwhile(stage: Stage, doubt: Doubt) -> None:
    client = await waiting_write(stage)
    doubt(stage)
    stage.store.place(MOVING)
    await stage.cell.open()
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (503, "moving")
    assert not any(end.received for end in stage.cell.accepted[1:])
    stage.edge.fence.lose_continuity()
    assert stage.edge.fence.held(0.0) == frozenset(), "nothing was sent that a move would have to wait for"


@pytest.mark.parametrize("doubt", DOUBTS)
@staged
async def test_a_waiting_write_follows_its_user_to_the_new_home(stage: Stage, doubt: Doubt) -> None:
    client = await waiting_write(stage)
    doubt(stage)
    stage.store.place(MOVED)
    await stage.cell.open()
    cell = await stage.cells["eu-2"].connection()
    await cell.expect(asked(b"POST / HTTP/1.1", b"Content-Length: 5", home=(b"eu-2", 5)), BODY)
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.settled()
    assert not any(end.received for end in stage.cell.accepted[1:])
    line = stage.log()[-1]
    assert (line["cell"], line["epoch"], line["tier"]) == ("eu-2", 5, "store")


@pytest.mark.parametrize("doubt", [lose_lease, lose_and_regain_lease])
@staged
async def test_a_waiting_write_is_sent_once_and_whole_when_its_home_is_confirmed(
    stage: Stage, doubt: Doubt
) -> None:
    client = await waiting_write(stage)
    doubt(stage)
    await stage.cell.open()
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", BODY))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.insist_untouched()
    await stage.settled()
    assert stage.log()[-1]["attempts"] == 2
    assert stage.store.readings == 2


@staged
async def test_a_waiting_write_is_refused_when_nobody_can_confirm_its_home(stage: Stage) -> None:
    client = await waiting_write(stage)
    lose_lease(stage)
    stage.store.available = False
    await stage.cell.open()
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (503, "lookup-unavailable")
    assert not (await stage.cell.connection()).received


@staged
async def test_a_waiting_write_is_not_confirmed_while_the_lease_holds(stage: Stage) -> None:
    client = await waiting_write(stage)
    stage.edge.fence.grant(time.perf_counter(), time.time(), inf)  # in time
    await stage.cell.open()
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", BODY))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    assert stage.store.readings == 1


@staged
async def test_a_waiting_read_is_sent_without_the_truth(stage: Stage) -> None:
    await between_attempts(stage, get())
    lose_lease(stage)
    stage.store.place(MOVED)
    await stage.cell.open()
    await (await stage.cell.connection()).expect(got())
    assert stage.store.readings == 1


@staged
async def test_a_write_whose_lookup_outlasts_the_lease_is_confirmed(stage: Stage) -> None:
    client = await stage.client()
    stage.store.open_gate.clear()
    client.send(post(b"/", BODY))
    await until(lambda: stage.store.readings == 1, "its home is being looked up")
    lose_lease(stage)
    stage.store.place(MOVING)
    stage.store.open_gate.set()
    assert (await problem_of(client)).slug == "moving"
    await stage.insist_untouched()


@pytest.mark.parametrize("flagged", [False, True])
@staged
async def test_a_write_for_a_cell_that_is_gone_follows_its_user_who_was_moved_away(
    stage: Stage, flagged: bool
) -> None:
    client = await waiting_write(stage)
    stage.store.place(MOVED)
    stage.resolver.learn_change(MOVED, "eu-1", time.time())
    if flagged:
        stage.flag("eu-1", Flag.DOWN)
    cell = await stage.cells["eu-2"].connection()
    await cell.expect(asked(b"POST / HTTP/1.1", b"Content-Length: 5", home=(b"eu-2", 5)), BODY)
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.cell.open()
    await stage.insist_untouched()
    line = stage.log()[-1]
    assert (line["cell"], line["asked_before"], line["attempts"]) == ("eu-2", ["eu-1"], 2)


@staged
async def test_a_write_for_a_cell_that_is_gone_is_told_of_a_move_that_began(stage: Stage) -> None:
    client = await waiting_write(stage)
    stage.store.place(MOVING)
    hear_of_a_move(stage)
    assert (await problem_of(client)).slug == "moving"
    assert stage.counted(layout.ATTEMPT_FAILURES, "eu-1") == 1


async def confirmed_late(stage: Stage) -> tuple[End, End]:
    """A client whose write waits for the truth, and the connection that is kept at hand for it."""
    client = await waiting_write(stage)
    lose_lease(stage)
    stage.store.open_gate.clear()
    await stage.cell.open()
    cell = await stage.cell.connection()
    await until(lambda: stage.store.readings == 2, "the truth is asked")
    return client, cell


@staged
async def test_a_connection_that_is_lost_while_the_truth_is_asked_counts_as_an_attempt(stage: Stage) -> None:
    client, cell = await confirmed_late(stage)
    cell.close()
    await until(lambda: stage.pool().open_count == 0, "the connection is gone")
    stage.store.open_gate.set()
    fresh = await stage.cell.connection()
    await fresh.expect(posted(b"/", BODY))
    fresh.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.settled()
    assert stage.log()[-1]["attempts"] == 3


@staged
async def test_a_client_that_leaves_while_the_truth_is_asked_leaves_the_connection_to_others(
    stage: Stage,
) -> None:
    client, cell = await confirmed_late(stage)
    client.break_off()
    await stage.settled()
    assert stage.edge.fence.quiet
    stage.store.open_gate.set()
    await until(lambda: stage.pool().take() is not None, "the connection can be taken by the next one")
    assert not cell.received


@staged
async def test_a_truth_that_does_not_come_in_time_refuses_the_write(stage: Stage) -> None:
    client, cell = await confirmed_late(stage)
    stage.pass_time(4.0)
    assert (await problem_of(client)).slug == "lookup-unavailable"
    stage.store.open_gate.set()
    await until(lambda: stage.pool().take() is not None, "the connection is kept")
    assert not cell.received
