"""The rows of the table: which proxy with which tokens, how it is started, what its figure omits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.peers.launch import Launcher
from bench.peers.pythons import PythonBuild
from bench.peers.servers import Running, envoy, haproxy, homecell, nginx
from bench.peers.traffic import Algorithm, World

Start = Callable[[Launcher, World], Running]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    server   rows of the same server share one process
    by_default  whether it is measured unless `--only` names others
    identity  False for the peer that neither verifies nor routes
    build  the Python that runs it, for Home Cell
    """

    key: str
    label: str
    server: str
    algorithm: Algorithm
    start: Start
    note: str
    by_default: bool = True
    identity: bool = True
    build: PythonBuild | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """Home Cell's cost, with the same kind of token, divided by the peer's stays at or below this."""

    peer: str
    interpreted: float
    compiled: float


GOALS: Final = (
    Goal("haproxy-hs256", 1.4, 1.0),
    Goal("envoy-hs256", 0.5, 0.35),
    Goal("haproxy-rs256", 0.65, 0.5),
    Goal("haproxy-es256", 0.35, 0.25),
)

EVERYTHING_ON: Final = (
    "strict checks, lookup, residency, ids, metrics, log; token verified once, home in memory"
)


def catalogue(builds: Sequence[PythonBuild]) -> list[Row]:
    """Every row that can be measured, peers first."""
    rows = [
        Row(
            "nginx",
            "nginx, no identity, no lookup",
            "nginx",
            Algorithm.HS256,
            _nginx,
            "bare forwarding",
            identity=False,
        )
    ]
    rows += [_haproxy(algorithm) for algorithm in Algorithm]
    rows += [_envoy(Algorithm.HS256, False), _envoy(Algorithm.RS256, False), _envoy(Algorithm.RS256, True)]
    for build in builds:
        rows += [_homecell(build, algorithm) for algorithm in Algorithm]
    return rows


def choose(rows: Sequence[Row], only: Sequence[str]) -> list[Row]:
    """The rows whose keys begin with one of the given words; the usual ones when none is given.

    Raises ValueError with the known keys when a word fits none.
    """
    if not only:
        return [row for row in rows if row.by_default]
    for word in only:
        if not any(row.key.startswith(word) for row in rows):
            raise ValueError(f"no row begins with {word!r}; there are: {', '.join(row.key for row in rows)}")
    return [row for row in rows if row.key.startswith(tuple(only))]


def _nginx(launcher: Launcher, world: World) -> Running:
    return nginx.start_peer(launcher, world.cells[0].port)


def _haproxy(algorithm: Algorithm) -> Row:
    def start(launcher: Launcher, world: World) -> Running:
        return haproxy.start(launcher, world, algorithm)

    key = f"haproxy-{algorithm.lower()}"
    note = "signature, alg and exp on each request, map of 100,000; no log, no counters by cell"
    label = f"HAProxy, {algorithm} + map"
    return Row(key, label, key, algorithm, start, note, by_default=algorithm is not Algorithm.ES256)


def _envoy(algorithm: Algorithm, token_cache: bool) -> Row:
    def start(launcher: Launcher, world: World) -> Running:
        return envoy.start(launcher, world, algorithm, token_cache)

    key = f"envoy-{algorithm.lower()}{'-cache' if token_cache else ''}"
    label = f"Envoy, {algorithm}{' with token cache' if token_cache else ''} + matcher"
    return Row(key, label, key, algorithm, start, "JWT filter, exact-match routes of 100,000 users; no log")


def _homecell(build: PythonBuild, algorithm: Algorithm) -> Row:
    def start(launcher: Launcher, world: World) -> Running:
        return homecell.start(launcher, world, build)

    key = f"homecell-{build.name}-{algorithm.lower()}"
    label = f"{build.label}, {algorithm}"
    usual = algorithm is not Algorithm.ES256
    server = f"homecell-{build.name}"
    return Row(key, label, server, algorithm, start, EVERYTHING_ON, by_default=usual, build=build)
