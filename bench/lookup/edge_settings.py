"""The settings of an edge on given servers, from a config file as an operator writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from proxy.config import Settings, load
from proxy.rooms.mint import write_demo_keys

_CELLS = {
    "cells": [
        {
            "name": "eu-west-1-cell-01",
            "jurisdiction": "eu",
            "region": "eu-west-1",
            "endpoints": ["127.0.0.1:8101"],
        }
    ]
}


def edge_settings(folder: Path, servers: Mapping[str, object], memory_entries: int) -> Settings:
    """`servers`: the config's sections on store and Redis. It is about lookups: no cell is ever asked."""
    write_demo_keys(folder / "keys")
    url = "http://127.0.0.1:8080"
    config = {
        "edge": {
            "name": "bench",
            "jurisdiction": "eu",
            "listen": "127.0.0.1:8080",
            "admin": "127.0.0.1:9080",
            "workers": 1,
        },
        "cells_file": "cells.yaml",
        "residency": {"eu": {"allow": ["eu"], "edge_url": url}},
        "identity": {
            "issuer": "https://id.example",
            "audience": "bench",
            "keys": [{"id": "k1", "algorithm": "HS256", "secret_file": "keys/hs256.secret"}],
        },
        "routing_cookie": {"keys": [{"id": "c1", "secret_file": "keys/cookie-1.secret"}]},
        "routes": [{"prefix": "/"}],
        "access_log": "access.log",
        "lookup": {"memory_entries": memory_entries},
        **servers,
    }
    (folder / "cells.yaml").write_text(yaml.safe_dump(_CELLS))
    file = folder / "edge.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return load(file)
