"""The shape of the config's sections on the lookup: where the truth is, what is remembered, who is told.

Checks of one value against another are not made here, so that a mistake in one value hides no other mistake.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from proxy.config.section import Section
from proxy.config.server_models import Cassandra
from proxy.config.values import (
    Count,
    EdgeUrl,
    FilePath,
    Listen,
    Seconds,
    SecondsOfADay,
    WebhookOrNone,
    WebhookUrl,
)


class Store(Section):
    """Where the truth is: in a file of this machine, in Cassandra, or behind a lookup service."""

    kind: Literal["sqlite", "cassandra", "remote"] = Field(
        description="`sqlite`: homes and flags in one file, for the edges of one machine. `cassandra`: for "
        "edges anywhere; needs `redis` as well. `remote`: a lookup service is asked, and the edge needs no "
        "database."
    )
    path: FilePath | None = Field(
        default=None,
        description="For sqlite: the database file; its folder must exist and be writable.",
    )
    url: EdgeUrl | None = Field(default=None, description="For remote: address of the lookup service.")
    token_file: FilePath | None = Field(
        default=None,
        description="For remote: file with a token of the service. One that may read is enough for an edge; "
        "`homecell cells flag` needs one that may write.",
    )
    cassandra: Cassandra | None = Field(default=None, description="For cassandra.")

    @property
    def place(self) -> str:
        """Where it is, in a word."""
        if self.cassandra is not None:
            return f"{self.cassandra.keyspace} at {', '.join(self.cassandra.contact_points)}"
        return self.url or str(self.path)


class KeyHash(Section):
    """Keys (`user:42`) leave this program as keyed hashes: to store, caches, feed, snapshots, backups."""

    secret_file: FilePath = Field(
        description="File with the secret, the same for every edge and service of a store. Make one: "
        "`openssl rand -hex 32 > FILE`, and keep a copy: without it nobody can be found any more."
    )


class Lookup(Section):
    """How the home of a key is found and how long an answer is kept."""

    deadline_s: Seconds = Field(
        default=0.25,
        description="Bound of one whole lookup. Default: fifty times the aimed-at p99, so that only trouble "
        "meets it, not a machine that is busy for a moment.",
    )
    memory_entries: Count = Field(
        default=200_000, description="Homes kept in memory, per worker. Default: about 50 MB when full."
    )
    refresh_s: Seconds = Field(
        default=60, description="Age after which an answer is still served and read again in the background."
    )
    expiry_s: Seconds = Field(
        default=300, description="Age after which an answer must be read again before it is served."
    )
    hard_stale_s: SecondsOfADay = Field(
        default=86_400,
        description="Age up to which an answer may still serve safe methods when no tier answers. Default: "
        "one day, the longest outage of a store that should go unnoticed; and at most that, because no move "
        "of before is remembered, so that an older answer could name a home that the user has left.",
    )
    unknown_entries: Count = Field(
        default=10_000,
        description="Unknown keys kept in memory, per worker, apart from the homes so that probing evicts "
        "no user.",
    )
    unknown_ttl_s: Seconds = Field(
        default=5,
        description="How long an unknown key stays unknown. Default: short, because a new user is waiting.",
    )
    key_hash: KeyHash | None = Field(
        default=None,
        description="Hash keys before they leave this program. Only for a store that is begun so. Default: "
        "keys stay as they are.",
    )
    watch_keys: int = Field(
        default=5,
        ge=0,
        le=1000,
        strict=True,
        description="Remembered homes and names that each worker compares with the store per second, in the "
        "background; what is still wrong after `watch_lag_s` is counted in `homecell_misroutes_total`. "
        "0: none.",
    )
    watch_lag_s: Seconds = Field(
        default=5, description="How long the store may be ahead of a remembered home before that counts."
    )


class Snapshot(Section):
    """What a worker knows (homes, moves, flags), kept on disk: for a start while the store is away."""

    folder: FilePath = Field(
        description="Folder of the snapshots, one file for each worker; made if need be. The files name "
        "users: they are readable by their owner only. Edges of several names may share it."
    )
    interval_s: Seconds = Field(
        default=60,
        description="Time between two snapshots. Default: what a crash may forget, against a few megabytes "
        "to write.",
    )
    entries: Count = Field(
        default=50_000,
        description="Most homes in one snapshot, those used lately first. Default: about 4 MB, read in half "
        "a second.",
    )


class ServiceMoves(Section):
    """How the lookup service moves users. Requests say whom and where to; what is called stands only here."""

    copy_webhook: WebhookOrNone = Field(
        description="URL that copies a user's bytes, told by POST of JSON as in docs/lookup.md, which "
        "answers 200 or 204 when all is copied; 202 is no success. `none`: there is nothing to copy."
    )
    verify_webhook: WebhookUrl | None = Field(
        default=None, description="URL that looks whether all has arrived. Default: nothing does."
    )
    hook_timeout_s: Seconds = Field(
        default=3600,
        description="Time for one webhook; then the move is given up. Default: as for `homecell users move`.",
    )
    at_once: Annotated[int, Strict(), Field(ge=1, le=1000)] = Field(
        default=16,
        description="Moves carried out at once; others wait for their turn, and those users may write until "
        "then. Default: what a webhook that copies may be expected to bear.",
    )


class LookupService(Section):
    """The lookup as an HTTP service, run by `homecell lookup` over this config's store."""

    listen: Listen = Field(
        description="Address and port. It speaks plain HTTP: put TLS before it where the network is not "
        "your own."
    )
    tokens_file: FilePath = Field(
        description="File of lines `read TOKEN NAME` and `write TOKEN NAME`, each token of at least 32 "
        "characters. Who reads looks up and follows changes; who writes may also place and move users and "
        "set flags. NAME may be left out; moves keep it as who asked."
    )
    moves: ServiceMoves | None = Field(
        default=None, description="Without this section the service moves nobody."
    )
