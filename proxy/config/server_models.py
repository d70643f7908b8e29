"""The shape of the config's sections on servers that the lookup uses: Cassandra, Redis, and TLS to them.

Checks of one value against another are not made here, so that a mistake in one value hides no other mistake.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from proxy.config.section import Section
from proxy.config.values import CellEndpoint, Count, Datacentre, FilePath, Host, Keyspace, Name, Port, Text


class Tls(Section):
    """TLS to the servers, whose certificates are checked; PEM files."""

    ca_file: FilePath = Field(description="Certificates of who signs the servers'.")
    certificate_file: FilePath | None = Field(
        default=None, description="This edge's own certificate, for servers that ask for one."
    )
    key_file: FilePath | None = Field(default=None, description="The key of that certificate.")


class Owners(Section):
    """Which datacentre decides which writes, without asking the others."""

    placing: Datacentre = Field(description="Decides first placements and flags.")
    by_jurisdiction: dict[Name, Datacentre] = Field(
        default={},
        description="For a jurisdiction of users: the datacentre that decides their moves. Default: the "
        "one for placing.",
    )


class Cassandra(Section):
    """The store of kind cassandra. Its feed and its cache are on Redis: see `redis`."""

    contact_points: tuple[Host, ...] = Field(
        min_length=1, description="Addresses of some nodes; the others are found by them."
    )
    port: Port = Field(default=9042, description="Port of the nodes.")
    datacentre: Datacentre = Field(
        description="The datacentre of this edge, as `nodetool status` names it: its nodes answer the reads, "
        "at LOCAL_QUORUM."
    )
    keyspace: Keyspace = Field(default="homecell", description="Keyspace of the tables.")
    replication: dict[Datacentre, Count] = Field(
        min_length=1,
        description="For each datacentre, how many nodes have a copy of each record, e.g. `{eu: 3, us: 3}`. "
        "Only `homecell store init` reads it, when it makes the keyspace.",
    )
    username: Text | None = Field(default=None, description="Who logs in, where the nodes ask.")
    password_file: FilePath | None = Field(default=None, description="File with the password.")
    tls: Tls | None = Field(default=None, description="Without this section the nodes are asked in plain.")
    owners: Owners | None = Field(
        default=None,
        description="Alike on every edge. Without this section all datacentres together decide each write "
        "(SERIAL): slower by a round trip between them, and never wrong.",
    )


class Redis(Section):
    """A cache that edges share, between memory and the store; for a store of kind cassandra the change feed
    as well. All edges of one store name the same Redis.
    """

    topology: Literal["one", "sentinel", "cluster"] = Field(
        default="one",
        description="What the addresses are: `one` server, Sentinels that know the master, or some nodes of "
        "a `cluster`.",
    )
    addresses: tuple[CellEndpoint, ...] = Field(
        min_length=1, description="Where they listen, each as host:port."
    )
    service: Text | None = Field(
        default=None, description="For sentinel: the name by which the Sentinels know the master."
    )
    username: Text | None = Field(
        default=None, description="Who logs in. Default: the user named default, if there is a password."
    )
    password_file: FilePath | None = Field(default=None, description="File with the password.")
    sentinel_username: Text | None = Field(
        default=None,
        description="Who logs in at the Sentinels. Default: the user named default, if there is a "
        "`sentinel_password_file`.",
    )
    sentinel_password_file: FilePath | None = Field(
        default=None,
        description="File with the Sentinels' own password, their `requirepass`. Default: they ask for none; "
        "`password_file` is for the master.",
    )
    tls: Tls | None = Field(
        default=None,
        description="Without this section Redis is asked in plain. With it every server is asked by TLS, "
        "Sentinels too.",
    )
    prefix: Name = Field(
        default="homecell",
        description="Begins the names of all keys in Redis: homes, the feed's streams, and who keeps the "
        "feed. Choose another one when the store is replaced by one with older epochs.",
    )
