"""One sample cell: a small HTTP server with records of its own users, loud when asked for anybody else's.

python -m bench.demo.sample_cell --config .demo/demo.yaml --cell eu-west-1-cell-01
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click
from aiohttp import web

from bench.demo.population import USERS, home_of
from bench.demo.replies import ANSWERED_BY
from proxy.config import load
from proxy.model import Cell

TALLY_PATH: Final = "/-/tally"
NOT_MINE: Final = "X-Home-Cell-Not-Mine"


@dataclass(slots=True)
class Tally:
    """What the cell saw: `wrong` counts requests for users who are not at home here."""

    requests: int = 0
    wrong: int = 0


@dataclass(slots=True)
class Record:
    """One user's data. The locker code is drawn by this cell at the first visit: no other cell knows it."""

    locker: str = field(default_factory=lambda: secrets.token_hex(3))
    visits: int = 0


class SampleCell:
    """Answers any method and path with who asked, what this cell keeps of them, and what the edge said."""

    def __init__(self, cell: Cell, inventory: tuple[Cell, ...]) -> None:
        self._cell = cell
        self._inventory = inventory
        self._records: dict[int, Record] = {}
        self._tally = Tally()

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
        if number is not None and not self._is_resident(number):
            reply = self._refuse("not-mine", f"user:{number} does not live in {self._cell.name}", 421)
            reply.headers[NOT_MINE] = self._whose(request, number)
            return reply
        return self._json(self._reply(request, number, body_bytes), 200)

    async def tally(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"requests": self._tally.requests, "wrong": self._tally.wrong})

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
        """The epoch that the edge went by, as this cell keeps none, and where the user lives."""
        epoch = request.headers.get("X-Home-Cell-Epoch", "0")
        if not 0 <= number < USERS:
            return epoch
        return f"{epoch}; cell={home_of(number, self._inventory).name}"

    def _is_resident(self, number: int) -> bool:
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
            record = self._records.setdefault(number, Record())
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


def application(cell: Cell, inventory: tuple[Cell, ...]) -> web.Application:
    sample = SampleCell(cell, inventory)
    app = web.Application()
    app.router.add_get(TALLY_PATH, sample.tally)
    app.router.add_route("*", "/{path:.*}", sample.answer)
    return app


@click.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--cell", "name", required=True)
def main(config: Path, name: str) -> None:
    """Run one sample cell of the config's inventory until SIGTERM."""
    cells = load(config).cells
    cell = next(cell for cell in cells if cell.name == name)
    endpoint = cell.endpoints[0]
    web.run_app(
        application(cell, cells),
        host=endpoint.host,
        port=endpoint.port,
        access_log=None,
        print=None,
        shutdown_timeout=1.0,
        keepalive_timeout=75.0,
    )


if __name__ == "__main__":
    main()
