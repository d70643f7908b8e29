"""Whoever is not permitted in a cell is told of the right edge, and nothing of theirs is forwarded."""

from __future__ import annotations

import pytest

from lookup.assignment import Assignment
from tests.support.credentials import token
from tests.support.messages import (
    HOST_LINE,
    Problem,
    ask,
    get,
    got,
    lines,
    post,
    problem_of,
)
from tests.support.stage import Stage, staged


@staged
async def test_whose_home_is_not_in_the_inventory_may_still_belong_to_another_edge(stage: Stage) -> None:
    stage.store.place(Assignment("user:3", "ch-99", "ch", 2))
    client = await stage.client()
    client.send(get(b"/patients/anna", user=3))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.edge) == (421, "wrong-edge", "https://ch.example")
    assert (await stage.logged())["path"] == ""


@pytest.mark.parametrize("body", [b"", b"personal data"])
@staged
async def test_a_user_of_another_jurisdiction_is_sent_to_the_right_edge(stage: Stage, body: bytes) -> None:
    client = await stage.client()
    client.send(post(b"/patients/anna?secret=1", body, user=9))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.edge) == (421, "wrong-edge", "https://ch.example")
    assert (problem.cell, problem.closes) == ("", False)
    await stage.insist_untouched()
    line = await stage.logged()
    assert (line["path"], line["status"], line["reason"], line["cell"]) == ("", 421, "wrong-edge", "")
    assert "anna" not in stage.log_file.read_text()
    assert "secret" not in stage.log_file.read_text()


@staged
async def test_the_body_of_a_user_who_belongs_elsewhere_is_not_waited_for(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: 1000000", user=9))
    problem = Problem(await client.rest())
    assert (problem.status, problem.closes) == (421, True)
    await stage.insist_untouched()


@staged
async def test_a_permitted_user_of_another_jurisdiction_is_served(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(user=7))
    await (await stage.cells["us-1"].connection()).expect(got(user=7, home=(b"us-1", 6)))


@staged
async def test_a_claim_of_a_cell_that_nobody_may_reach_from_here_needs_no_lookup(stage: Stage) -> None:
    stage.edge.snapshot.links["us-1"].permitted = frozenset()
    client = await stage.client()
    claim = b"Authorization: Bearer " + token(1, "us-1", 9)
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE, claim))
    problem = await problem_of(client)
    assert (problem.status, problem.edge) == (421, "https://us.example")
    assert stage.store.readings == 0
    await stage.insist_untouched()


@staged
async def test_a_claim_is_confirmed_where_not_all_who_may_live_in_the_cell_may_pass(stage: Stage) -> None:
    """It names the cell, but not whose law the user is under; eu-2 has users of eu and of ch."""
    stage.edge.snapshot.links["eu-2"].permitted = frozenset({"eu"})
    client = await stage.client()
    for user, epoch in ((9, 7), (5, 5)):
        claim = b"Authorization: Bearer " + token(user, "eu-2", epoch)
        client.send(lines(b"GET /%d HTTP/1.1" % user, HOST_LINE, claim))
    problem = await problem_of(client)
    assert (problem.status, problem.edge) == (421, "https://ch.example")
    cell = await stage.cells["eu-2"].connection()
    assert (await cell.take_head()).startswith(b"GET /5 HTTP/1.1\r\n")
    await stage.insist_untouched()


@staged
async def test_a_claim_that_can_not_be_confirmed_goes_nowhere(stage: Stage) -> None:
    stage.store.available = False
    stage.edge.snapshot.links["eu-2"].permitted = frozenset({"eu"})
    client = await stage.client()
    claim = b"Authorization: Bearer " + token(5, "eu-2", 5)
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE, claim))
    assert (await problem_of(client)).slug == "lookup-unavailable"
    await stage.insist_untouched()
