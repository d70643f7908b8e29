"""What a webhook is told, what counts as its success; many run at once, and end when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from lookup.hooks import HookFailedError, OperatorHooks
from lookup.moves import Move, MoveOrder, Step
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S

MOVE = Move(MoveOrder("op-1", "user:1", "cell-b"), "cell-a", "eu", 4, Step.COPYING, NOW_S, NOW_S, attempt=3)
AT_ONCE = 64

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(**handlers: Handler) -> AsyncIterator[str]:
    """The URL of a server with one path per handler, for any method."""
    application = web.Application()
    for name, handler in handlers.items():
        application.router.add_route("*", f"/{name}", handler)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynchronous
async def test_a_webhook_is_told_of_the_move_and_has_a_key_by_which_to_know_a_repetition() -> None:
    told: list[tuple[str, str, str, object]] = []

    async def copy(request: web.Request) -> web.Response:
        fields = request.headers
        told.append(
            (request.method, fields["Idempotency-Key"], fields["X-Home-Cell-Attempt"], await request.json())
        )
        return web.Response(status=204)

    async with served(copy=copy) as url:
        await OperatorHooks(10.0).run(f"{url}/copy", MOVE)
    facts = {"operation": "op-1", "step": "copying", "key": "user:1", "source": "cell-a", "target": "cell-b"}
    assert told == [("POST", "op-1/copying/3", "3", {**facts, "epoch": "5", "attempt": "3"})]


@asynchronous
async def test_no_key_stands_for_two_bodies_whichever_attempt_it_is() -> None:
    """What keeps such keys by the rules refuses a known one with another body, and the move would fail."""
    bodies: dict[str, bytes] = {}

    async def copy(request: web.Request) -> web.Response:
        body = await request.read()
        known = bodies.setdefault(request.headers["Idempotency-Key"], body)
        return web.Response(status=200 if known == body else 422)

    async with served(copy=copy) as url:
        for attempt in (1, 1, 2):
            await OperatorHooks(10.0).run(f"{url}/copy", replace(MOVE, attempt=attempt))
    assert len(bodies) == 2


@asynchronous
async def test_a_webhook_that_redirects_has_not_copied_anything() -> None:
    visits: list[str] = []

    async def copy(_: web.Request) -> web.Response:
        raise web.HTTPFound("/login")

    async def login(request: web.Request) -> web.Response:
        visits.append(request.method)
        return web.Response(text="please log in")

    async with served(copy=copy, login=login) as url:
        with pytest.raises(HookFailedError, match="status 302"):
            await OperatorHooks(10.0).run(f"{url}/copy", MOVE)
    assert visits == []


@asynchronous
async def test_a_webhook_that_says_no_is_quoted() -> None:
    async def copy(_: web.Request) -> web.Response:
        return web.Response(status=507, text="the disk\nis full")

    async with served(copy=copy) as url:
        with pytest.raises(HookFailedError, match="status 507: the disk is full"):
            await OperatorHooks(10.0).run(f"{url}/copy", MOVE)


@asynchronous
async def test_a_webhook_that_has_only_accepted_the_work_has_not_copied_anything() -> None:
    async def copy(_: web.Request) -> web.Response:
        return web.Response(status=202)

    async with served(copy=copy) as url:
        with pytest.raises(HookFailedError, match="status 202, which says that it is not done yet"):
            await OperatorHooks(10.0).run(f"{url}/copy", MOVE)


@pytest.mark.slow
@asynchronous
async def test_a_webhook_that_said_no_is_not_waited_for_until_it_has_said_why() -> None:
    async def copy(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=507)
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async with served(copy=copy) as url:
        with pytest.raises(HookFailedError, match="status 507"):
            await asyncio.wait_for(OperatorHooks(60.0).run(f"{url}/copy", MOVE), 20.0)


@asynchronous
@pytest.mark.parametrize("url", ["http://[::1/copy", "http:///copy", "http://cell:99999/copy"])
async def test_what_is_no_url_is_named_as_such(url: str) -> None:
    with pytest.raises(HookFailedError, match="this is no URL"):
        await OperatorHooks(10.0).run(url, MOVE)


@asynchronous
@pytest.mark.parametrize("hook", ["  ", "'unfinished", "/nowhere/at/all"])
async def test_what_cannot_be_started_has_failed(hook: str) -> None:
    with pytest.raises(HookFailedError):
        await OperatorHooks(1.0).run(hook, MOVE)


@asynchronous
async def test_a_webhook_that_nobody_answers_has_failed() -> None:
    async with served() as url:
        pass
    with pytest.raises(HookFailedError, match="copy"):
        await OperatorHooks(10.0).run(f"{url}/copy", MOVE)


@asynchronous
async def test_webhooks_of_many_moves_run_at_once() -> None:
    together = asyncio.Barrier(AT_ONCE)

    async def copy(_: web.Request) -> web.Response:
        await together.wait()
        return web.Response()

    hooks = OperatorHooks(20.0)
    async with served(copy=copy) as url:
        await asyncio.gather(*(hooks.run(f"{url}/copy", MOVE) for _ in range(AT_ONCE)))


@asynchronous
async def test_a_webhook_whose_move_was_taken_by_somebody_else_is_hung_up_on() -> None:
    running: list[bool] = []

    async def copy(_: web.Request) -> web.Response:
        running.append(True)
        try:
            await asyncio.Event().wait()
        finally:
            running.clear()
        return web.Response()

    async with served(copy=copy) as url:
        hook = asyncio.create_task(OperatorHooks(60.0).run(f"{url}/copy", MOVE))
        await until(lambda: bool(running))
        hook.cancel()
        await asyncio.wait((hook,))
        assert hook.cancelled()
        await until(lambda: not running)


@asynchronous
async def test_a_webhook_that_takes_too_long_has_failed() -> None:
    async def copy(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with served(copy=copy) as url:
        with pytest.raises(HookFailedError, match="did not end within"):
            await OperatorHooks(0.05).run(f"{url}/copy", MOVE)
