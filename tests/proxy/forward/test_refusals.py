"""A malformed request is answered and its connection closed; nothing of it reaches any cell."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import Final

import pytest

from lookup.flags import Flag
from proxy.forward.downstream import LINGERING_REFUSED
from proxy.observe.layout import REPLY_PLACES, REQUEST_BUCKET_COUNT, REQUEST_BUCKETS
from proxy.rooms.routes import Route
from tests.proxy.wire.refused_requests import EVERY_REFUSAL
from tests.proxy.wire.test_chunked import MALFORMED
from tests.support.cells import HOST
from tests.support.ends import End, until
from tests.support.messages import Problem, answer, answered, ask, asked, get, got, lines
from tests.support.stage import HEAD_S, IDLE_S, Stage, staged

ANYBODY = Route(b"/", True, None, 1 << 30)
"""So that a request without a credential would reach a cell, if it were not refused for its form."""

FORGIVEN: Final = ("an empty request line",)
"""What is no head by itself, but may stand before one on a connection (RFC 9112, section 2.2)."""

REFUSED: Final = {name: row for name, row in EVERY_REFUSAL.items() if name not in FORGIVEN}
SHORT: Final = {name: row for name, row in REFUSED.items() if len(row[1]) < 400}


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED)
@staged
async def test_a_malformed_head_is_answered_closed_and_forwarded_to_nobody(
    stage: Stage, status: int, data: bytes
) -> None:
    stage.use_routes(ANYBODY)
    client = await stage.client()
    client.send(data, get(b"/never"))
    problem = Problem(await client.rest())
    assert (problem.status, problem.closes) == (status, True)
    assert problem.detail
    client.close()
    await until(lambda: not stage.edge.connections, "the connection is over")
    await stage.insist_untouched()
    line = await stage.logged()
    assert (line["status"], line["reason"], line["cell"]) == (status, problem.slug, "")


@staged
async def test_a_refused_head_is_counted_but_not_timed(stage: Stage) -> None:
    client = await stage.client()
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert Problem(await client.rest()).status == 400
    assert stage.counted(REPLY_PLACES[400], "") == 1
    assert not any(stage.counted(REQUEST_BUCKETS + bucket, "") for bucket in range(REQUEST_BUCKET_COUNT))


@pytest.mark.parametrize(("status", "data"), SHORT.values(), ids=SHORT)
@staged
async def test_octet_by_octet_it_is_refused_all_the_same(stage: Stage, status: int, data: bytes) -> None:
    stage.use_routes(ANYBODY)
    client = await stage.client()
    await client.send_in_bytes(data)
    assert Problem(await client.rest()).status == status
    await stage.insist_untouched()


@pytest.mark.parametrize("stream", MALFORMED.values(), ids=MALFORMED)
@staged
async def test_a_malformed_chunked_body_that_comes_with_its_head_reaches_nobody(
    stage: Stage, stream: bytes
) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), stream)
    problem = Problem(await client.rest())
    assert (problem.status, problem.closes) == (400, True)
    await stage.insist_untouched()


@pytest.mark.parametrize("stream", MALFORMED.values(), ids=MALFORMED)
@staged
async def test_a_malformed_chunked_body_never_looks_complete_to_the_cell(stage: Stage, stream: bytes) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), b"2\r\nab\r\n")
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), b"2\r\nab\r\n")
    await client.send_in_bytes(stream[:600])
    client.send(stream[600:])
    assert Problem(await client.rest()).status == 400
    came = await cell.until_cut()
    assert not came.endswith(b"0\r\n\r\n"), came
    assert b"X-A" not in came


@staged
async def test_a_good_request_before_it_is_answered_first(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/good"), get(b"/bad\x00"), get(b"/never"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/good"))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    assert Problem(await client.rest()).status == 400
    assert not cell.received


@pytest.mark.parametrize(
    ("credential", "challenge"),
    [
        ((), b"Bearer"),
        ((b"Authorization: Basic YTpi",), b"Bearer"),
        ((b"Authorization: Bearer nonsense",), b'Bearer error="invalid_token"'),
        ((b"Authorization: Bearer ",), b'Bearer error="invalid_token"'),
    ],
)
@staged
async def test_without_a_valid_credential_it_is_401_and_the_connection_stays(
    stage: Stage, credential: tuple[bytes, ...], challenge: bytes
) -> None:
    client = await stage.client()
    client.send(lines(b"GET / HTTP/1.1", b"Host: a.example", *credential))
    problem = Problem(await client.take_head() + await client.take_to(b"}\n"))
    assert (problem.status, problem.closes) == (401, False)
    assert problem.fields[b"www-authenticate"].startswith(challenge)
    assert problem.fields[b"x-request-id"]
    await stage.insist_untouched()
    client.send(get())
    await (await stage.cell.connection()).expect(got())


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        lines(b"GET / HTTP/1.1", b"Host: a.example"),
        get(user=3),
        get(b"/static", user=9),
        get(b"/static"),
    ],
    ids=["malformed", "no credential", "no home", "wrong edge", "static fallback"],
)
@staged
async def test_every_own_reply_says_when_it_was_made(stage: Stage, request_: bytes) -> None:
    stage.flag("eu-1", Flag.DOWN)
    client = await stage.client()
    before_s = int(time.time())
    client.send(request_)
    fields = (await client.take_head()).split(b"\r\n")
    (date,) = [line for line in fields if line.startswith(b"Date: ")]
    assert before_s <= parsedate_to_datetime(date[6:].decode()).timestamp() <= time.time()


@staged
async def test_an_own_reply_to_head_has_no_body(stage: Stage) -> None:
    client = await stage.client()
    client.send(lines(b"HEAD / HTTP/1.1", b"Host: a.example"), get())
    assert (await client.take_head()).startswith(b"HTTP/1.1 401 ")
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_an_own_reply_to_http_1_0_closes_and_says_so(stage: Stage) -> None:
    client = await stage.client()
    client.send(lines(b"GET / HTTP/1.0", b"Connection: keep-alive"))
    problem = Problem(await client.rest())
    assert (problem.status, problem.closes) == (401, True)


@staged
async def test_a_browser_gets_its_problem_as_a_page(stage: Stage) -> None:
    client = await stage.client()
    client.send(lines(b"GET / HTTP/1.1", b"Host: a.example", b"Accept: text/html,*/*;q=0.8"))
    head = await client.take_head()
    assert b"\r\nContent-Type: text/html; charset=utf-8\r\n" in head


@pytest.mark.parametrize("beginning", [b"G", b"GET / HTTP/1.1\r\nHost: a.example\r\n"])
@staged
async def test_a_head_too_slow_is_408(stage: Stage, beginning: bytes) -> None:
    client = await stage.client()
    client.send(beginning)
    await until(lambda: not any(c.idle for c in stage.edge.connections), "the beginning has come")
    stage.pass_time(HEAD_S - 1)
    client.send(b"E"[: len(beginning) == 1])
    stage.pass_time(1)
    problem = Problem(await client.rest())
    assert (problem.status, problem.slug, problem.closes) == (408, "request-timeout", True)
    assert "head" in problem.detail
    await stage.insist_untouched()


@staged
async def test_a_head_that_trickles_has_no_more_time(stage: Stage) -> None:
    client = await stage.client()
    message = get()
    for index in range(10):
        client.send(message[index : index + 1])
        stage.pass_time(HEAD_S / 10)
        await until(lambda: not any(c.idle for c in stage.edge.connections), "the beginning has come")
    assert Problem(await client.rest()).status == 408


@staged
async def test_a_connection_that_says_nothing_is_closed_without_a_word(stage: Stage) -> None:
    client = await stage.client()
    stage.pass_time(HEAD_S)
    await client.expect_end()
    assert not stage.log()


@staged
async def test_an_idle_connection_is_closed_without_a_word_and_without_a_reset(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.settled()
    stage.pass_time(IDLE_S - 5)
    assert not client.at_end
    stage.pass_time(5)
    await client.expect_end()


@staged
async def test_a_client_beyond_the_limit_of_connections_is_told(stage: Stage) -> None:
    stage.edge.connection_limit = 1
    first = await stage.client()
    second = await stage.client()
    problem = Problem(await second.rest())
    assert (problem.status, problem.slug, problem.closes) == (503, "out-of-resources", True)
    second.close()
    first.send(get())
    await (await stage.cell.connection()).expect(got())


@staged
async def test_clients_that_come_beyond_the_limit_and_stay_do_not_pile_up(stage: Stage) -> None:
    """They are told all the same, but only a few get time to read it; no time passes here."""
    stage.edge.connection_limit = 1
    await stage.client()
    loop = asyncio.get_running_loop()
    refused: list[End] = []
    for _ in range(LINGERING_REFUSED + 40):
        refused.append((await loop.create_connection(End, HOST, stage.port))[1])
        assert Problem(await refused[-1].rest()).slug == "out-of-resources"
    await until(lambda: len(stage.edge.connections) == 1 + LINGERING_REFUSED, "the others are closed")
    stage.pass_time(2)
    await until(lambda: len(stage.edge.connections) == 1, "those few are closed, too")
    for client in refused:
        client.break_off()
