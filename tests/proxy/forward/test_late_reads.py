"""A read that had to wait for a connection goes where its worker by then knows the user to be."""

from __future__ import annotations

import time
from typing import Final

import pytest

from lookup.assignment import Assignment
from lookup.flags import Flag
from tests.proxy.forward.waiting import MOVED, MOVING, between_attempts, known_client
from tests.support.ends import End, until
from tests.support.messages import answer, answered, get, got, problem_of
from tests.support.stage import Stage, staged

ELSEWHERE: Final = Assignment("user:1", "eu-2", "ch", 5)


async def connecting(stage: Stage) -> End:
    """A client whose read waits for a connection that is being opened."""
    client = await known_client(stage)
    client.send(get())
    await until(lambda: stage.pool().open_count == 1, "the connection is being opened")
    return client


def hear(stage: Stage, home: Assignment) -> None:
    """The feed tells the worker."""
    stage.store.place(home)
    stage.resolver.learn_change(home, "eu-1", time.time())


@staged
async def test_a_waiting_read_follows_its_user_to_the_new_home(stage: Stage) -> None:
    client = await connecting(stage)
    hear(stage, MOVED)
    cell = await stage.cells["eu-2"].connection()
    await cell.expect(got(home=(b"eu-2", 5)))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.settled()
    assert not (await stage.cell.connection()).received
    line = stage.log()[-1]
    assert (line["cell"], line["epoch"]) == ("eu-2", 5)
    assert "asked_before" not in line, "the connection to the old home carried nothing"


@pytest.mark.parametrize("flagged", [False, True])
@staged
async def test_a_read_for_a_cell_that_is_gone_follows_its_user_who_was_moved_away(
    stage: Stage, flagged: bool
) -> None:
    client = await between_attempts(stage, get())
    hear(stage, MOVED)
    if flagged:
        stage.flag("eu-1", Flag.DOWN)
    cell = await stage.cells["eu-2"].connection()
    await cell.expect(got(home=(b"eu-2", 5)))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.cell.open()
    await stage.insist_untouched()


@staged
async def test_a_waiting_read_of_a_user_who_is_being_moved_goes_where_he_was(stage: Stage) -> None:
    client = await connecting(stage)
    hear(stage, MOVING)
    cell = await stage.cell.connection()
    await cell.expect(got(home=(b"eu-1", 4)))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.insist_untouched()


@staged
async def test_a_waiting_read_is_not_sent_to_a_home_that_this_edge_may_not_carry_it_to(stage: Stage) -> None:
    client = await connecting(stage)
    hear(stage, ELSEWHERE)
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (421, "wrong-edge")
    assert not (await stage.cell.connection()).received
    await stage.settled()
    assert stage.log()[-1]["path"] == ""
