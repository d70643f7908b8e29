"""How the driver is set up: its connections, and a profile for each kind of request."""

from __future__ import annotations

import socket
import ssl
from typing import Final, TypeAlias

from cassandra import ConsistencyLevel, ProtocolVersion
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
)
from cassandra.query import tuple_factory

from lookup.stores.cassandra_hedging import HedgePace, PacedHedging
from lookup.stores.cassandra_plan import ReplicasFirst
from lookup.stores.cassandra_reactor import LoopConnection
from lookup.stores.cassandra_settings import CassandraSettings, CassandraTls

Options: TypeAlias = dict[str, object]
"""Keyword arguments of an execution profile."""

READ: Final = "read"
NOTE: Final = "note"
"""Unconditional writes: sent twice they do what they do once."""
LOAD: Final = "load"
"""The same, known in every datacentre before it is answered."""
SHARED_READ: Final = "shared read"
SHARED_NOTE: Final = "shared note"
"""Of what all edges have in common: a reading that begins when a write was answered sees it, on any edge."""
SCAN: Final = "scan"
SCHEMA: Final = "schema"

DECIDING: Final = "write "
_HEARTBEAT_S: Final = 5.0
_HEARTBEAT_TIMEOUT_S: Final = 5.0
"""A frozen node keeps its connections. One that leaves a heartbeat unanswered is not asked any more."""

_SCHEMA_TIMEOUT_S: Final = 30.0
_SCAN_TIMEOUT_S: Final = 10.0
_LOAD_TIMEOUT_S: Final = 10.0
_RECONNECT_FIRST_S: Final = 0.25
_RECONNECT_LONGEST_S: Final = 5.0


def deciding(datacentre: str | None) -> str:
    """The profile of writes that this datacentre decides; None: all together."""
    return f"{DECIDING}{datacentre or ''}"


def deciding_again(datacentre: str | None) -> str:
    """The same, by way of one node after the other: a replica that is frozen is then soon passed over."""
    return f"{DECIDING}again {datacentre or ''}"


def confirming(datacentre: str | None) -> str:
    """The profile of reads that see what that datacentre has decided."""
    return f"confirm {datacentre or ''}"


def make_cluster(settings: CassandraSettings, pace: HedgePace, reactor: type[LoopConnection]) -> Cluster:
    """Not connected yet. `reactor` is of the loop that will ask."""
    credentials = None
    if settings.username is not None:
        credentials = PlainTextAuthProvider(settings.username, settings.password)
    return Cluster(
        settings.addresses,
        port=settings.port,
        protocol_version=ProtocolVersion.V5,
        connection_class=reactor,
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        execution_profiles=profiles(settings, pace),
        auth_provider=credentials,
        ssl_context=None if settings.tls is None else _tls_context(settings.tls),
        connect_timeout=settings.connect_timeout_s,
        control_connection_timeout=settings.connect_timeout_s,
        reconnection_policy=ExponentialReconnectionPolicy(
            _RECONNECT_FIRST_S, _RECONNECT_LONGEST_S, max_attempts=None
        ),
        idle_heartbeat_interval=_HEARTBEAT_S,
        idle_heartbeat_timeout=_HEARTBEAT_TIMEOUT_S,
        prepare_on_all_hosts=True,
        reprepare_on_up=True,
    )


def profiles(settings: CassandraSettings, pace: HedgePace) -> dict[str, ExecutionProfile]:
    """By name: which nodes are asked, and how sure their answers are. Preparing goes by the default one, that
    without this would ask the datacentre that the driver met first."""
    near, quorum = settings.datacentre, ConsistencyLevel.LOCAL_QUORUM
    repeatable: Options = {
        "retry_policy": RetryPolicy(),
        "speculative_execution_policy": PacedHedging(pace),
    }
    # Serial readings of one record hinder each other: only a node that is surely in trouble is passed over.
    serial_hedging = ConstantSpeculativeExecutionPolicy(settings.request_timeout_s / 2, 1)
    owners = settings.owners
    shared_by = near if owners is None else owners.placing
    shared_quorum = ConsistencyLevel.QUORUM if owners is None else quorum
    found = {
        EXEC_PROFILE_DEFAULT: _profile(settings, near, quorum, {}),
        READ: _profile(settings, near, quorum, repeatable),
        NOTE: _profile(settings, near, quorum, repeatable),
        LOAD: _profile(
            settings,
            near,
            ConsistencyLevel.EACH_QUORUM,
            {**repeatable, "request_timeout": _LOAD_TIMEOUT_S},
        ),
        SHARED_READ: _profile(settings, shared_by, shared_quorum, repeatable),
        SHARED_NOTE: _profile(settings, shared_by, shared_quorum, repeatable),
        SCAN: _profile(settings, near, quorum, {"request_timeout": _SCAN_TIMEOUT_S}),
        SCHEMA: _profile(settings, near, quorum, {"request_timeout": _SCHEMA_TIMEOUT_S}),
    }
    for owner in {None, *(owners.datacentres() if owners is not None else ())}:
        serial = ConsistencyLevel.SERIAL if owner is None else ConsistencyLevel.LOCAL_SERIAL
        by = owner or near
        once: Options = {
            "retry_policy": FallthroughRetryPolicy(),
            "serial_consistency_level": serial,
        }
        found[deciding(owner)] = _profile(settings, by, quorum, once)
        in_turn: Options = {**once, "load_balancing_policy": DCAwareRoundRobinPolicy(by)}
        found[deciding_again(owner)] = _profile(settings, by, quorum, in_turn)
        found[confirming(owner)] = _profile(
            settings, by, serial, {**repeatable, "speculative_execution_policy": serial_hedging}
        )
    return found


def _profile(
    settings: CassandraSettings, datacentre: str, consistency: int, options: Options
) -> ExecutionProfile:
    common: Options = {
        "load_balancing_policy": ReplicasFirst(datacentre),
        "consistency_level": consistency,
        "request_timeout": settings.request_timeout_s,
        "row_factory": tuple_factory,
    }
    return ExecutionProfile(**{**common, **options})


def _tls_context(tls: CassandraTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls.authority))
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
