"""A cell that says "not mine" makes the edge ask the truth, and go by it and by nothing else, once."""

from __future__ import annotations

import time
from math import inf

import pytest

from lookup.assignment import State
from proxy.observe import layout
from tests.proxy.forward.mistaken import home, mistaken, not_mine, results
from tests.support.credentials import new_routing_cookies, token
from tests.support.ends import until
from tests.support.messages import (
    HOST_LINE,
    answer,
    answered,
    ask,
    asked,
    get,
    got,
    lines,
    post,
    posted,
    problem_of,
)
from tests.support.stage import Stage, staged

METHODS = [b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE"]


# Where it goes.


@pytest.mark.parametrize("method", METHODS)
@staged
async def test_a_request_is_sent_once_more_to_the_cell_that_the_truth_names(
    stage: Stage, method: bytes
) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(ask(method + b" /me HTTP/1.1"))
    await cell.expect(asked(method + b" /me HTTP/1.1"))
    cell.send(not_mine(b"5; cell=eu-2"))
    right = await stage.cells["eu-2"].connection()
    await right.expect(asked(method + b" /me HTTP/1.1", home=(b"eu-2", 5)))
    right.send(lines(b"HTTP/1.1 204 No Content"))
    reply = await client.take_head()
    assert reply.startswith(b"HTTP/1.1 204 ")
    assert b"not-mine" not in reply.lower()
    await stage.settled()
    line = stage.log()[-1]
    assert (line["cell"], line["asked_before"]) == ("eu-2", ["eu-1"])
    assert (line["epoch"], line["tier"]) == (5, "store")
    assert (line["attempts"], line["reason"], line["path"], line["status"]) == (2, "", "/me", 204)
    assert results(stage) == {"replayed": 1}
    assert stage.counted(layout.ATTEMPT_FAILURES, "eu-1") == 0


@staged
async def test_the_next_request_knows_the_home_and_both_connections_are_kept(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(get())
    await cell.expect(got())
    cell.send(not_mine(b"5", body=b"it moved"))
    right = await stage.cells["eu-2"].connection()
    for path in (b"/", b"/again"):
        await right.expect(got(path, home=(b"eu-2", 5)))
        right.send(answer(b"x"))
        await client.expect(answered(b"x"))
        if path == b"/":
            readings = stage.store.readings
            client.send(get(b"/again"))
    assert stage.store.readings == readings
    client.send(get(b"/other", user=2))
    await cell.expect(got(b"/other", user=2, home=(b"eu-1", 4)))
    await stage.insist_untouched()


@pytest.mark.parametrize(
    "says",
    [b"0", b"5", b"4;cell=eu-1", b"999999999999999999; cell=us-1", b"5; cell=mars-1", b"7 ;\tcell=eu-1"],
)
@staged
async def test_whatever_else_the_cell_says_the_truth_decides(stage: Stage, says: bytes) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(get())
    await cell.expect(got())
    cell.send(not_mine(says))
    await (await stage.cells["eu-2"].connection()).expect(got(home=(b"eu-2", 5)))
    await stage.insist_untouched()


@staged
async def test_a_cell_that_refuses_an_old_epoch_gets_the_true_one(stage: Stage) -> None:
    """A move that was aborted: the user is where he was, and a fenced cell wants to hear the new epoch."""
    client, cell = await mistaken(stage, home("eu-1", 5))
    client.send(post(b"/", b"x"))
    await cell.expect(posted(b"/", b"x"))
    cell.send(not_mine(b"4"))
    head = asked(b"POST / HTTP/1.1", b"Content-Length: 1", home=(b"eu-1", 5))
    await cell.expect(head, b"x")
    assert results(stage) == {"replayed": 1}


@staged
async def test_a_claim_that_is_not_true_is_found_out_and_overruled_from_then_on(stage: Stage) -> None:
    stage.store.place(home("eu-2", 5))
    claim = b"Authorization: Bearer " + token(1, "eu-1", 3)
    request = lines(b"GET / HTTP/1.1", HOST_LINE, claim)
    client = await stage.client()
    client.send(request)
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    for _ in range(2):
        assert b"\r\nX-Home-Cell: eu-2\r\nX-Home-Cell-Epoch: 5\r\n" in await right.take_head()
        right.send(answer(b"x"))
        await client.take_head()
        await client.expect(b"x")
        client.send(request)
    assert stage.log()[-1]["tier"] == "memory"


@staged
async def test_the_request_id_that_the_edge_drew_is_the_same_for_both_cells(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE, b"Authorization: Bearer " + token(1)))
    first = await cell.take_head()
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    second = await right.take_head()
    line = first[first.index(b"\r\nX-Request-Id: ") :].partition(b"\r\ntraceparent")[0]
    assert line + b"\r\n" in second
    assert second.lower().count(b"x-request-id") == 1


@staged
async def test_a_browser_gets_a_new_routing_cookie(stage: Stage) -> None:
    stage.store.place(home("eu-2", 5))
    old = new_routing_cookies().set_cookie("user:1", "eu-1", 3, time.time()).partition(b";")[0]
    client = await stage.client()
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE, b"Cookie: " + old))
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    await right.take_head()
    right.send(answer(b""))
    fresh = (await client.take_head()).partition(b"\r\nSet-Cookie: ")[2].partition(b";")[0]
    claim = new_routing_cookies().verify(fresh.partition(b"=")[2], time.time())
    assert claim.hint.cell == "eu-2"  # type: ignore[union-attr] # a Fault has none, and fails the test
    assert claim.hint.epoch == 5  # type: ignore[union-attr]


@staged
async def test_a_request_pipelined_behind_waits_and_goes_right_at_once(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(get(b"/1"), post(b"/2", b"x"), get(b"/3", user=2))
    await cell.expect(got(b"/1"))
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    await right.expect(got(b"/1", home=(b"eu-2", 5)))
    right.send(answer(b"1"))
    await client.expect(answered(b"1"))
    await right.expect(asked(b"POST /2 HTTP/1.1", b"Content-Length: 1", home=(b"eu-2", 5)), b"x")
    right.send(answer(b"2"))
    await client.expect(answered(b"2"))
    await cell.expect(got(b"/3", user=2, home=(b"eu-1", 4)))


@staged
async def test_a_write_needs_no_lease_for_it(stage: Stage) -> None:
    stage.edge.fence.lease_until_s = -inf
    client, cell = await mistaken(stage, home("eu-1", 3))
    client.send(post(b"/", b"x"))
    await cell.expect(posted(b"/", b"x"))
    stage.store.place(home("eu-2", 5))
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    await right.expect(asked(b"POST / HTTP/1.1", b"Content-Length: 1", home=(b"eu-2", 5)), b"x")


@staged
async def test_a_client_that_leaves_meanwhile_is_not_sent_for(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    stage.store.open_gate.clear()
    client.send(post(b"/", b"x"))
    await cell.expect(posted(b"/", b"x"))
    readings = stage.store.readings
    cell.send(not_mine(b"5"))
    await until(lambda: stage.store.readings > readings, "the truth is asked")
    client.break_off()
    await stage.settled()
    stage.store.open_gate.set()
    await until(lambda: results(stage) != {}, "the truth has answered")
    assert results(stage) == {"abandoned": 1}
    assert stage.log()[-1]["reason"] == "client-closed"
    assert stage.edge.fence.quiet
    await stage.insist_untouched()


@staged
async def test_the_time_for_a_reply_counts_from_the_first_cell_on(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(get())
    await cell.expect(got())
    stage.pass_time(1.0)
    cell.send(not_mine(b"5"))
    await (await stage.cells["eu-2"].connection()).take_head()
    stage.pass_time(2.0)
    assert (await problem_of(client)).status == 504


@staged
async def test_a_move_that_begins_meanwhile_waits_for_the_write(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    stage.store.open_gate.clear()
    client.send(post(b"/", b"x"))
    await cell.expect(posted(b"/", b"x"))
    readings = stage.store.readings
    cell.send(not_mine(b"5"))
    await until(lambda: stage.store.readings > readings, "the truth is asked")
    stage.edge.fence.changed(home("eu-2", 6, State.MOVING))
    stage.store.open_gate.set()
    right = await stage.cells["eu-2"].connection()
    await right.take_head()
    assert stage.edge.fence.held(0.0) == {"user:1"}
    await right.expect(b"x")
    right.send(answer(b""))
    await client.take_head()
    assert stage.edge.fence.held(0.0) == frozenset()
