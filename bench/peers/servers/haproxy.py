"""HAProxy: signature, algorithm and expiry of the token checked on each request, home found in a map of
100,000.

It does not check issuer and audience (each would be one more query of the payload), writes no log and counts
nothing by cell. It verifies each token every time: it has no cache for that.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bench.peers.launch import Launcher, free_port
from bench.peers.servers import MissingError, Running
from bench.peers.traffic import Algorithm, World


def find() -> str:
    """The haproxy program; raises MissingError."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise MissingError("apt-get install haproxy")
    return found


def start(launcher: Launcher, world: World, algorithm: Algorithm) -> Running:
    """HAProxy on one thread for tokens of one algorithm."""
    port = free_port()
    folder = launcher.folder / f"haproxy-{algorithm.lower()}"
    folder.mkdir()
    homes = folder / "homes.map"
    homes.write_text("".join(f"{user} {world.cell_of(user).name}\n" for user in range(len(world.homes))))
    config = folder / "haproxy.cfg"
    config.write_text(_config(world, port, algorithm, _key(world, algorithm, folder), homes))
    pid = launcher.start(
        f"haproxy-{algorithm.lower()}", [find(), "-db", "-f", config], launcher.proxy_core, [port]
    )
    return Running(port, pid)


def _key(world: World, algorithm: Algorithm, folder: Path) -> str:
    if algorithm is Algorithm.HS256:
        return world.keys.secret
    public = folder / "public.pem"
    public.write_bytes(world.keys.public_pem(algorithm))
    return str(public)


def _config(world: World, port: int, algorithm: Algorithm, key: str, homes: Path) -> str:
    backends = "\n".join(
        f"backend {cell.name}\n    http-reuse always\n    server origin 127.0.0.1:{cell.port}"
        for cell in world.cells
    )
    return f"""global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 600s
frontend edge
    bind 127.0.0.1:{port}
    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm} }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{key}") -m int 1 }}
    http-request set-var(txn.expiry) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request deny deny_status 401 unless {{ date,neg,add(txn.expiry) -m int gt 0 }}
    http-request set-var(txn.cell) var(txn.bearer),jwt_payload_query('$.sub'),map_str({homes})
    http-request deny deny_status 404 unless {{ var(txn.cell) -m found }}
    use_backend %[var(txn.cell)]
{backends}
"""
