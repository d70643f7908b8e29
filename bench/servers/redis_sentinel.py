"""A master, a replica and three Sentinels that promote the replica when the master is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import redis

from bench.servers.certificates import CertificateFiles
from bench.servers.ports import free_port
from bench.servers.process import ServerError, poll
from bench.servers.redis import RedisServer, start_redis

SERVICE: Final = "home"

_SENTINELS: Final = 3
_DOWN_AFTER_MS: Final = 2000
"""A busy machine lets a server wait for its turn, which must not look like its end."""
_FAILOVER_TIMEOUT_MS: Final = 3000
_READY_S: Final = 30.0


class SentinelGroup:
    """`servers` are the two Redis; `sentinels` watch them under the name SERVICE.

    password of the servers, sentinel_password of the Sentinels; with certificates all speak TLS only
    """

    def __init__(
        self,
        folder: Path,
        password: str = "",
        sentinel_password: str = "",
        certificates: CertificateFiles | None = None,
    ) -> None:
        tls = [] if certificates is None else ["tls-replication yes"]
        first = start_redis(folder / "redis-0", password=password, certificates=certificates, options=tls)
        self.servers: list[RedisServer] = [first]
        self.sentinels: list[RedisServer] = []
        try:
            replica = [f"replicaof {first.host} {first.port}", "repl-diskless-sync-delay 0"]
            self.servers.append(
                start_redis(
                    folder / "redis-1",
                    password=password,
                    certificates=certificates,
                    options=[*replica, *tls],
                )
            )
            for number in range(_SENTINELS):
                place = folder / f"sentinel-{number}"
                self.sentinels.append(_start_sentinel(place, first, sentinel_password, tls))
            if not poll(self._is_complete, _READY_S):
                raise ServerError(
                    f"the Sentinels did not find each other, or the replica its master, in {_READY_S:g} s"
                )
        except BaseException:
            self.stop()
            raise

    def addresses(self) -> list[tuple[str, int]]:
        """Of the Sentinels."""
        return [(sentinel.host, sentinel.port) for sentinel in self.sentinels]

    def master(self) -> RedisServer:
        """Which server the first Sentinel takes for the master now."""
        with self.sentinels[0].client() as client:
            _, port = client.sentinel_get_master_addr_by_name(SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    def replica(self) -> RedisServer:
        """The other one."""
        master = self.master()
        return next(server for server in self.servers if server is not master)

    def stop(self) -> None:
        """End everything."""
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def _is_complete(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return _copies(self.servers[1]) and all(_knows_all(sentinel) for sentinel in self.sentinels)
        return False


def _start_sentinel(folder: Path, master: RedisServer, password: str, tls: Sequence[str]) -> RedisServer:
    options = [
        *tls,
        f"sentinel monitor {SERVICE} {master.host} {master.port} 2",
        f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER_MS}",
        f"sentinel failover-timeout {SERVICE} {_FAILOVER_TIMEOUT_MS}",
    ]
    if master.password:
        options.append(f"sentinel auth-pass {SERVICE} {master.password}")
    sentinel = RedisServer(
        folder,
        port=free_port(),
        password=password,
        certificates=master.certificates,
        options=options,
        sentinel=True,
    )
    sentinel.start()
    sentinel.wait_ready()
    return sentinel


def _copies(replica: RedisServer) -> bool:
    """Whether it holds what its master holds, and hears of what comes; else it would be promoted empty."""
    with replica.client() as client:
        return bool(client.info("replication")["master_link_status"] == "up")


def _knows_all(sentinel: RedisServer) -> bool:
    with sentinel.client() as client:
        state = client.sentinel_master(SERVICE)
    return int(state["num-slaves"]) == 1 and int(state["num-other-sentinels"]) == _SENTINELS - 1
