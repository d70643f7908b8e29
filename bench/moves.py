"""How many users a second are moved out of a cell, with real workers that acknowledge each move.

`python -m bench.moves` starts an edge on an embedded store of its own, empties one cell after the other, each
with more moves at once, and prints what that gave. `--store cassandra`: on a Cassandra and Redis of its own.
Nobody sends requests meanwhile, and no bytes are copied.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import aiohttp

from bench.demo.processes import start, stop, wait_ready
from bench.demo.servers import servers
from bench.servers.ports import free_port
from lookup.assignment import Assignment
from proxy.config import load
from proxy.rooms.mint import write_demo_keys
from proxy.tiers import open_tiers

WORKERS: Final = 2
ROUNDS: Final = ((1, 100), (16, 2000), (64, 4000), (128, 6000))
"""Moves at once, and users."""

_READY_S: Final = 30.0
_EDGE: Final = """\
edge:
  name: edge-1
  jurisdiction: eu
  listen: "127.0.0.1:{listen}"
  admin: "127.0.0.1:{admin}"
  workers: {workers}
cells_file: cells.yaml
{store}residency:
  eu: {{allow: [eu], edge_url: "http://127.0.0.1:{listen}"}}
identity:
  order: [bearer]
  issuer: https://id.example
  audience: bench
  keys:
    - {{id: k1, algorithm: HS256, secret_file: keys/hs256.secret}}
routing_cookie:
  keys:
    - {{id: c1, secret_file: keys/cookie-1.secret}}
routes:
  - prefix: /
access_log: access.log
"""


def main() -> None:
    """One table on standard output; with --help nothing runs."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.moves", description=__doc__, formatter_class=form)
    parser.add_argument("--store", choices=("sqlite", "cassandra"), default="sqlite")
    asyncio.run(_measure(parser.parse_args().store))


async def _measure(kind: str) -> None:
    with tempfile.TemporaryDirectory(prefix="homecell-moves-") as name:
        folder = Path(name)
        async with _store(kind, folder) as section:
            admin = _write_site(folder, section)
            homecell = str(Path(sys.executable).with_name("homecell"))
            config = str(folder / "edge.yaml")
            await _run(homecell, "store", "init", "--config", config)
            edge = await start("edge", (homecell, "proxy", "--config", config), folder / "edge.log")
            try:
                async with aiohttp.ClientSession() as session:
                    await wait_ready(edge, f"http://127.0.0.1:{admin}/-/ready", session, _READY_S)
                print(f"{WORKERS} workers, {kind}, nothing to copy\n")
                await _rounds(homecell, folder)
            finally:
                await stop([edge])


@contextlib.asynccontextmanager
async def _store(kind: str, folder: Path) -> AsyncIterator[str]:
    """What the config says of the store, which serves inside the block."""
    if kind == "sqlite":
        yield "store: {kind: sqlite, path: home.sqlite}\n"
        return
    async with servers(folder / "servers", print, may_kill=True) as own:
        yield own.config()


async def _rounds(homecell: str, folder: Path) -> None:
    print("at once   users   moves/s")
    tiers = open_tiers(load(folder / "edge.yaml"))
    try:
        for index, (parallel, users) in enumerate(ROUNDS):
            await tiers.store.load(_users(index, users))
            took_s = await _empty(homecell, folder, f"cell-{index}", parallel, users)
            print(f"{parallel:7}  {users:6}  {users / took_s:8.0f}", flush=True)
    finally:
        await tiers.close()


def _write_site(folder: Path, store: str) -> int:
    """The admin port of the edge that the config describes."""
    write_demo_keys(folder / "keys")
    admin = free_port()
    edge = _EDGE.format(listen=free_port(), admin=admin, workers=WORKERS, store=store)
    (folder / "edge.yaml").write_text(edge, encoding="utf-8")
    cells = "".join(
        f'  - {{name: {name}, jurisdiction: eu, region: here, endpoints: ["127.0.0.1:{free_port()}"]}}\n'
        for name in ("target", *(f"cell-{index}" for index in range(len(ROUNDS))))
    )
    (folder / "cells.yaml").write_text(f"cells:\n{cells}", encoding="utf-8")
    return admin


def _users(index: int, count: int) -> Iterator[Assignment]:
    for number in range(count):
        yield Assignment(f"user:{index}-{number}", f"cell-{index}", "eu", 1, updated_at_s=time.time())


async def _empty(homecell: str, folder: Path, cell: str, parallel: int, users: int) -> float:
    """How long it took, by the command's own word, in seconds."""
    command = ("cells", "evacuate", cell, "--to", "target", "--no-copy", "--parallel", str(parallel))
    told = json.loads(await _run(homecell, *command, "--json", "--config", str(folder / "edge.yaml")))
    if told["moved"] != {"target": users}:
        raise SystemExit(f"{cell} was not emptied: {told}")
    took_s: float = told["took_s"]
    return took_s


async def _run(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return said


if __name__ == "__main__":
    main()
