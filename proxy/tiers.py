"""From settings to the store, its feed and the cache that edges share: the only place that knows them all.

Nothing is asked yet: each connects when it is first used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from lookup.database import Database
from lookup.ports import FeedingStore, SharedCache, StoreUnusableError
from lookup.relay import Relay
from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_feed import FeedBounds
from proxy.config import Settings
from proxy.config.server_models import Cassandra, Redis

if TYPE_CHECKING:  # their drivers are imported only where the config names them
    from lookup.redis_clients import RedisSettings
    from lookup.stores.cassandra_settings import CassandraSettings

Close = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Tiers:
    """What answers behind memory; built inside the running loop, and closed as a whole.

    store     the truth with its feed
    database  the same, unless it is behind a lookup service: then moves and leases are out of reach
    shared    the cache that edges share
    relay     brings to the feed what a writer left behind, and keeps it alive: whoever serves runs it
    """

    store: FeedingStore
    database: Database | None
    shared: SharedCache | None
    relay: Relay | None
    _closing: list[Close]

    async def close(self) -> None:
        """End every connection; later calls raise StoreUnavailableError."""
        for close in self._closing:
            await close()


def open_tiers(settings: Settings) -> Tiers:
    """Raises StoreUnusableError for a file of passwords or tokens that can't be used."""
    place = settings.store
    if place.cassandra is not None:
        assert settings.redis is not None, "checked when the config was read"
        hashed_keys = settings.lookup.key_hash is not None
        return _cassandra(place.cassandra, settings.redis, hashed_keys=hashed_keys)
    if place.url is not None and place.token_file is not None:
        from lookup.stores.remote import RemoteStore  # with the HTTP client, which no other worker needs

        remote = RemoteStore.at(place.url, place.token_file, settings.limits.longest_write_s)
        tiers = Tiers(remote, None, None, None, [remote.close])
    else:
        assert place.path is not None, "checked when the config was read"
        sqlite = SqliteStore(place.path, create=False, feed_bounds=FeedBounds())
        tiers = Tiers(sqlite, sqlite, None, None, [sqlite.close])
    if settings.redis is not None:
        _share(tiers, settings.redis, redis_settings(settings.redis))
    return tiers


def _cassandra(cassandra: Cassandra, redis: Redis, *, hashed_keys: bool) -> Tiers:
    from lookup.present_feed import PresentFeed
    from lookup.redis_duty import RedisDuty
    from lookup.redis_feed_scripts import FeedNames
    from lookup.redis_publisher import RedisPublisher
    from lookup.stores.cassandra_fed import FedCassandra

    # The driver tells of each attempt to reconnect; what can't be answered is told where it was asked.
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)
    servers, names = redis_settings(redis), FeedNames(redis.prefix)
    store = FedCassandra.over(cassandra_settings(cassandra, hashed_keys=hashed_keys), servers, names)
    duty, publisher = RedisDuty(servers, names), RedisPublisher(servers, names)
    feed = PresentFeed(publisher, lambda: store.generation)
    relay = Relay(store, feed, time.time, Random(), on_duty=duty.take)
    tiers = Tiers(store, store, None, relay, [store.close, publisher.close, duty.close])
    _share(tiers, redis, servers)
    return tiers


def _share(tiers: Tiers, redis: Redis, servers: RedisSettings) -> None:
    from lookup.redis_tier import RedisTier

    tier = RedisTier(servers, Random(), f"{redis.prefix}:home:")
    tiers.shared = tier
    tiers._closing.insert(0, tier.close)


def redis_settings(redis: Redis) -> RedisSettings:
    """Raises StoreUnusableError when the password can't be read."""
    from lookup.redis_clients import RedisSettings, RedisTls, Topology

    topologies = {"one": Topology.ONE, "sentinel": Topology.SENTINELS, "cluster": Topology.CLUSTER}
    tls = redis.tls
    return RedisSettings(
        tuple((address.host, address.port) for address in redis.addresses),
        topologies[redis.topology],
        redis.service or "",
        redis.username,
        _password(redis.password_file),
        None if tls is None else RedisTls(tls.ca_file, tls.certificate_file, tls.key_file),
        redis.sentinel_username,
        _password(redis.sentinel_password_file),
    )


def cassandra_settings(cassandra: Cassandra, *, hashed_keys: bool = False) -> CassandraSettings:
    """Raises StoreUnusableError when the password can't be read."""
    from lookup.stores.cassandra_settings import CassandraSettings, CassandraTls, Owners

    tls, owners = cassandra.tls, cassandra.owners
    return CassandraSettings(
        cassandra.contact_points,
        cassandra.port,
        cassandra.keyspace,
        cassandra.datacentre,
        None if owners is None else Owners(owners.placing, owners.by_jurisdiction),
        cassandra.username,
        _password(cassandra.password_file),
        None if tls is None else CassandraTls(tls.ca_file, tls.certificate_file, tls.key_file),
        hashed_keys,
    )


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError) as error:
        raise StoreUnusableError(f"{file}: the password can't be read ({error})") from error
