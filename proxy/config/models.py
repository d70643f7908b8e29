"""The shape of the config: every key with its type, unit, default and the reason for the default.

Checks of one value against another are not made here, so that a mistake in one value hides no other mistake.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from proxy.config.identity_models import Identity, RoutingCookie
from proxy.config.lookup_models import Lookup, LookupService, Snapshot, Store
from proxy.config.placement_models import Placement
from proxy.config.section import Section
from proxy.config.server_models import Redis
from proxy.config.values import (
    Bytes,
    Count,
    EdgeUrl,
    FilePath,
    Listen,
    MediaType,
    Name,
    Network,
    PathPrefix,
    Seconds,
)
from proxy.model import Cell


class Edge(Section):
    """This edge: its name, its jurisdiction and where it listens."""

    name: Name = Field(
        description="Name of this edge in its logs, in `/-/ready` and `/-/flags`, and in its workers' names. "
        "Metrics and `Via` do not carry it."
    )
    jurisdiction: Name = Field(
        description="Whose law this edge is under; one of the names below `residency`."
    )
    listen: Listen = Field(description="Address and port for clients.")
    admin: Listen = Field(
        description="Address and port for `/metrics`, `/-/live`, `/-/ready` and `/-/flags`. It asks for no "
        "credential: keep it on loopback or a private network."
    )
    workers: Annotated[int, Strict(), Field(ge=1, le=256)] = Field(
        default=1, description="Worker processes. Default: one; give it one per core that the edge may use."
    )
    trusted_peers: tuple[Network, ...] = Field(
        default=(),
        description="Networks whose `Forwarded`, `X-Forwarded-For`, `-Proto` and `-Host` fields are "
        "extended; from everybody else they are replaced. The access log's `client` is then the right-most "
        "address that they name outside these networks. Default: nobody, because a client "
        "could claim any address.",
    )


class ResidencyRule(Section):
    """Who may carry the traffic of one jurisdiction's users."""

    allow: tuple[Name, ...] = Field(
        min_length=1, description="Jurisdictions of the edges and cells that may carry these users' traffic."
    )
    edge_url: EdgeUrl = Field(
        description="Where a refused client (421) is told to go: an edge that may serve it."
    )


class StaticReply(Section):
    """What clients get while their cell is out of service."""

    status: Annotated[int, Strict(), Field(ge=200, le=599)] = Field(default=200, description="HTTP status.")
    content_type: MediaType = Field(default="application/json", description="`Content-Type` of the body.")
    body: Annotated[str, Strict(), Field(max_length=65_536)] = Field(description="The body, sent as UTF-8.")


class Route(Section):
    """What holds for the paths below one prefix."""

    prefix: PathPrefix = Field(
        description="The paths it holds for, by whole segments: `/a` holds for `/a` and `/a/b`, not for "
        "`/ab`. Written decoded. The longest one decides."
    )
    identity: Literal["required", "anonymous"] = Field(
        default="required",
        description="`anonymous`: a request without a credential goes to any serving cell of the "
        "jurisdiction of this edge, unless some cell could read its path otherwise (`..;`, `\\`, an encoded "
        "slash). Default: it gets 401, because any cell is a wrong cell for a user.",
    )
    fallback: Literal["static", "fail"] = Field(
        default="fail",
        description="What a client gets while the home cell is out of service: the `static` reply (safe "
        "methods only), or 503 with `Retry-After`. Default: fail, because only you know what a harmless "
        "answer is.",
    )
    static: StaticReply | None = Field(default=None, description="The reply of the fallback `static`.")
    body_limit_bytes: Bytes = Field(
        default=104_857_600,
        description="Largest request body; a larger one gets 413. Default: 100 MiB; bodies are streamed, "
        "so it costs no memory.",
    )
    home_changed: Literal["problem", "redirect"] = Field(
        default="problem",
        description="What a client gets when a cell says that the user is not at home there, the store names "
        "another cell, and the request can't be sent there because its body (over 64 KiB) was not kept: "
        "`problem`, 409 `home-changed`, or `redirect`, 307 to the same URL. Default: problem, because "
        "programs that send large bodies seldom send them again by themselves.",
    )


class Limits(Section):
    """Times and counts that bound what one client or one cell can take."""

    head_timeout_s: Seconds = Field(
        default=10,
        description="From a request's first byte to the end of its head, else 408. Default: generous for a "
        "bad mobile line.",
    )
    body_timeout_s: Seconds = Field(
        default=30,
        description="Longest pause inside a body, in either direction; then 408, or the connection is "
        "ended where a reply has begun. A client that reads on, however slowly, makes no pause. Default: "
        "longer than a phone's change from one network to another.",
    )
    idle_timeout_s: Seconds = Field(
        default=75,
        description="How long a client's connection is kept without a request. Default: above the usual 60 "
        "s of load balancers.",
    )
    connect_timeout_s: Seconds = Field(
        default=1,
        description="Bound of one connection attempt to a cell. Default: one lost SYN is sent again after "
        "1 s, so waiting longer hides it.",
    )
    request_timeout_s: Seconds = Field(
        default=3,
        description="From the request's end to the head of the cell's reply, with all attempts, else 504.",
    )
    cell_request_limit_s: Seconds = Field(
        default=30,
        description="How long a cell may go on with a request that was cut off; a user's move waits for as "
        "long. Default: what many servers allow a request; raise it to your cells' own limit.",
    )
    drain_timeout_s: Seconds = Field(
        default=10,
        description="How long a stopping worker finishes what runs. Default: below the 30 s after which "
        "supervisors kill.",
    )
    cell_idle_timeout_s: Seconds = Field(
        default=4,
        description="How long an idle connection to a cell is kept. Default: below the 5 s after which "
        "common "
        "servers close it, so that no request meets a closing connection.",
    )
    cell_connections: Count = Field(
        default=1_000,
        description="Most connections to one cell, per worker; a request beyond gets 503 at once, so that "
        "one slow "
        "cell can't take the edge with it.",
    )
    connections: Count = Field(
        default=20_000,
        description="Client connections of this edge; each worker takes its equal share. A connection "
        "needs up to two file descriptors. Who comes beyond gets 503 and is closed.",
    )

    @property
    def longest_write_s(self) -> float:
        """From the answer that confirmed a write's home to its end in the cell."""
        return self.request_timeout_s + self.cell_request_limit_s


class ConfigFile(Section):
    """The config file of one edge. Paths in it are relative to the file itself. An edge reads it and the
    cells file at its start: all its workers run that, also those that replace others, until a restart.
    SIGHUP to the edge's supervisor (`homecell proxy`) or to `homecell lookup` has both files read again, and
    takes how users are placed: `weight`, `capacity` and `tenants` of the cells, `placement.share_warning` and
    `placement.share_cap`. Where anything else has changed, or is wrong, nothing is taken, and the log says
    what; all else needs a restart.
    """

    edge: Edge
    cells_file: FilePath = Field(description="The inventory, shared by all edges: see below.")
    store: Store
    redis: Redis | None = Field(
        default=None, description="A store of kind cassandra needs it; with the others it is a cache only."
    )
    residency: dict[Name, ResidencyRule] = Field(min_length=1)
    identity: Identity
    routing_cookie: RoutingCookie
    lookup: Lookup = Field(default_factory=lambda: Lookup())
    placement: Placement = Field(default_factory=lambda: Placement())
    snapshot: Snapshot | None = Field(
        default=None,
        description="Without this section a worker that starts needs the store; with it, it serves the safe "
        "requests of users it knows, and the rest gets 503 until the store is back.",
    )
    lookup_service: LookupService | None = Field(
        default=None, description="Only `homecell lookup` needs it; an edge does not."
    )
    routes: tuple[Route, ...] = Field(min_length=1)
    limits: Limits = Field(default_factory=lambda: Limits())
    access_log: FilePath = Field(
        description="File that gets one JSON line per request, in a folder that exists; `/dev/stdout` for "
        "standard output. No other file of this config, and not standard error, where messages would tear "
        "its lines."
    )


class Settings(ConfigFile):
    """A config that was read and found sound: its keys, and the cells of its cells file in file order."""

    path: Path = Field(description="The config file itself, absolute.")
    cells: tuple[Cell, ...] = Field(description="The inventory; `index` is the position in the file.")
