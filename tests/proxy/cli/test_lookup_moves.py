"""Moves by `homecell lookup` as an operator runs it: a process that is killed in the middle of one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bench.servers.ports import free_port
from lookup.client import LookupClient
from lookup.moves import Step
from tests.lookup.asynchronous import within
from tests.lookup.test_hooks import served as hooks_served
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site
from tests.proxy.workers.stage import until

TOKEN = "w" * 32
SECOND_CELL = """  - name: eu-2
    jurisdiction: eu
    region: eu-west
    endpoints: ["127.0.0.1:8109"]
"""


def add_moving_service(site: Site, port: int, copy_url: str) -> str:
    """The service's own URL."""
    file = site.folder / "lookup.tokens"
    file.touch(mode=0o600)
    file.write_text(f"write {TOKEN}\n")
    section = (
        f'lookup_service:\n  listen: "127.0.0.1:{port}"\n  tokens_file: lookup.tokens\n'
        f'  moves: {{copy_webhook: "{copy_url}"}}\nroutes:\n'
    )
    site.spoil(("routes:\n", section), ("  - name: us-1\n", f"{SECOND_CELL}  - name: us-1\n"))
    return f"http://127.0.0.1:{port}"


@asynccontextmanager
async def service(site: Site) -> AsyncIterator[asyncio.subprocess.Process]:
    """One that listens; killed at the end unless it has ended."""
    command = (
        sys.executable,
        "-c",
        "from proxy.cli import main; main()",
        "lookup",
        "--config",
        str(site.edge),
    )
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        assert process.stderr is not None
        line = await asyncio.wait_for(process.stderr.readline(), 60)
        assert b"listens on" in line, line + await process.stderr.read()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["the service by itself", "homecell moves resume"])
def test_a_move_whose_service_was_killed_while_it_copied_is_finished(
    site: Site, homecell: Homecell, by: str
) -> None:
    copies: list[str] = []
    gate = asyncio.Event()

    async def copy(request: web.Request) -> web.Response:
        copies.append((await request.json())["key"])
        await gate.wait()
        return web.Response()

    @within(90.0)
    async def scenario() -> None:
        async with hooks_served(copy=copy) as hooks_url:
            url = add_moving_service(site, free_port(), f"{hooks_url}/copy")
            async with LookupClient(url, TOKEN) as client:

                async def is_at(step: Step) -> bool:
                    status = await client.moves.get("op-1")
                    return status is not None and status.move.step is step

                async def is_copied() -> bool:
                    return copies == ["user:1"]

                async with service(site) as process:
                    await client.moves.begin("op-1", "user:1", "eu-2")
                    await until(is_copied, "it copies")
                    os.kill(process.pid, signal.SIGKILL)
                    await process.wait()
                gate.set()
                async with service(site):
                    (left,) = (await client.moves.unfinished()).moves
                    assert (left.order.operation, left.step) == ("op-1", Step.COPYING)
                    if by == "homecell moves resume":
                        await until(lambda: resumed_by_hand(homecell), "the dead driver's hold is over")
                    await until(lambda: is_at(Step.DONE), "the move is done", 40.0)
                    found = await client.read(["user:1"])
                    assert (found["user:1"].cell, found["user:1"].epoch) == ("eu-2", 3)
        assert copies == ["user:1", "user:1"]

    scenario()


async def resumed_by_hand(homecell: Homecell) -> bool:
    result = await asyncio.to_thread(homecell, "moves", "resume", "op-1")
    return result.exit_code == 0


def test_a_command_in_place_of_a_webhook_is_a_mistake_of_the_config(site: Site) -> None:
    add_moving_service(site, 8090, "./copy-user.sh")
    (mistake,) = site.mistakes()
    assert "lookup_service.moves.copy_webhook is './copy-user.sh', no webhook" in mistake
    assert "write e.g. `https://mover.example.com/copy`" in mistake


@pytest.mark.parametrize("url", ["none", "https://mover.example.com/copy?from=all", "http://127.0.0.1:9/c"])
def test_what_copies_is_a_url_or_said_to_be_nothing(site: Site, url: str) -> None:
    add_moving_service(site, 8090, url)
    assert site.mistakes() == []


@pytest.mark.parametrize("url", ["http://", "ftp://a/b", "http://a:b@c/d", "http://a/b#c", "http://a b/", ""])
def test_what_is_no_webhook_is_refused(site: Site, url: str) -> None:
    add_moving_service(site, 8090, url)
    assert "lookup_service.moves.copy_webhook" in "".join(site.mistakes())
