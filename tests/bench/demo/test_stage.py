"""A cell that is dead takes nothing from what is known of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.demo.layout import Layout, hooks_port
from bench.demo.sample_cell import TALLY_PATH
from bench.demo.stage import Stage
from bench.demo.tokens import Tokens
from proxy.config import load
from proxy.rooms.mint import write_demo_keys
from tests.bench.demo.test_running import free_base


async def _tally(_request: web.Request) -> web.Response:
    return web.json_response({"requests": 9, "wrong": 2})


def test_what_cells_refused_is_known_of_those_that_answer(tmp_path: Path) -> None:
    layout = Layout(tmp_path, free_base())
    write_demo_keys(layout.keys)
    layout.write_configs()
    settings = load(layout.config(layout.eu))

    async def run() -> Mapping[str, int]:
        app = web.Application()
        app.router.add_get(TALLY_PATH, _tally)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", hooks_port(settings.cells[1])).start()
        async with aiohttp.ClientSession() as session:
            stage = Stage(layout, settings, Tokens(layout.keys, settings), session, [], None)
            told = await stage.wrong_in_cells()
        await runner.cleanup()
        return told

    assert asyncio.run(run()) == {settings.cells[1].name: 2}
