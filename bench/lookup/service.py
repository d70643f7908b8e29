"""How many keys a second one core of the lookup service tells in batches, when memory has them all."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import aiohttp
import uvloop

from bench.lookup.figures import Figure, percentile
from lookup.service.forms import MAX_BATCH_KEYS
from lookup.service.run import running
from lookup.service.tokens import load_tokens
from lookup.settings import LookupSettings
from lookup.stores.sqlite import SqliteStore

BATCHES: Final = 600
AT_ONCE: Final = 4
_ALL_FOUND: Final = b'"unknown":[],"unavailable":[]}\n'


async def measure(store: Path, users: int, batches: int = BATCHES) -> list[Figure]:
    """Ask a service process over that store for each user once, then so many batches of users at random."""
    with tempfile.TemporaryDirectory() as folder:
        token = secrets.token_hex(32)
        tokens = Path(folder) / "tokens"
        tokens.write_text(f"read {token}\n")
        return await _measure(store, tokens, token, users, batches)


async def _measure(store: Path, tokens: Path, token: str, users: int, batches: int) -> list[Figure]:
    command = [sys.executable, "-m", "bench.lookup.service", str(store), str(tokens), str(users)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip() + "/v1/keys:batch"
        fields = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=fields) as session:
            names = [f"user:{number}" for number in range(users)]
            starts = range(0, users, MAX_BATCH_KEYS)
            await _ask_all(session, url, [_body(names[start : start + MAX_BATCH_KEYS]) for start in starts])
            random = Random(4)
            bodies = [_body(random.sample(names, MAX_BATCH_KEYS)) for _ in range(batches)]
            begun_s, begun_cpu_s = perf_counter(), _cpu_s(process.pid)
            samples_ms = await _ask_all(session, url, bodies)
            took_s, cpu_s = perf_counter() - begun_s, _cpu_s(process.pid) - begun_cpu_s
    finally:
        process.terminate()
        await process.wait()
    keys = batches * MAX_BATCH_KEYS
    return [
        Figure("lookup service, batches from memory", keys / cpu_s, "keys/s", 100_000, "per CPU second"),
        Figure("the same by the clock, client beside it", keys / took_s, "keys/s"),
        Figure(f"a batch of {MAX_BATCH_KEYS:,}, {AT_ONCE} at once, 99 %", percentile(samples_ms, 0.99), "ms"),
    ]


def _body(keys: list[str]) -> bytes:
    return json.dumps({"keys": keys}).encode()


async def _ask_all(session: aiohttp.ClientSession, url: str, bodies: list[bytes]) -> list[float]:
    samples_ms: list[float] = []
    waiting = iter(bodies)

    async def ask() -> None:
        for body in waiting:
            begun_s = perf_counter()
            async with session.post(url, data=body) as response:
                answer = await response.read()
            samples_ms.append((perf_counter() - begun_s) * 1e3)
            assert response.status == 200, answer
            assert answer.endswith(_ALL_FOUND), "every key must be found"

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return samples_ms


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _serve(path: Path, tokens: Path, users: int) -> None:
    store = await SqliteStore.open(path)
    settings = LookupSettings(deadline_s=5.0, memory_entries=max(users, 1000))
    async with running(store, load_tokens(tokens), settings, "127.0.0.1", 0) as port:
        print(f"http://127.0.0.1:{port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
