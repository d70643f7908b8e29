"""Home Cell through its own command line, everything on: metrics, access log, strict checks, embedded store.

The homes of 100,000 users are in the SQLite store; tokens name no cell, so each home is looked up (in
memory once it was read). One worker; the supervisor beside it is measured with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import yaml

from bench.peers.launch import Launcher, free_port
from bench.peers.pythons import PythonBuild
from bench.peers.servers import MissingError, Running
from bench.peers.traffic import AUDIENCE, ISSUER, Algorithm, World
from lookup.assignment import Assignment
from lookup.stores.sqlite import SqliteStore

BODY_LIMIT_BYTES: Final = 2 << 30


def start(
    launcher: Launcher, world: World, build: PythonBuild, servers: Mapping[str, object] | None = None
) -> Running:
    """Home Cell with one worker, run by that Python.

    servers   the config's sections of a store elsewhere that has `records(world)`; None: an embedded one
    """
    command = build.executable.parent / "homecell"
    if not command.exists():
        raise MissingError(f"{build.executable} -m pip install -e .")
    name = f"homecell-{build.name}{'' if servers is None else '-servers'}"
    folder = launcher.folder / name
    (folder / "keys").mkdir(parents=True)
    if servers is None:
        asyncio.run(_seed(world, folder / "home.sqlite"))
        servers = {"store": {"kind": "sqlite", "path": "home.sqlite"}}
    port, admin_port = free_port(), free_port()
    (folder / "cells.yaml").write_text(yaml.safe_dump(_cells(world), sort_keys=False))
    config = folder / "edge.yaml"
    settings = {**_settings(world, folder, port, admin_port), **servers}
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    pid = launcher.start(
        name,
        [command, "proxy", "--config", config],
        launcher.proxy_core,
        [port, admin_port],
        python_path=build.tree,
    )
    return Running(port, pid)


def records(world: World) -> Iterator[Assignment]:
    """Every user's home."""
    for user, home in enumerate(world.homes):
        cell = world.cells[home]
        yield Assignment(f"user:{user}", cell.name, cell.jurisdiction, 1)


async def _seed(world: World, path: Path) -> None:
    store = await SqliteStore.open(path, create=True)
    try:
        await store.load(records(world))
    finally:
        await store.close()


def _cells(world: World) -> dict[str, object]:
    return {
        "cells": [
            {
                "name": cell.name,
                "jurisdiction": cell.jurisdiction,
                "region": cell.region,
                "endpoints": [f"127.0.0.1:{cell.port}"],
            }
            for cell in world.cells
        ]
    }


def _settings(world: World, folder: Path, port: int, admin_port: int) -> dict[str, object]:
    secret, cookie = folder / "keys" / "hs256.secret", folder / "keys" / "cookie.secret"
    for file, text in ((secret, world.keys.secret), (cookie, world.keys.secret[::-1])):
        file.touch(mode=0o600)
        file.write_text(text)
    keys = [{"id": Algorithm.HS256.key_id, "algorithm": "HS256", "secret_file": str(secret)}]
    for algorithm in (Algorithm.RS256, Algorithm.ES256):
        public = folder / "keys" / f"{algorithm.lower()}.pub.pem"
        public.write_bytes(world.keys.public_pem(algorithm))
        keys.append({"id": algorithm.key_id, "algorithm": algorithm.value, "public_key_file": str(public)})
    url = f"http://127.0.0.1:{port}"
    return {
        "edge": {
            "name": "bench",
            "jurisdiction": "eu",
            "listen": f"127.0.0.1:{port}",
            "admin": f"127.0.0.1:{admin_port}",
            "workers": 1,
        },
        "cells_file": "cells.yaml",
        "residency": {
            "eu": {"allow": ["eu"], "edge_url": url},
            "us": {"allow": ["us", "eu"], "edge_url": url},
        },
        "identity": {"issuer": ISSUER, "audience": AUDIENCE, "keys": keys},
        "routing_cookie": {"keys": [{"id": "c1", "secret_file": str(cookie)}]},
        "routes": [{"prefix": "/", "body_limit_bytes": BODY_LIMIT_BYTES}],
        "access_log": "access.log",
    }
