"""What is tried again: anything that was provably not sent, and what is safe and was not answered."""

from __future__ import annotations

import os
import socket
from typing import Final

import pytest

from lookup.flags import Flag
from proxy.observe import layout
from tests.support.ends import End, until
from tests.support.messages import (
    Problem,
    answer,
    answered,
    ask,
    asked,
    chunk,
    get,
    got,
    lines,
    post,
    posted,
    problem_of,
)
from tests.support.stage import Stage, staged

SAFE: Final = (b"GET", b"HEAD", b"OPTIONS")
UNSAFE: Final = (b"POST", b"PUT", b"DELETE", b"PATCH", b"MKCOL")


async def warm(stage: Stage) -> tuple[End, End]:
    """A client that was served, over a connection to the cell that is kept."""
    client = await stage.client()
    client.send(get(b"/warm"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/warm"))
    cell.send(answer(b"w"))
    await client.expect(answered(b"w"))
    return client, cell


@pytest.mark.parametrize("method", SAFE)
@pytest.mark.parametrize("by_reset", [False, True])
@staged
async def test_a_safe_request_that_meets_a_closing_connection_is_sent_on_a_fresh_one(
    stage: Stage, method: bytes, by_reset: bool
) -> None:
    client, cell = await warm(stage)
    client.send(ask(method + b" /again HTTP/1.1"))
    sent = await cell.take_head()
    if by_reset:
        cell.break_off()
    else:
        cell.close()
    fresh = await stage.cell.connection()
    await fresh.expect(sent)
    fresh.send(lines(b"HTTP/1.1 204 No Content"))
    assert (await client.take_head()).startswith(b"HTTP/1.1 204 ")
    await stage.settled()
    assert stage.log()[1]["attempts"] == 2
    assert stage.counted(layout.RETRIES, "eu-1") == 1
    assert stage.counted(layout.ATTEMPT_FAILURES, "eu-1") == 1


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("by_reset", [False, True])
@staged
async def test_an_unsafe_request_is_never_sent_twice(stage: Stage, method: bytes, by_reset: bool) -> None:
    client, cell = await warm(stage)
    client.send(ask(method + b" / HTTP/1.1"))
    await cell.take_head()
    if by_reset:
        cell.break_off()
    else:
        cell.close()
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.closes) == (502, "cell-closed", False)
    assert "not sent again" in problem.detail
    await stage.insist_untouched()
    assert stage.counted(layout.RETRIES, "eu-1") == 0


@pytest.mark.parametrize("method", UNSAFE)
@staged
async def test_an_unsafe_request_whose_body_was_sent_is_never_sent_twice(stage: Stage, method: bytes) -> None:
    client, cell = await warm(stage)
    client.send(ask(method + b" / HTTP/1.1", b"Content-Length: 5"), b"hello")
    await cell.take_head()
    await cell.expect(b"hello")
    cell.close()
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.closes) == (502, "cell-closed", False)
    await stage.insist_untouched()


def at_once(end: End) -> socket.socket:
    """The end's socket, for what must not wait for the loop."""
    return socket.socket(fileno=os.dup(end.transport.get_extra_info("socket").fileno()))


@pytest.mark.parametrize("by_fin", [False, True])
@pytest.mark.parametrize("rest", [b"", b"-and-more"])
@staged
async def test_a_request_that_had_not_left_yet_is_sent_again_with_its_body(
    stage: Stage, by_fin: bool, rest: bytes
) -> None:
    """The end of the kept connection is noticed in the turn in which the request would have left."""
    client, cell = await warm(stage)
    length = b"Content-Length: %d" % len(b"hello" + rest)
    with at_once(client) as client_socket, at_once(cell) as cell_socket:
        client_socket.send(ask(b"POST / HTTP/1.1", length) + b"hello")
        if by_fin:
            cell_socket.shutdown(socket.SHUT_WR)
        else:
            cell_socket.send(answer(b"nobody asked"))
    fresh = await stage.cell.connection()
    await fresh.expect(asked(b"POST / HTTP/1.1", length), b"hello")
    client.send(rest)
    await fresh.expect(rest)
    fresh.send(answer(b"good"))
    await client.expect(answered(b"good"))
    assert b"POST" not in cell.received


@staged
async def test_a_cell_that_closes_in_the_middle_of_an_upload(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), chunk(b"some"))
    cell = await stage.cell.connection()
    await cell.take_head()
    await cell.expect(chunk(b"some"))
    cell.close()
    problem = Problem(await client.rest())
    assert (problem.status, problem.slug, problem.closes) == (502, "cell-closed", True)
    client.send(chunk(b"more"), b"0\r\n\r\n")
    client.close()
    await stage.insist_untouched()


@staged
async def test_a_cell_that_closed_while_nobody_asked_costs_nothing(stage: Stage) -> None:
    """The proxy may see the end only when it reads: the request is sent and answered all the same."""
    client, cell = await warm(stage)
    client.send(get(b"/again"))
    cell.close()
    fresh = await stage.cell.connection()
    await fresh.expect(got(b"/again"))
    fresh.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_a_reply_that_had_begun_is_never_asked_for_again(stage: Stage) -> None:
    client, cell = await warm(stage)
    client.send(get(b"/again"))
    await cell.take_head()
    cell.send(b"HTTP/1.1 2")
    cell.close()
    assert (await problem_of(client)).slug == "cell-bad-reply"
    await stage.insist_untouched()


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@staged
async def test_a_refused_connection_is_tried_three_times_in_all(stage: Stage, method: bytes) -> None:
    await stage.cell.shut()
    client = await stage.client()
    client.send(ask(method + b" / HTTP/1.1", b"Content-Length: 5"), b"hello")
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.cell) == (503, "cell-unreachable", "eu-1")
    assert problem.fields[b"retry-after"] == b"5"
    assert problem.fields[b"x-home-cell-degraded"] == b"cell-unreachable"
    line = await stage.logged()
    assert (line["attempts"], line["reason"]) == (3, "cell-unreachable")
    assert line["duration_ms"] >= (0.5 * 25 + 0.5 * 50)  # type: ignore[operator] # the pauses between
    assert stage.counted(layout.ATTEMPT_FAILURES, "eu-1") == 3
    assert stage.counted(layout.RETRIES, "eu-1") == 2


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@staged
async def test_a_cell_that_comes_back_in_time_gets_the_request_once_and_whole(
    stage: Stage, method: bytes
) -> None:
    await stage.cell.shut()
    client = await stage.client()
    client.send(ask(method + b" / HTTP/1.1", b"Content-Length: 5"), b"hel")
    await until(lambda: stage.counted(layout.RETRIES, "eu-1") == 1, "the first attempt has failed")
    client.send(b"lo")
    await stage.cell.open()
    cell = await stage.cell.connection()
    await cell.take_head()
    await cell.expect(b"hello")
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.insist_untouched()
    assert not cell.received


@staged
async def test_after_three_attempts_a_static_route_degrades(stage: Stage) -> None:
    await stage.cell.shut()
    client = await stage.client()
    client.send(get(b"/static/page"))
    head = await client.take_head()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nX-Home-Cell-Degraded: cell-unreachable\r\n" in head
    await client.expect(b"come back later")


@staged
async def test_a_cell_that_always_closes_is_asked_three_times(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    for _ in range(3):
        cell = await stage.cell.connection()
        await cell.expect(got())
        cell.close()
    assert (await problem_of(client)).slug == "cell-unreachable"
    await stage.insist_untouched()


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@staged
async def test_a_cell_that_hangs_up_at_once_is_noticed_at_once(stage: Stage, method: bytes) -> None:
    """Accepted and closed before or just when the request leaves: nobody waits for a reply."""
    client = await stage.client()
    stage.cell.hangs_up = True
    for _ in range(5):
        client.send(ask(method + b" / HTTP/1.1"))
        assert (await problem_of(client)).slug in ("cell-unreachable", "cell-closed")
    stage.cell.hangs_up = False
    client.send(get())
    end = await stage.cell.connection()
    while end.gone:
        end = await stage.cell.connection()
    await end.expect(got())


@staged
async def test_a_cell_flagged_down_between_attempts_is_left_alone(stage: Stage) -> None:
    await stage.cell.shut()
    client = await stage.client()
    client.send(get())
    await until(lambda: stage.counted(layout.RETRIES, "eu-1") == 1, "the first attempt has failed")
    stage.flag("eu-1", Flag.DOWN)
    await stage.cell.open()
    assert (await problem_of(client)).slug == "cell-down"
    await stage.insist_untouched()


@staged
async def test_the_budget_bounds_how_many_are_tried_again(stage: Stage) -> None:
    """Of twenty requests at once, a fifth may be sent again; the others fail at their first attempt."""
    stage.store.open_gate.clear()
    await stage.cell.shut()
    clients = [await stage.client() for _ in range(20)]
    for client in clients:
        client.send(get())
    await until(lambda: stage.edge.in_flight == 20, "all are under way")
    stage.store.open_gate.set()
    for client in clients:
        assert (await problem_of(client)).status == 503
    await stage.settled()
    attempts = [line["attempts"] for line in stage.log()]
    assert len(attempts) == 20
    assert attempts.count(1) >= 12
    assert 3 <= attempts.count(3) <= 4


@staged
async def test_a_cell_that_is_gone_does_not_use_up_the_budget_of_others(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/warm", user=5))
    kept = await stage.cells["eu-2"].connection()
    await kept.expect(got(b"/warm", user=5, home=(b"eu-2", 5)))
    kept.send(answer(b"w"))
    await client.expect(answered(b"w"))
    await stage.cell.shut()
    for _ in range(5):
        (await stage.client()).send(get())
    await until(lambda: stage.counted(layout.RETRIES, "eu-1") == 3, "its budget is used up")
    client.send(get(b"/again", user=5))
    await kept.expect(got(b"/again", user=5, home=(b"eu-2", 5)))
    kept.close()
    fresh = await stage.cells["eu-2"].connection()
    await fresh.expect(got(b"/again", user=5, home=(b"eu-2", 5)))
    fresh.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_a_client_that_leaves_between_attempts_is_not_retried_for(stage: Stage) -> None:
    await stage.cell.shut()
    client = await stage.client()
    client.send(post(b"/", b"hello"))
    await until(lambda: stage.counted(layout.RETRIES, "eu-1") == 1, "the first attempt has failed")
    client.break_off()
    line = await stage.logged()
    assert (line["status"], line["reason"], line["attempts"]) == (499, "client-closed", 1)
    assert stage.edge.snapshot.links["eu-1"].retrying == 0
    await stage.cell.open()
    client = await stage.client()
    client.send(post(b"/", b"x"))
    await (await stage.cell.connection()).expect(posted(b"/", b"x"))
    await stage.insist_untouched()
