"""What a safe request needs to be sent again: its whole body, and a client that got nothing of a reply."""

from __future__ import annotations

import pytest

from proxy.forward.request_body import KEPT_BYTES
from tests.proxy.forward.test_retries import SAFE, warm
from tests.support.messages import Problem, answer, answered, ask, chunk, get, got, lines, problem_of
from tests.support.stage import Stage, staged


@pytest.mark.parametrize("method", SAFE)
@pytest.mark.parametrize(
    ("field", "body"),
    [
        (b"Content-Length: 0", b""),
        (b"Content-Length: 5", b"hello"),
        (b"Transfer-Encoding: chunked", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", chunk(b"hello") + b"0\r\n\r\n"),
        (b"Content-Length: %d" % KEPT_BYTES, b"x" * KEPT_BYTES),
    ],
)
@staged
async def test_a_safe_request_is_sent_again_with_its_body_while_that_is_held(
    stage: Stage, method: bytes, field: bytes, body: bytes
) -> None:
    client, cell = await warm(stage)
    client.send(ask(method + b" /again HTTP/1.1", field), body)
    sent = await cell.take_head()
    await cell.expect(body)
    cell.close()
    for attempt in (2, 3):
        fresh = await stage.cell.connection()
        await fresh.expect(sent, body)
        if attempt == 2:
            fresh.close()
    fresh.send(lines(b"HTTP/1.1 204 No Content"))
    assert (await client.take_head()).startswith(b"HTTP/1.1 204 ")
    client.send(get(b"/next"))
    await fresh.expect(got(b"/next"))
    assert not fresh.received


@pytest.mark.parametrize("missing", [True, False])
@staged
async def test_a_safe_request_whose_body_is_not_whole_or_not_held_is_not_sent_again(
    stage: Stage, missing: bool
) -> None:
    body = b"x" * (KEPT_BYTES if missing else KEPT_BYTES + 1)
    client, cell = await warm(stage)
    client.send(ask(b"GET /again HTTP/1.1", b"Content-Length: %d" % (KEPT_BYTES + 1)), body)
    await cell.take_head()
    await cell.expect(body)
    cell.close()
    assert Problem(await client.take_head() + await client.take_to(b"}\n")).slug == "cell-closed"
    await stage.insist_untouched()


@staged
async def test_a_request_whose_client_got_an_interim_reply_is_not_sent_again(stage: Stage) -> None:
    client, cell = await warm(stage)
    client.send(get(b"/again"))
    await cell.take_head()
    hints = lines(b"HTTP/1.1 103 Early Hints", b"Link: </a.css>; rel=preload")
    cell.send(hints)
    await client.expect(hints)
    cell.close()
    assert (await problem_of(client)).slug == "cell-closed"
    await stage.settled()
    assert stage.log()[1]["attempts"] == 1
    await stage.insist_untouched()


@staged
async def test_an_interim_reply_that_the_client_did_not_get_forbids_nothing(stage: Stage) -> None:
    client, cell = await warm(stage)
    client.send(get(b"/again"))
    await cell.take_head()
    cell.send(lines(b"HTTP/1.1 100 Continue"))
    cell.close()
    fresh = await stage.cell.connection()
    await fresh.expect(got(b"/again"))
    fresh.send(answer(b"x"))
    await client.expect(answered(b"x"))
