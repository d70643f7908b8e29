"""Big bodies: bytes per CPU second with 1 MiB bodies beside nginx, memory during 1 GiB transfers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers import proc, sink, wrk
from bench.peers.arithmetic import turn
from bench.peers.launch import Launcher, free_port
from bench.peers.pythons import PythonBuild
from bench.peers.servers import Running, homecell, nginx
from bench.peers.traffic import CELL_NAMES, Algorithm, World, make_world, token

MIB: Final = 1 << 20
GIB: Final = 1 << 30
CONNECTIONS: Final = 16
NGINX: Final = "nginx"
DIRECTIONS: Final = ("download", "upload")


class BrokenTransferError(Exception):
    """A 1 GiB transfer did not arrive whole."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """One proxy, one direction: bytes per CPU second in each round."""

    key: str
    direction: str
    bytes_per_cpu_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of the worker around one 1 GiB transfer, in KiB, and how long the transfer took."""

    key: str
    direction: str
    before_kib: int
    peak_kib: int
    after_kib: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class BodyServers:
    """nginx and Home Cell before one origin made for big bodies."""

    world: World
    running: dict[str, Running]


def start(launcher: Launcher, builds: Sequence[PythonBuild]) -> BodyServers:
    """Start the origin, which is all four cells, and before it nginx and each Home Cell."""
    ports = tuple(free_port() for _ in CELL_NAMES)
    launcher.start("sink", [sys.executable, sink.__file__, *map(str, ports)], launcher.load_core, ports)
    world = make_world(ports)
    running = {NGINX: nginx.start_peer(launcher, ports[0])}
    running |= {f"homecell-{build.name}": homecell.start(launcher, world, build) for build in builds}
    return BodyServers(world, running)


def measure(
    launcher: Launcher, servers: BodyServers, rounds: int, duration_s: int, tell: Callable[[str], None]
) -> list[Bodies]:
    """1 MiB bodies on 16 connections, each direction, each proxy in turn."""
    found: dict[tuple[str, str], list[float]] = {}
    for direction in DIRECTIONS:
        requests = launcher.folder / f"{direction}.bin"
        requests.write_bytes(_request(servers.world, direction))
        script = launcher.folder / f"{direction}.lua"
        wrk.write_script(script, body_bytes=MIB if direction == "upload" else 0)
        load = wrk.Wrk(script, launcher.load_core, CONNECTIONS)
        for index in range(rounds):
            for key in turn(list(servers.running), index):
                tell(f"1 MiB bodies, {direction}, round {index + 1} of {rounds}: {key}")
                figure = _run(load, requests, servers.running[key], duration_s)
                found.setdefault((key, direction), []).append(figure)
    return [Bodies(key, direction, tuple(figures)) for (key, direction), figures in found.items()]


def _run(load: wrk.Wrk, requests: Path, target: Running, duration_s: int) -> float:
    load.run(requests, target.port, 1)
    pids = proc.tree(target.root_pid)
    before_s = proc.cpu_s(pids)
    got = load.run_well(requests, target.port, duration_s)
    return got.replies * MIB / (proc.cpu_s(pids) - before_s)


def _request(world: World, direction: str) -> bytes:
    start_line, length = f"GET /bytes/{MIB}", ""
    if direction == "upload":
        start_line, length = "POST /upload", f"Content-Length: {MIB}\r\n"
    bearer = token(world, Algorithm.HS256, 1, int(time.time()))
    fields = f"Host: api.homecell.example\r\nAuthorization: Bearer {bearer}\r\n{length}"
    return f"{start_line} HTTP/1.1\r\n{fields}\r\n".encode()


def transfer(launcher: Launcher, servers: BodyServers, tell: Callable[[str], None]) -> list[Memory]:
    """One upload and one download of 1 GiB through each proxy, by curl."""
    source = launcher.folder / "gibibyte"
    with source.open("wb") as file:
        file.truncate(GIB)
    bearer = token(servers.world, Algorithm.HS256, 1, int(time.time()))
    found = []
    for key, target in servers.running.items():
        for direction in DIRECTIONS:
            tell(f"1 GiB, {direction}: {key}")
            found.append(_transfer(launcher, key, target, direction, bearer, source))
    return found


def _transfer(
    launcher: Launcher, key: str, target: Running, direction: str, bearer: str, source: Path
) -> Memory:
    worker = proc.tree(target.root_pid)[-1]
    before_kib = proc.status_kib(worker, "VmRSS")
    proc.reset_peak(worker)
    url = f"http://127.0.0.1:{target.port}/bytes/{GIB}"
    command: list[str | Path] = ["taskset", "-c", str(launcher.load_core), "curl", "-sS", "-o", "/dev/null"]
    command += ["-H", f"Authorization: Bearer {bearer}", "-w", "%{http_code} %{size_upload} %{size_download}"]
    command += ["-H", "Expect:", "-T", source] if direction == "upload" else []
    start_s = time.monotonic()
    ran = subprocess.run([*command, url], capture_output=True, text=True, timeout=300, check=False)
    duration_s = time.monotonic() - start_s
    sizes = (GIB, 0) if direction == "upload" else (0, GIB)
    if ran.stdout.split() != ["200", *map(str, sizes)]:
        raise BrokenTransferError(f"{key}, {direction}: curl says {ran.stdout} {ran.stderr}")
    return Memory(
        key,
        direction,
        before_kib,
        proc.status_kib(worker, "VmHWM"),
        proc.status_kib(worker, "VmRSS"),
        duration_s,
    )
