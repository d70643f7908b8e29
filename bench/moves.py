"""How many users a second are moved out of a cell, with real workers that acknowledge each move.

`python -m bench.moves` starts an edge on an embedded store of its own, empties one cell after the other, each
with more moves at once, and prints what that gave. Nobody sends requests meanwhile, and no bytes are copied.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import aiohttp

from bench.demo.processes import start, stop, wait_ready
from bench.servers.ports import free_port
from lookup.assignment import Assignment
from lookup.stores.sqlite import SqliteStore
from proxy.rooms.mint import write_demo_keys

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
store: {{kind: sqlite, path: home.sqlite}}
residency:
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
    argparse.ArgumentParser("python -m bench.moves", description=__doc__, formatter_class=form).parse_args()
    asyncio.run(_measure())


async def _measure() -> None:
    with tempfile.TemporaryDirectory(prefix="homecell-moves-") as name:
        folder = Path(name)
        admin = _write_site(folder)
        store = await SqliteStore.open(folder / "home.sqlite", create=True)
        homecell = str(Path(sys.executable).with_name("homecell"))
        edge = await start(
            "edge", (homecell, "proxy", "--config", str(folder / "edge.yaml")), folder / "edge.log"
        )
        try:
            async with aiohttp.ClientSession() as session:
                await wait_ready(edge, f"http://127.0.0.1:{admin}/-/ready", session, _READY_S)
            print(f"{WORKERS} workers, embedded store, nothing to copy\n")
            print("at once   users   moves/s")
            for index, (parallel, users) in enumerate(ROUNDS):
                await store.load(_users(index, users))
                took_s = await _empty(homecell, folder, f"cell-{index}", parallel, users)
                print(f"{parallel:7}  {users:6}  {users / took_s:8.0f}", flush=True)
        finally:
            await store.close()
            await stop([edge])


def _write_site(folder: Path) -> int:
    """The admin port of the edge that the config describes."""
    write_demo_keys(folder / "keys")
    admin = free_port()
    edge = _EDGE.format(listen=free_port(), admin=admin, workers=WORKERS)
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
    command = (
        "cells",
        "evacuate",
        cell,
        "--to",
        "target",
        "--no-copy",
        "--parallel",
        str(parallel),
        "--json",
    )
    process = await asyncio.create_subprocess_exec(
        homecell, *command, "--config", folder / "edge.yaml", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    told = json.loads(said)
    if told["moved"] != {"target": users}:
        raise SystemExit(f"{cell} was not emptied: {told}")
    took_s: float = told["took_s"]
    return took_s


if __name__ == "__main__":
    main()
