"""Every request has an id and a trace: the client's when they are usable, else the edge's own."""

from __future__ import annotations

import re

import pytest

from tests.proxy.forward.seen_head import seen_by_cell, value_of
from tests.support.messages import (
    HOST_LINE,
    Problem,
    answer,
    bearer,
    lines,
)
from tests.support.stage import Stage, staged


@staged
async def test_an_id_and_a_trace_are_drawn_for_who_has_none(stage: Stage) -> None:
    client = await stage.client()
    ids = set()
    for _ in range(2):
        client.send(lines(b"GET / HTTP/1.1", HOST_LINE, bearer(1)))
        cell = stage.cell.accepted[0] if stage.cell.accepted else await stage.cell.connection()
        head = (await cell.take_head()).split(b"\r\n")
        drawn = value_of(head, b"X-Request-Id")
        assert re.fullmatch(rb"[0-9a-f]{32}", drawn)
        assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", value_of(head, b"traceparent"))
        cell.send(answer(b""))
        reply = await client.take_head()
        assert b"\r\nX-Request-Id: %b\r\n" % drawn in reply
        await stage.settled()
        assert stage.log()[-1]["request_id"] == drawn.decode()
        ids.add(drawn)
    assert len(ids) == 2


@pytest.mark.parametrize("bad", [b"a b", b'"a"', b"x" * 129, b"", b"\xe9"])
@staged
async def test_an_unusable_id_is_replaced(stage: Stage, bad: bytes) -> None:
    head = await seen_by_cell(stage, b"X-Request-Id: " + bad)
    assert re.fullmatch(rb"[0-9a-f]{32}", value_of(head, b"X-Request-Id"))


@staged
async def test_of_two_ids_the_first_counts(stage: Stage) -> None:
    head = await seen_by_cell(stage, b"X-Request-Id: one", b"X-Request-Id: two")
    assert value_of(head, b"X-Request-Id") == b"one"


@pytest.mark.parametrize(
    "bad",
    [
        b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        b"nonsense",
    ],
)
@staged
async def test_an_unusable_trace_is_replaced(stage: Stage, bad: bytes) -> None:
    head = await seen_by_cell(stage, b"traceparent: " + bad)
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", value_of(head, b"traceparent"))
    assert value_of(head, b"traceparent") != bad


@staged
async def test_a_refusal_names_the_id_that_the_client_sent(stage: Stage) -> None:
    client = await stage.client()
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE, b"X-Request-Id: mine"))
    problem = Problem(await client.take_head() + await client.take_to(b"}\n"))
    assert problem.fields[b"x-request-id"] == b"mine"
    assert (await stage.logged())["request_id"] == "mine"
