"""Opens redis-py clients for a server, Sentinels or a Cluster: dials are paced, nothing is retried unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import random
from typing import Any, Final, TypeAlias

from redis.asyncio import Connection, ConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
)
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import AuthenticationError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.typing import EncodableT

from lookup.ports import StoreUnavailableError
from lookup.redis_pacing import DialPacer

Pacers: TypeAlias = dict[tuple[str, int], DialPacer]
Options: TypeAlias = dict[str, Any]
"""Keyword arguments of redis-py, which names and types them in its own way."""


class Topology(Enum):
    """What the addresses are: ONE Redis, SENTINELS that know the master, or nodes of a CLUSTER."""

    ONE = "one"
    SENTINELS = "sentinels"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisTls:
    """PEM files. `authority` signs the servers' certificates; certificate and key are ours, if they ask."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """addresses         (host, port) of the server, the Sentinels, or some nodes of the Cluster
    service           the master's name among the Sentinels
    tls               of Sentinels, too
    sentinel_username, sentinel_password   of the Sentinels themselves, None where they ask for none
    connections       most connections to one server
    connect_timeout_s, reply_timeout_s   after which a connection is given up
    """

    addresses: tuple[tuple[str, int], ...]
    topology: Topology = Topology.ONE
    service: str = "home"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: RedisTls | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    connections: int = 16
    connect_timeout_s: float = 0.5
    reply_timeout_s: float = 0.5


_SPELLING: Final = HiredisRespSerializer()


class _Paced(Connection):
    """Dials only when the server's pacer permits."""

    def __init__(self, *, pacers: Pacers, burst: int, **options: Any) -> None:
        super().__init__(**options)
        self._pacers = pacers
        self._burst = burst

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """By hiredis, in a third of the time. redis-py does so in its synchronous client only."""
        packed: list[bytes] = _SPELLING.pack(*args)  # type: ignore[arg-type]  # redis-py takes *args for a list
        return packed

    async def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        """The one place through which every kind of connection is dialled and greeted."""
        if self.is_connected:
            return
        loop = asyncio.get_running_loop()
        pacer = self._pacers.setdefault((self.host, self.port), DialPacer(self._burst))
        if not pacer.permits(loop.time()):
            raise RedisConnectionError(f"{self.host}:{self.port} failed or was dialled too often just now")
        try:
            await super().connect_check_health(check_health, retry_socket_connect)
        except BaseException:
            pacer.failed(loop.time(), random())
            raise
        pacer.succeeded()


class _PacedTls(_Paced, SSLConnection):
    pass


class _PacedSentinel(_Paced, SentinelManagedConnection):
    pass


class _PacedSentinelTls(_Paced, SentinelManagedConnection, SSLConnection):
    pass


class _Sentinels(Sentinel):
    """Says shortly why none of them names the master: redis-py spells out all settings of all clients."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Its address; whoever names it is asked first the next time. Raises MasterNotFoundError."""
        reasons = []
        for place, sentinel in enumerate(self.sentinels):
            try:
                masters = await sentinel.sentinel_masters()
            except RedisError as error:
                reason = _in_words(error)
            else:
                assert isinstance(masters, dict)  # by name; redis-py has lists for other versions
                state = masters.get(service_name)
                if state and self.check_master_state(state, service_name):
                    self.sentinels[0], self.sentinels[place] = sentinel, self.sentinels[0]
                    return state["ip"], state["port"]
                reason = "it takes that one for dead" if state else "it watches none of this name"
            where = sentinel.connection_pool.connection_kwargs
            reasons.append(f"{where['host']}:{where['port']}: {reason}")
        raise MasterNotFoundError(f"no Sentinel names the master {service_name}; {'; '.join(reasons)}")


def _in_words(error: RedisError) -> str:
    if isinstance(error, AuthenticationError):
        return "it refuses the login: see sentinel_password_file"  # Redis's own words go on about HELLO
    return str(error) or type(error).__name__


RedisClient: TypeAlias = "Redis | RedisCluster"


def open_client(settings: RedisSettings, reply_timeout_s: float | None = None) -> RedisClient:
    """A client that connects when first used. Close it with `aclose`."""
    timeout_s = settings.reply_timeout_s if reply_timeout_s is None else reply_timeout_s
    options = _options(settings, timeout_s)
    if settings.topology is Topology.CLUSTER:
        return _open_cluster(settings, options)
    if settings.topology is Topology.SENTINELS:
        return _open_by_sentinels(settings, options)
    host, port = settings.addresses[0]
    pool = ConnectionPool(
        connection_class=_Paced if settings.tls is None else _PacedTls,
        max_connections=settings.connections,
        maint_notifications_config=_NO_MAINTENANCE,
        host=host,
        port=port,
        retry=_never(),
        pacers={},
        burst=settings.connections,
        **options,
    )
    return Redis.from_pool(pool)


async def master_address(client: Redis, settings: RedisSettings) -> tuple[str, int]:
    """Of the one server, or of whom the Sentinels name now. Raises MasterNotFoundError."""
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        host, port = await pool.get_master_address()  # type: ignore[no-untyped-call]
        return host, port
    return settings.addresses[0]


@contextmanager
def port_errors() -> Iterator[None]:
    """Turn redis-py's errors, and those of the sockets below, into the port's."""
    try:
        yield
    except (RedisError, RedisClusterException, OSError, asyncio.IncompleteReadError) as error:
        # Of a pipelined command redis-py repeats the whole, keys included: they must not get into a log.
        said = str(error).rpartition(" of pipeline caused error: ")[2]
        if isinstance(error, AuthenticationError):
            raise StoreUnavailableError(f"Redis: {LOGIN_REFUSED}") from error
        raise StoreUnavailableError(f"Redis: {type(error).__name__}: {said}") from error


LOGIN_REFUSED: Final = "it refuses the login: see redis.username and redis.password_file"
"""Redis's own words go on about HELLO."""

_NO_MAINTENANCE: Final = MaintNotificationsConfig(enabled=False)


def _never() -> Retry:
    """A late answer is of no use: the caller goes to the next tier."""
    return Retry(NoBackoff(), 0)


def _options(settings: RedisSettings, timeout_s: float) -> Options:
    options: Options = {
        "username": settings.username,
        "password": settings.password,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "protocol": 3,
    }
    return options | _tls_options(settings.tls)


def _tls_options(tls: RedisTls | None) -> Options:
    if tls is None:
        return {}
    return {
        "ssl_ca_certs": str(tls.authority),
        "ssl_certfile": None if tls.certificate is None else str(tls.certificate),
        "ssl_keyfile": None if tls.key is None else str(tls.key),
        "ssl_check_hostname": True,
    }


def _open_by_sentinels(settings: RedisSettings, options: Options) -> Redis:
    asking = options | {
        "username": settings.sentinel_username,
        "password": settings.sentinel_password,
        "ssl": settings.tls is not None,
        "retry": _never(),
    }
    sentinels = _Sentinels(settings.addresses, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]  # nor there
        settings.service,
        sentinels,
        connection_class=_PacedSentinel if settings.tls is None else _PacedSentinelTls,
        max_connections=settings.connections,
        maint_notifications_config=_NO_MAINTENANCE,
        retry=_never(),
        pacers={},
        burst=settings.connections,
        **options,
    )
    return Redis.from_pool(pool)


def _open_cluster(settings: RedisSettings, options: Options) -> RedisCluster:
    tls: Options = {} if settings.tls is None else {"ssl": True}
    client = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in settings.addresses],
        max_connections=settings.connections,
        require_full_coverage=False,
        reinitialize_steps=1,
        retry=_never(),
        maint_notifications_config=_NO_MAINTENANCE,
        **tls,
        **options,
    )
    # The constructor takes no connection class; nodes found later take theirs from these options.
    paced: Options = {"pacers": {}, "burst": settings.connections}
    connection_class = _Paced if settings.tls is None else _PacedTls
    client.connection_kwargs |= {"connection_class": connection_class, **paced}
    for node in client.nodes_manager.startup_nodes.values():
        node.connection_class = connection_class
        node.connection_kwargs |= paced
    return client
