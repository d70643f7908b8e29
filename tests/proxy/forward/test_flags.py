"""An operator's word counts at once for the requests that have not left yet, and for no other."""

from __future__ import annotations

import pytest

from lookup.flags import Flag
from proxy.observe import layout
from tests.support.ends import until
from tests.support.messages import (
    HOST_LINE,
    Problem,
    answer,
    answered,
    ask,
    chunk,
    get,
    got,
    lines,
    post,
    problem_of,
)
from tests.support.stage import Stage, staged


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@staged
async def test_a_cell_that_is_down_is_not_even_connected_to(stage: Stage, method: bytes) -> None:
    stage.flag("eu-1", Flag.DOWN)
    client = await stage.client()
    client.send(ask(method + b" / HTTP/1.1"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.cell) == (503, "cell-down", "eu-1")
    assert problem.fields[b"retry-after"] == b"30"
    assert problem.fields[b"x-home-cell-degraded"] == b"cell-down"
    assert not problem.closes
    await stage.insist_untouched()
    line = await stage.logged()
    assert (line["cell"], line["reason"], line["attempts"], line["status"]) == ("eu-1", "cell-down", 0, 503)
    place = layout.FALLBACKS + layout.SLUG_INDEX["cell-down"]
    assert stage.counted(place, "eu-1") == 1


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS"])
@staged
async def test_on_a_static_route_safe_methods_get_the_static_reply(stage: Stage, method: bytes) -> None:
    stage.flag("eu-1", Flag.DOWN)
    client = await stage.client()
    client.send(ask(method + b" /static/page HTTP/1.1"))
    expected = lines(
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/plain",
        b"Content-Length: 15",
        b"Cache-Control: no-store",
        b"X-Request-Id: r-1",
        b"X-Home-Cell-Degraded: cell-down",
    )
    start, _, fields = (await client.take_head()).split(b"\r\n", 2)  # the second line is the Date
    assert start + b"\r\n" + fields == expected
    await client.expect(b"come back later")
    line = await stage.logged()
    assert (line["status"], line["reason"], line["cell"]) == (200, "cell-down", "eu-1")
    await stage.insist_untouched()


@staged
async def test_a_static_reply_to_head_has_no_body(stage: Stage) -> None:
    stage.flag("eu-1", Flag.DOWN)
    client = await stage.client()
    client.send(ask(b"HEAD /static HTTP/1.1"), get(b"/static"))
    assert b"\r\nContent-Length: 15\r\n" in await client.take_head()
    assert (await client.take_head()).startswith(b"HTTP/1.1 200 OK\r\n")
    await client.expect(b"come back later")


@staged
async def test_on_a_static_route_unsafe_methods_get_a_problem(stage: Stage) -> None:
    stage.flag("eu-1", Flag.DOWN)
    client = await stage.client()
    client.send(ask(b"POST /static HTTP/1.1"))
    assert (await problem_of(client)).slug == "cell-down"


@staged
async def test_the_body_for_a_cell_that_is_down_is_not_waited_for(stage: Stage) -> None:
    stage.flag("eu-1", Flag.DOWN)
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: 1000"))
    problem = Problem(await client.rest())
    assert (problem.status, problem.closes) == (503, True)


@staged
async def test_other_cells_do_not_notice(stage: Stage) -> None:
    stage.flag("eu-1", Flag.DOWN)
    client = await stage.client()
    client.send(get(), get(user=5))
    cell = await stage.cells["eu-2"].connection()
    await cell.expect(got(user=5, home=(b"eu-2", 5)))
    cell.send(answer(b"x"))
    assert (await problem_of(client)).slug == "cell-down"
    await client.expect(answered(b"x"))


@staged
async def test_a_cell_that_is_back_is_served_over_its_old_connections(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    stage.flag("eu-1", Flag.DOWN)
    client.send(get())
    assert (await problem_of(client)).status == 503
    stage.flag("eu-1", Flag.SERVING)
    client.send(get())
    await cell.expect(got())
    cell.send(answer(b"y"))
    await client.expect(answered(b"y"))


@staged
async def test_a_request_under_way_is_not_touched(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), chunk(b"one"))
    cell = await stage.cell.connection()
    await cell.take_head()
    await cell.expect(chunk(b"one"))
    stage.flag("eu-1", Flag.DOWN)
    client.send(chunk(b"two"))
    await cell.expect(chunk(b"two"))
    client.send(b"0\r\n\r\n")
    await cell.expect(b"0\r\n\r\n")
    cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: 2"), b"x")
    await client.take_to(b"\r\n\r\nx")
    stage.flag("eu-1", Flag.SERVING)
    stage.flag("eu-1", Flag.DOWN)
    cell.send(b"y")
    await client.expect(b"y")
    client.send(get())
    assert (await problem_of(client)).slug == "cell-down"


@pytest.mark.parametrize("request_bytes", [get(), post(b"/", b"x")], ids=["GET", "POST"])
@staged
async def test_a_cell_flagged_down_while_it_is_connected_to_gets_nothing(
    stage: Stage, request_bytes: bytes
) -> None:
    client = await stage.client()
    client.send(request_bytes)
    await until(lambda: stage.pool().open_count == 1, "the connection is being opened")
    stage.flag("eu-1", Flag.DOWN)
    assert stage.edge.in_flight == 0, "it is answered at once, however long the connecting takes"
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (503, "cell-down")
    cell = await stage.cell.connection()
    assert not cell.received
    stage.flag("eu-1", Flag.SERVING)
    client.send(get())
    await cell.expect(got())


@pytest.mark.parametrize("request_bytes", [get(), post(b"/", b"x")], ids=["GET", "POST"])
@staged
async def test_between_two_attempts_a_flag_ends_the_waiting_at_once(
    stage: Stage, request_bytes: bytes
) -> None:
    await stage.cell.shut()
    client = await stage.client()
    client.send(request_bytes)
    await until(lambda: stage.counted(layout.RETRIES, "eu-1") == 1, "the first attempt has failed")
    stage.flag("eu-2", Flag.DOWN)
    assert stage.edge.in_flight == 1
    stage.flag("eu-1", Flag.DOWN)
    assert stage.edge.in_flight == 0
    assert (await problem_of(client)).slug == "cell-down"
    await stage.cell.open()
    await stage.insist_untouched()


@staged
async def test_what_a_cell_lost_is_not_sent_to_it_again_once_it_is_flagged_down(stage: Stage) -> None:
    client = await stage.client()
    await stage.serve(client, get())
    cell = stage.cell.accepted[-1]
    client.send(get())
    await cell.expect(got())
    stage.flag("eu-1", Flag.DOWN)
    cell.close()
    assert (await problem_of(client)).slug == "cell-down"
    await stage.insist_untouched()


@staged
async def test_without_a_credential_cells_that_are_down_are_passed_over(stage: Stage) -> None:
    stage.flag("eu-1", Flag.DOWN)
    for _ in range(3):
        (await stage.client()).send(lines(b"GET /open HTTP/1.1", HOST_LINE))
        await (await stage.cells["eu-2"].connection()).take_head()
    stage.flag("eu-2", Flag.DOWN)
    client = await stage.client()
    client.send(lines(b"GET /open HTTP/1.1", HOST_LINE))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.cell) == (503, "cell-down", "")
    await stage.insist_untouched()


@staged
async def test_a_stopping_edge_finishes_and_closes(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    stage.edge.stopping = True
    cell.send(answer(b"x"))
    await client.expect(answered(b"x", b"Connection: close"))
    await client.expect_end()
    client = await stage.client()
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE))
    assert Problem(await client.rest()).closes
