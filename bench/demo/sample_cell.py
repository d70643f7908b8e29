"""One sample cell: a small HTTP server with records of its own users, loud when asked for anybody else's.

It has a webhook for moves, which fetches a user's record from the cell that the user leaves. Webhooks and the
tally are on a port of their own: on the cell's port the edge passes on whatever a client asks for.

python -m bench.demo.sample_cell --config .demo/demo.yaml --cell eu-west-1-cell-01
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import aiohttp
import click
from aiohttp import web

from bench.demo.layout import hooks_port, hooks_url
from bench.demo.population import USERS, home_of
from bench.demo.replies import ANSWERED_BY
from bench.demo.residents import Record, Residents
from proxy.config import load
from proxy.model import Cell, Endpoint

TALLY_PATH: Final = "/tally"
COPY_PATH: Final = "/copy"
"""The webhook that copies a user's data to this cell from the one that the move names."""

_LEAVE_PATH: Final = "/leave"
NOT_MINE: Final = "X-Home-Cell-Not-Mine"


@dataclass(slots=True)
class Tally:
    """What the cell saw: `wrong` counts requests for users who are not at home here."""

    requests: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class _Move:
    """What the webhook is told; `epoch` is the record's while the user is between the cells."""

    number: int
    source: str
    target: str
    epoch: int

    @classmethod
    def told(cls, form: object) -> _Move | None:
        match form:
            case {
                "key": str() as key,
                "source": str() as source,
                "target": str() as target,
                "epoch": str() as epoch,
            }:
                kind, _, number = key.partition(":")
                if kind == "user" and number.isdecimal() and epoch.isdecimal():
                    return cls(int(number), source, target, int(epoch))
        return None


class SampleCell:
    """Answers any method and path with who asked, what this cell keeps of them, and what the edge said.

    hooks_at    where a cell's webhooks are
    """

    def __init__(
        self, cell: Cell, inventory: tuple[Cell, ...], hooks_at: Callable[[Cell], str] = hooks_url
    ) -> None:
        self._cell = cell
        self._inventory = inventory
        self._hooks_at = hooks_at
        self._residents = Residents(self._is_seeded)
        self._tally = Tally()

    def application(self) -> web.Application:
        """What the edge is to reach."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    def hooks(self) -> web.Application:
        """What it is not to reach: whoever can ask here gets anybody's record."""
        app = web.Application()
        app.router.add_get(TALLY_PATH, self.tally)
        app.router.add_post(COPY_PATH, self.copy)
        app.router.add_post(_LEAVE_PATH, self.leave)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body_bytes = 0
        async for chunk in request.content.iter_chunked(65536):
            body_bytes += len(chunk)
        self._tally.requests += 1
        number = user_number(request)
        meant_for = request.headers.get("X-Home-Cell", "")
        if meant_for != self._cell.name:
            said = f"the edge sent to {self._cell.name} what it meant for {meant_for or 'no cell'}"
            return self._refuse("wrong-cell", said, 500)
        if number is not None and not self._residents.is_home(number, _epoch_said(request)):
            reply = self._refuse("not-mine", f"user:{number} does not live in {self._cell.name}", 421)
            reply.headers[NOT_MINE] = self._whose(request, number)
            return reply
        return self._json(self._reply(request, number, body_bytes), 200)

    async def tally(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"requests": self._tally.requests, "wrong": self._tally.wrong})

    async def copy(self, request: web.Request) -> web.StreamResponse:
        """As docs/moves.md says of webhooks; may be repeated."""
        move = _Move.told(await request.json())
        if move is None or move.target != self._cell.name:
            return web.json_response({"error": "no move of a user to this cell"}, status=400)
        source = next((cell for cell in self._inventory if cell.name == move.source), None)
        if source is None:
            return web.json_response({"error": f"there is no cell {move.source}"}, status=400)
        url = self._hooks_at(source) + _LEAVE_PATH
        try:
            async with aiohttp.ClientSession() as session, session.post(url, json=asdict(move)) as reply:
                if reply.status != 200:
                    said = (await reply.text()).strip()
                    return web.json_response({"error": f"{move.source} says: {said}"}, status=502)
                left = await reply.json()
        except aiohttp.ClientConnectionError:
            return web.json_response({"error": f"{move.source} does not answer"}, status=502)
        self._residents.arrive(move.number, move.epoch, Record(left["locker"], left["visits"]))
        return web.Response(status=204)

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """The data of a user who is copied to another cell; from now on older epochs are refused."""
        form = await request.json()
        record = self._residents.leave(form["number"], form["epoch"])
        if record is None:
            said = f"user:{form['number']} does not live in {self._cell.name}"
            return web.json_response({"error": said}, status=404)
        return web.json_response({"locker": record.locker, "visits": record.visits})

    def _refuse(self, error: str, detail: str, status: int) -> web.StreamResponse:
        self._tally.wrong += 1
        print(f"WRONG CELL: {detail}", file=sys.stderr, flush=True)
        return self._json({"cell": self._cell.name, "error": error, "detail": detail}, status)

    def _json(self, reply: dict[str, object], status: int) -> web.StreamResponse:
        return web.Response(
            text=json.dumps(reply, indent=2) + "\n",
            status=status,
            content_type="application/json",
            headers={ANSWERED_BY: self._cell.name},
        )

    def _whose(self, request: web.Request, number: int) -> str:
        """The epoch that the edge went by or the cell was told of, and where the user lived at first."""
        known_epoch = self._residents.known_epoch(number)
        epoch = max(_epoch_said(request), known_epoch)
        if known_epoch or not 0 <= number < USERS:
            return str(epoch)
        return f"{epoch}; cell={home_of(number, self._inventory).name}"

    def _is_seeded(self, number: int) -> bool:
        return 0 <= number < USERS and home_of(number, self._inventory) == self._cell

    def _reply(self, request: web.Request, number: int | None, body_bytes: int) -> dict[str, object]:
        reply: dict[str, object] = {
            "cell": self._cell.name,
            "region": self._cell.region,
            "edge_said": {
                name: request.headers.get(name, "")
                for name in ("X-Home-Cell", "X-Home-Cell-Epoch", "X-Request-Id")
            },
            "request": {"method": request.method, "path": request.path, "body_bytes": body_bytes},
        }
        if number is not None:
            record = self._residents.record(number)
            record.visits += 1
            reply["user"] = f"user:{number}"
            reply["record"] = {"locker": record.locker, "visits": record.visits}
        return reply


def user_number(request: web.Request) -> int | None:
    """Whom the token names, as an application behind the edge would read it; None when there is no token.

    The edge has verified the signature; a sample cell listens on loopback only and does not do it again.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = request.cookies.get("session", "")
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return int(claims["sub"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None


def _epoch_said(request: web.Request) -> int:
    said = request.headers.get("X-Home-Cell-Epoch", "")
    return int(said) if said.isdecimal() else 0


async def serve(sample: SampleCell, endpoint: Endpoint, hooks_port: int) -> None:
    """Until SIGTERM. Who is answered on the hooks' port may take it that the cell's port answers too."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as opened:
        for app, port in ((sample.application(), endpoint.port), (sample.hooks(), hooks_port)):
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=75.0)
            opened.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, endpoint.host, port).start()
        await stop.wait()


@click.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--cell", "name", required=True)
def main(config: Path, name: str) -> None:
    """Run one sample cell of the config's inventory until SIGTERM."""
    cells = load(config).cells
    cell = next(cell for cell in cells if cell.name == name)
    asyncio.run(serve(SampleCell(cell, cells), cell.endpoints[0], hooks_port(cell)))


if __name__ == "__main__":
    main()
