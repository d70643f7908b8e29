"""Who gets a routing cookie, and what it is worth."""

from __future__ import annotations

import time
from math import inf

import pytest

from lookup.assignment import Assignment
from tests.support.credentials import new_routing_cookies, token
from tests.support.messages import (
    HOST_LINE,
    answer,
    answered,
    bearer,
    get,
    got,
    lines,
)
from tests.support.stage import Stage, staged


def with_session(user: int, *cookies: bytes) -> bytes:
    """A GET of a browser: a session cookie, and perhaps others."""
    return lines(
        b"GET / HTTP/1.1", HOST_LINE, b"Cookie: " + b"; ".join([b"session=" + token(user), *cookies])
    )


def cookie_in(head: bytes) -> bytes:
    """The routing cookie that a reply gives, name and value; b"" for none."""
    return head.partition(b"\r\nSet-Cookie: ")[2].partition(b";")[0]


@staged
async def test_a_browser_gets_a_routing_cookie_after_a_lookup_and_then_needs_none(stage: Stage) -> None:
    client = await stage.client()
    _, reply = await stage.serve(client, with_session(1))
    cookie = cookie_in(reply)
    assert cookie.startswith(b"home_cell=")
    _, reply = await stage.serve(client, with_session(1, cookie))
    assert cookie_in(reply) == b""
    await stage.settled()
    first, second = stage.log()
    assert (first["tier"], second["tier"]) == ("store", "claim")
    assert (second["epoch"], second["source"]) == (3, "session-cookie")
    assert stage.store.readings == 1


@pytest.mark.parametrize(
    "line",
    [
        b"Cache-Control: public",
        b"Cache-Control: max-age=600",
        b"Cache-Control: must-revalidate, Max-Age=5",
        b"cache-control: max-age=60, S-MaxAge=600",
        b'Cache-Control: private="X-A", max-age=60',
        b'Cache-Control: no-cache="a, private, b", max-age=60',
        b"Cache-Control: no-cache\r\nETag: x",
        b"Cache-Control: no-store\r\nCDN-Cache-Control: max-age=60",
        b"Cache-Control: private\r\nSurrogate-Control: max-age=60",
        b"Expires: Thu, 01 Jan 2099 00:00:00 GMT",
        b"Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        b'ETag: "a"',
    ],
)
@staged
async def test_a_reply_that_a_shared_cache_may_give_to_others_carries_no_cookie(
    stage: Stage, line: bytes
) -> None:
    _, reply = await stage.serve(await stage.client(), with_session(1), line=line)
    assert cookie_in(reply) == b""


@pytest.mark.parametrize(
    "line",
    [
        b"Cache-Control: private, max-age=60",
        b'Cache-Control: max-age=0\r\nCache-Control: Private\r\nETag: "a"',
        b"Cache-Control: no-store\r\nExpires: 0",
        b"Cache-Control: no-cache, max-age=0\r\nExpires: 0",
        b"Cache-Control: must-revalidate",
        b"Content-Length: 0",
    ],
)
@staged
async def test_a_reply_that_no_shared_cache_may_give_to_others_carries_the_cookie(
    stage: Stage, line: bytes
) -> None:
    _, reply = await stage.serve(await stage.client(), with_session(1), line=line)
    assert cookie_in(reply).startswith(b"home_cell=")


@staged
async def test_who_is_being_moved_gets_no_cookie_that_a_fenced_cell_would_let_pass(stage: Stage) -> None:
    client = await stage.client()
    _, reply = await stage.serve(client, with_session(8))
    assert cookie_in(reply) == b""


@staged
async def test_while_the_feed_is_silent_only_what_was_read_just_now_goes_into_a_cookie(stage: Stage) -> None:
    client = await stage.client()
    stage.resolver.believe_claims_until(0.0)
    for gives in (True, False):
        _, reply = await stage.serve(client, with_session(1))
        assert (cookie_in(reply) != b"") is gives
    stage.resolver.believe_claims_until(inf)
    _, reply = await stage.serve(client, with_session(1))
    assert cookie_in(reply) != b""
    await stage.settled()
    assert [line["tier"] for line in stage.log()] == ["store", "memory", "memory"]


@staged
async def test_what_was_remembered_before_a_gap_of_the_feed_goes_into_no_cookie(stage: Stage) -> None:
    client = await stage.client()
    await stage.serve(client, with_session(1))
    stage.resolver.lose_continuity()
    stage.resolver.believe_claims_until(inf)
    stage.store.available = False
    _, reply = await stage.serve(client, with_session(1))
    assert cookie_in(reply) == b""


@staged
async def test_the_cookie_alone_is_enough(stage: Stage) -> None:
    client = await stage.client()
    _, reply = await stage.serve(client, with_session(1))
    request = lines(b"GET / HTTP/1.1", HOST_LINE, b"Cookie: " + cookie_in(reply))
    seen, _ = await stage.serve(client, request)
    assert b"\r\nX-Home-Cell: eu-1\r\nX-Home-Cell-Epoch: 3\r\n" in seen
    await stage.settled()
    assert stage.log()[-1]["source"] == "routing-cookie"


@staged
async def test_a_program_with_a_token_gets_no_cookie(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_a_cookie_of_an_older_home_is_replaced(stage: Stage) -> None:
    old = new_routing_cookies().set_cookie("user:1", "eu-2", 2, time.time()).partition(b";")[0]
    moved = Assignment("user:1", "eu-1", "eu", 3, updated_at_s=time.time())
    stage.resolver.learn_change(moved, "eu-2", time.time())
    client = await stage.client()
    request = lines(b"GET / HTTP/1.1", HOST_LINE, b"Cookie: " + old)
    _, reply = await stage.serve(client, request)
    fresh = cookie_in(reply)
    assert fresh not in (b"", old)
    _, reply = await stage.serve(client, request.replace(old, fresh))
    assert cookie_in(reply) == b""


@staged
async def test_another_users_cookie_moves_nobody(stage: Stage) -> None:
    foreign = new_routing_cookies().set_cookie("user:5", "eu-2", 5, time.time()).partition(b";")[0]
    client = await stage.client()
    seen, reply = await stage.serve(client, with_session(1, foreign))
    assert b"\r\nX-Home-Cell: eu-1\r\n" in seen
    assert cookie_in(reply)


@staged
async def test_what_the_cell_needs_of_the_cookies_reaches_it(stage: Stage) -> None:
    client = await stage.client()
    request = lines(b"GET / HTTP/1.1", HOST_LINE, bearer(1), b"Cookie: a=b", b"Cookie: c=d")
    client.send(request)
    seen = await (await stage.cell.connection()).take_head()
    assert b"\r\nCookie: a=b\r\nCookie: c=d\r\n" in seen
