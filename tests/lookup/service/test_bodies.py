"""Bodies that do not arrive, or are no JSON: whose fault that is, is told, and the log stays readable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from aiohttp import web

from lookup.service.bodies import form_of
from lookup.service.problems import problem_of
from tests.lookup.asynchronous import asynchronous
from tests.lookup.service.site import WRITE_TOKEN, served
from tests.lookup.service.test_residency import written
from tests.lookup.test_hooks import served as handled

AUTHORIZED: Final = {"Authorization": f"Bearer {WRITE_TOKEN}"}
IN_A_HURRY_S: Final = 0.05


@asynchronous
async def test_a_body_that_does_not_arrive_is_not_blamed_on_the_store() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b'{"keys":'
        await asyncio.Event().wait()

    async def answer(request: web.Request) -> web.Response:
        try:
            await form_of(request, IN_A_HURRY_S)
        except Exception as failure:
            return web.Response(text=problem_of(failure).slug)
        return web.Response(text="read")

    async with (
        handled(ask=answer) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/ask", data=never()) as response,
    ):
        assert await response.text() == "body-too-slow"


@asynchronous
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"no gzip", {"Content-Encoding": "gzip"}),
        (b'{"keys": ["user:\xed\xa0\x80"]}', {}),
        ('{"keys": []}'.encode("utf-16"), {}),
    ],
)
async def test_a_body_that_is_not_what_it_says_is_the_callers_fault(
    tmp_path: Path, body: bytes, fields: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as (_, service), aiohttp.ClientSession() as session:
        url = f"{service.url}/v1/keys:batch"
        async with session.post(url, data=body, headers=AUTHORIZED | fields) as response:
            assert response.status == 400
            assert (await response.json(content_type=None))["type"].endswith("/invalid-request")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@asynchronous
async def test_who_sends_what_is_no_http_or_hangs_up_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /v1/keys:batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + WRITE_TOKEN.encode()
    async with served(tmp_path) as (_, service):
        port = int(service.url.rpartition(":")[2])
        for request in (
            head + b"\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            head + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            assert b" 400 " in await reader.readline()
            writer.close()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"\r\nContent-Length: 400\r\n\r\n{")
        await writer.drain()
        writer.close()
        assert (await service.ask("POST", "/v1/keys:batch", {"keys": []}))[0] == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@asynchronous
async def test_aliases_that_a_record_brings_are_not_told_as_written(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        record = {**written("cell-a", "eu"), "aliases": [["email:a@b.example", 1, 1.0]]}
        _, told = await service.ask("PUT", "/v1/keys/user:1", {"home": record, "expected_epoch": None})
        assert told["aliases"] == []
        assert await store.alias("email:a@b.example") is None
