"""Each wait has its limit, each limit its own answer. The proxy's time is the test's to move."""

from __future__ import annotations

import socket

import pytest

from proxy.model import Endpoint
from proxy.observe import layout
from tests.proxy.forward.begun import exchange
from tests.support.cells import HOST
from tests.support.ends import until
from tests.support.messages import (
    answer,
    answered,
    ask,
    asked,
    get,
    got,
    problem_of,
)
from tests.support.stage import BODY_S, REQUEST_S, Stage, staged

LOOK_S = BODY_S / 4
CHUNKED = b"Transfer-Encoding: chunked"


def listen_deaf() -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose queue is full: further connections get no answer, as from a dropping firewall."""
    listener = socket.socket()
    listener.bind((HOST, 0))
    listener.listen(0)
    waiting = []
    for _ in range(3):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    return listener, waiting


@staged
async def test_a_cell_that_does_not_answer_the_connection_is_unreachable(stage: Stage) -> None:
    listener, waiting = listen_deaf()
    pool = stage.pool()
    pool._endpoints = (Endpoint(HOST, listener.getsockname()[1]),)
    pool.connect_timeout_s = 0.02
    client = await stage.client()
    client.send(get())
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (503, "cell-unreachable")
    assert (await stage.logged())["attempts"] == 3
    await until(lambda: pool.open_count == 0, "no attempt is left")
    for sock in (listener, *waiting):
        sock.close()


@staged
async def test_a_connection_that_is_not_made_within_the_time_for_the_reply_is_504(stage: Stage) -> None:
    listener, waiting = listen_deaf()
    pool = stage.pool()
    pool._endpoints = (Endpoint(HOST, listener.getsockname()[1]),)
    client = await stage.client()
    client.send(get())
    await until(lambda: pool.open_count == 1, "it is being connected to")
    stage.pass_time(REQUEST_S)
    problem = await problem_of(client)
    assert (problem.slug, problem.detail) == ("cell-timeout", "no connection to it was made in time")
    for sock in (listener, *waiting):
        sock.close()


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@staged
async def test_a_cell_that_does_not_reply_in_time_is_504(stage: Stage, method: bytes) -> None:
    client, cell = await exchange(stage, ask(method + b" / HTTP/1.1"))
    stage.pass_time(REQUEST_S - 1)
    assert not client.received
    stage.pass_time(1)
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.closes) == (504, "cell-timeout", False)
    assert problem.detail == "its reply did not begin in time"
    assert problem.fields[b"retry-after"] == b"5"
    await cell.until_cut()
    assert stage.counted(layout.ATTEMPT_FAILURES, "eu-1") == 1
    client.send(get(b"/after"))
    await (await stage.cell.connection()).expect(got(b"/after"))


@staged
async def test_a_late_reply_is_given_to_nobody(stage: Stage) -> None:
    client, cell = await exchange(stage)
    stage.pass_time(REQUEST_S)
    await problem_of(client)
    cell.send(answer(b"late"))
    client.send(get(b"/after"))
    fresh = await stage.cell.connection()
    await fresh.expect(got(b"/after"))
    fresh.send(answer(b"right"))
    await client.expect(answered(b"right"))


@staged
async def test_the_beginning_of_a_head_is_no_reply(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    stage.pass_time(REQUEST_S)
    assert (await problem_of(client)).status == 504


@staged
async def test_the_time_for_the_reply_begins_when_the_request_is_complete(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"POST / HTTP/1.1", b"Content-Length: 10") + b"01234")
    await cell.expect(b"01234")
    stage.pass_time(REQUEST_S * 2)
    client.send(b"56789")
    await cell.expect(b"56789")
    stage.pass_time(REQUEST_S - 1)
    assert not client.received
    stage.pass_time(1)
    assert (await problem_of(client)).slug == "cell-timeout"


@staged
async def test_a_lookup_does_not_count_as_the_clients_slowness(stage: Stage) -> None:
    stage.store.open_gate.clear()
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: 5"))
    await until(lambda: stage.edge.in_flight == 1, "the request is under way")
    stage.pass_time(REQUEST_S - 1)
    stage.store.open_gate.set()
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", b"Content-Length: 5"))
    client.send(b"hello")
    await cell.expect(b"hello")
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_a_lookup_that_never_answers_holds_no_request_for_ever(stage: Stage) -> None:
    stage.store.open_gate.clear()
    client = await stage.client()
    client.send(get())
    await until(lambda: stage.edge.in_flight == 1, "the request is under way")
    stage.pass_time(REQUEST_S)
    problem = await problem_of(client)
    assert (problem.status, problem.detail) == (503, "the lookup took too long")
    stage.store.open_gate.set()


@staged
async def test_on_a_static_route_a_slow_cell_degrades(stage: Stage) -> None:
    client, _ = await exchange(stage, get(b"/static"))
    stage.pass_time(REQUEST_S)
    head = await client.take_head()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nX-Home-Cell-Degraded: cell-timeout\r\n" in head
    await client.expect(b"come back later")


@pytest.mark.parametrize("reused", [False, True])
@staged
async def test_attempts_share_one_time_for_the_reply(stage: Stage, reused: bool) -> None:
    client, cell = await exchange(stage)
    if reused:
        cell.send(answer(b"x"))
        await client.expect(answered(b"x"))
        client.send(get())
        await cell.expect(got())
    stage.pass_time(REQUEST_S - 1)
    cell.close()
    again = await stage.cell.connection()
    await again.expect(got())
    stage.pass_time(1)
    assert (await problem_of(client)).status == 504
