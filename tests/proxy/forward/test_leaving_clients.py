"""A client may leave at any moment: the cell's connection ends, and the request is finished exactly once."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.ends import End, until
from tests.support.messages import answer, answered, ask, asked, chunk, get, got, lines, post, posted
from tests.support.stage import Stage, staged


def leave(client: End, by_reset: bool) -> None:
    """Go away."""
    if by_reset:
        client.break_off()
    else:
        client.close()


async def insist_left(stage: Stage, status: int = 499) -> None:
    """The request was logged once, as left by the client; nothing is left of it."""
    line = await stage.logged()
    assert (line["status"], line["reason"]) == (status, "client-closed")
    await until(lambda: not stage.edge.connections, "the connection is over")
    assert all(link.pool.open_count == 0 for link in stage.edge.snapshot.links.values())


async def insist_served(stage: Stage) -> None:
    """Another client is served, over a fresh connection to the cell."""
    client = await stage.client()
    client.send(get(b"/other"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/other"))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@pytest.mark.parametrize("by_reset", [False, True])
@staged
async def test_inside_the_head_nothing_is_logged(stage: Stage, by_reset: bool) -> None:
    client = await stage.client()
    client.send(get()[:-2])
    await until(lambda: not any(c.idle for c in stage.edge.connections), "the beginning has come")
    leave(client, by_reset)
    await until(lambda: not stage.edge.connections, "the connection is over")
    assert not stage.log()
    await stage.insist_untouched()


@staged
async def test_during_the_lookup_nothing_is_forwarded(stage: Stage) -> None:
    stage.store.open_gate.clear()
    client = await stage.client()
    client.send(get())
    await until(lambda: stage.store.readings == 1, "the lookup is under way")
    client.break_off()
    await until(lambda: not stage.edge.connections, "the connection is over")
    stage.store.open_gate.set()
    await stage.settled()
    line = await stage.logged()
    assert (line["status"], line["reason"], line["cell"]) == (499, "client-closed", "")
    await stage.insist_untouched()
    await insist_served(stage)


@staged
async def test_while_the_cell_is_connected_to_the_connection_is_kept_for_others(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    await until(lambda: stage.pool().open_count == 1, "the connection is being made")
    client.break_off()
    await until(lambda: not stage.edge.connections, "the client is gone")
    line = await stage.logged()
    assert line["status"] == 499
    client = await stage.client()
    client.send(get(b"/other"))
    cell = await stage.cell.connection()
    came = await cell.take_head()
    if came == got():  # the connection was made before the client was gone
        cell = await stage.cell.connection()
        came = await cell.take_head()
    assert came == got(b"/other")


@pytest.mark.parametrize("by_reset", [False, True])
@staged
async def test_inside_the_body_the_cell_sees_it_broken_off(stage: Stage, by_reset: bool) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), chunk(b"some"))
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), chunk(b"some"))
    leave(client, by_reset)
    assert await cell.until_cut() == b""
    await insist_left(stage)
    await insist_served(stage)


@staged
async def test_half_closing_inside_the_body_is_leaving(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: 10"), b"some")
    cell = await stage.cell.connection()
    await cell.take_head()
    await cell.expect(b"some")
    client.finish()
    assert await cell.until_cut() == b""
    await insist_left(stage)


@staged
async def test_while_waiting_for_the_reply(stage: Stage) -> None:
    client = await stage.client()
    client.send(post(b"/", b"hello"))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", b"hello"))
    client.break_off()
    assert await cell.until_cut() == b""
    await insist_left(stage)
    cell.send(answer(b"late"))
    await insist_served(stage)


@staged
async def test_inside_the_reply_the_status_stays_that_of_the_reply(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: 100"), b"some")
    await client.take_to(b"some")
    client.break_off()
    await cell.until_cut()
    await insist_left(stage, 200)
    await insist_served(stage)


@staged
async def test_while_the_reply_is_held_back(stage: Stage) -> None:
    """Reading is paused on the cell's side, writing on the client's: both must notice."""
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    client.stop_reading()
    cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: %d" % (1 << 30)))
    while not any(connection.write_paused for connection in stage.edge.connections):
        cell.send(bytes(1 << 20))
        await asyncio.sleep(0.001)
    client.break_off()
    await cell.until_cut()
    await insist_left(stage, 200)


@staged
async def test_while_the_body_is_held_back(stage: Stage) -> None:
    """Reading is paused on the client's side, so that its leaving shows only when there is room again."""
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: %d" % (1 << 30)))
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.stop_reading()
    while not any(connection.holds for connection in stage.edge.connections):
        client.send(bytes(1 << 20))
        await asyncio.sleep(0.001)
    client.break_off()
    cell.go_on_reading()
    await cell.until_cut()
    await insist_left(stage)


@staged
async def test_with_requests_sent_ahead_only_the_one_under_way_counts(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), get(b"/2"), get(b"/3"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    client.break_off()
    assert await cell.until_cut() == b""
    await insist_left(stage)
    await stage.insist_untouched()


@pytest.mark.parametrize("reply", [answer(b"hello"), lines(b"HTTP/1.1 200 OK") + b"hello"])
@staged
async def test_a_half_closing_client_gets_its_whole_reply(stage: Stage, reply: bytes) -> None:
    client = await stage.client()
    client.send(ask(b"GET / HTTP/1.0"))
    client.finish()
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.send(reply)
    cell.finish()
    assert (await client.rest()).endswith(b"\r\n\r\nhello")
    await until(lambda: not stage.edge.connections, "the connection is over")
    assert (await stage.logged())["status"] == 200


@staged
async def test_a_half_closing_client_that_was_still_to_be_looked_up_is_answered(stage: Stage) -> None:
    stage.store.open_gate.clear()
    client = await stage.client()
    client.send(post(b"/", b"hello"))
    client.finish()
    await until(lambda: stage.store.readings == 1, "the lookup is under way")
    stage.store.open_gate.set()
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", b"hello"))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await client.expect_end()


@staged
async def test_a_half_closing_client_gets_a_refusal_that_needed_no_waiting(stage: Stage) -> None:
    for _ in range(20):
        client = await stage.client()
        client.send(lines(b"GET / HTTP/1.1", b"Host: a.example"))
        client.finish()
        assert (await client.rest()).startswith(b"HTTP/1.1 401 ")


@staged
async def test_a_client_that_half_closes_just_when_the_reply_comes_gets_it(stage: Stage) -> None:
    client = await stage.client()
    for turns in range(20):
        client.send(get())
        cell = stage.cell.accepted[0] if stage.cell.accepted else await stage.cell.connection()
        await cell.expect(got())
        cell.send(answer(b"hello"))
        for _ in range(turns % 4):
            await asyncio.sleep(0)
        client.finish()
        await client.expect(answered(b"hello"))
        await client.expect_end()
        client = await stage.client()


@staged
async def test_a_hundred_clients_leaving_at_once_leave_nothing_behind(stage: Stage) -> None:
    stage.pool().limit = 1000
    clients = [await stage.client() for _ in range(100)]
    for client in clients:
        client.send(get())
    for _ in clients:
        await (await stage.cell.connection()).take_head()
    for position, client in enumerate(clients):
        stage.cell.accepted[position].send(answer(bytes(100))[:position])
        leave(client, by_reset=True)
    await stage.settled()
    assert len(stage.log()) == 100
    await until(lambda: stage.pool().open_count == 0, "no connection is left")
    await insist_served(stage)


@pytest.mark.parametrize("in_reply", [False, True])
@staged
async def test_what_a_stopping_worker_breaks_off_is_not_called_the_clients_fault(
    stage: Stage, in_reply: bool
) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    if in_reply:
        cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: 100"), b"some")
        await client.take_to(b"some")
    (connection,) = stage.edge.connections
    connection.cut()
    assert await client.until_reset() == b""
    await cell.until_cut()
    line = await stage.logged()
    assert (line["status"], line["reason"]) == (200 if in_reply else 503, "drain-cut")


@staged
async def test_a_client_between_requests_is_cut_without_a_word_in_the_log(stage: Stage) -> None:
    client = await stage.client()
    client.send(b"GET / HT")
    (connection,) = stage.edge.connections
    connection.cut()
    assert await client.until_reset() == b""
    assert stage.log() == []
