"""A head that comes byte by byte costs a worker time in proportion to its length, no more: either way."""

from __future__ import annotations

import time
from math import inf
from typing import NamedTuple

import pytest

from proxy.forward.downstream import Downstream
from proxy.forward.upstream import Upstream
from tests.support.ends import End
from tests.support.messages import HOST_LINE, answer, answered, get, got, lines, problem_of
from tests.support.stage import HEAD_S, Stage, staged


class Dripping(NamedTuple):
    """A client that waits for its reply, and what the proxy has of the connection to the cell."""

    client: End
    upstream: Upstream


async def asked_for_reply(stage: Stage) -> Dripping:
    upstream = await stage.pool().open()
    stage.pool().give_back(upstream)
    client = await stage.client()
    client.send(get())
    await (await stage.cell.connection()).take_head()
    return Dripping(client, upstream)


async def connected(stage: Stage) -> tuple[End, Downstream]:
    """A client, and what the proxy has of it."""
    before = set(stage.edge.connections)
    client = await stage.client()
    (connection,) = stage.edge.connections - before
    return client, connection


def feed(connection: Downstream | Upstream, octets: bytes, size: int = 1) -> float:
    """Let them arrive in pieces of this size; the processor's seconds that it took."""
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    began_s = time.process_time()
    for piece in pieces:
        connection.data_received(piece)
    return time.process_time() - began_s


@staged
async def test_eight_times_the_head_costs_about_eight_times_the_time(stage: Stage) -> None:
    least_s = {7_500: inf, 60_000: inf}
    for size in (*least_s, *least_s, *least_s):
        _, connection = await connected(stage)
        unfinished = lines(b"GET / HTTP/1.1", HOST_LINE, b"X: " + b"x" * size)[:-4]
        least_s[size] = min(least_s[size], feed(connection, unfinished))
        assert not connection.idle
    assert least_s[60_000] < 24 * least_s[7_500]  # with a search of the whole for each byte: 64 times


@staged
async def test_eight_times_the_reply_head_costs_about_eight_times_the_time(stage: Stage) -> None:
    least_s = {7_500: inf, 60_000: inf}
    for size in (*least_s, *least_s, *least_s):
        dripping = await asked_for_reply(stage)
        head = lines(b"HTTP/1.1 204 No Content", b"X: " + b"x" * size)
        least_s[size] = min(least_s[size], feed(dripping.upstream, head))
        assert (await dripping.client.take_head()).startswith(b"HTTP/1.1 204 ")
        dripping.upstream.abort()
    assert least_s[60_000] < 24 * least_s[7_500]


@staged
async def test_a_reply_head_too_large_in_small_pieces_is_cut_off(stage: Stage) -> None:
    dripping = await asked_for_reply(stage)
    feed(dripping.upstream, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 66_000, 1000)
    assert (await problem_of(dripping.client)).status == 502


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 50])
@staged
async def test_replies_in_small_pieces_are_understood(stage: Stage, size: int) -> None:
    dripping = await asked_for_reply(stage)
    feed(dripping.upstream, lines(b"HTTP/1.1 103 Early Hints", b"Link: a") + answer(b"hello"), size)
    assert (await dripping.client.take_head()).startswith(b"HTTP/1.1 103 ")
    await dripping.client.expect(answered(b"hello"))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 50])
@staged
async def test_requests_in_small_pieces_are_understood(stage: Stage, size: int) -> None:
    client, connection = await connected(stage)
    feed(connection, get(b"/1") + b"\r\n" + get(b"/2") + get(b"/3"), size)
    cell = await stage.cell.connection()
    for path in (b"/1", b"/2", b"/3"):
        await cell.expect(got(path))
        cell.send(answer(path))
        await client.expect(answered(path))


@staged
async def test_a_refusal_in_small_pieces_comes_as_soon_as_it_is_due(stage: Stage) -> None:
    client, connection = await connected(stage)
    feed(connection, b"GET / HTTP/1.1\r\nHost: a.example\r\nX: y\n")
    assert (await problem_of(client)).status == 400


@staged
async def test_a_head_that_stops_in_small_pieces_is_too_slow(stage: Stage) -> None:
    client, connection = await connected(stage)
    feed(connection, b"\r\nGET / HT")
    stage.pass_time(HEAD_S + 1)
    assert (await problem_of(client)).status == 408
