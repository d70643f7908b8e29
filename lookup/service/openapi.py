"""The OpenAPI 3.1 document of the lookup service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from lookup.service.forms import MAX_BATCH_KEYS, MOST_WRITE_S, Json
from lookup.service.histories import LINE_MOVES, LINES_TYPE
from lookup.service.openapi_moves import MOVE_SCHEMAS, move_paths
from lookup.service.openapi_parts import (
    EPOCH,
    FLAG,
    KEY,
    OFF,
    SECONDS,
    STATE,
    TEXT,
    list_of,
    object_of,
    operation,
    or_null,
    parameter,
    ref,
)

_ALIAS: Final[Json] = {
    "type": "array",
    "prefixItems": [KEY, {"type": "integer"}, {"type": "number"}],
    "description": "A key that names this home, its own epoch, Unix seconds of its last change.",
}
_ASKED: Final[Json] = {
    "type": "string",
    "description": "What was asked for, as it was spelled; left out when it is `key`.",
}
_IN_FORCE: Final[Json] = {
    "type": "string",
    "enum": ["serving", "down"],
    "description": "What the flag comes to now, told by GET /v1/flags: one that has expired is `serving`.",
}
_SCHEMAS: Final[Mapping[str, Json]] = {
    "Found": object_of(
        {
            "key": KEY,
            "cell": TEXT,
            "jurisdiction": TEXT,
            "epoch": EPOCH,
            "state": STATE,
            "tier": {"type": "string", "enum": ["memory", "redis", "store", "stale"]},
        },
        {"asked": _ASKED},
    ),
    "Home": object_of(
        {
            "key": KEY,
            "cell": TEXT,
            "jurisdiction": TEXT,
            "epoch": EPOCH,
            "state": STATE,
            "moved_to": {"type": "string", "description": "The target while moving, else empty."},
            "updated_at_s": SECONDS,
        },
        {"aliases": list_of(_ALIAS), "asked": _ASKED},
    ),
    "Flag": object_of(
        {
            "cell": TEXT,
            "flag": FLAG,
            "version": {"type": "integer", "minimum": 1},
            "reason": TEXT,
            "author": TEXT,
            "set_at_s": SECONDS,
            "expires_at_s": {"type": ["number", "null"], "description": "Unix seconds; null: it stays."},
        },
        {"in_force": _IN_FORCE},
    ),
    "Change": object_of(
        {
            "generation": {"type": "string", "description": "Another one: everything must be read again."},
            "sequence": {"type": "integer", "description": "Dense within a generation."},
            "home": or_null(ref("Home")),
            "left_cell": {
                "type": "string",
                "description": "The home before, empty for a first placement. `@names`, `@freed`: `home` is "
                "a key that names the key in `moved_to` from now on, or none any more; it has no cell.",
            },
            "flag": or_null(ref("Flag")),
        }
    ),
    "Batch": object_of(
        {
            "homes": list_of({"anyOf": [ref("Found"), ref("Home")]}),
            "unknown": list_of(KEY),
            "unavailable": list_of(KEY),
        }
    ),
    "Cells": object_of(
        {
            "homes": {"type": "object", "additionalProperties": {"type": "integer"}},
            "counted_at_s": SECONDS,
            "cells": list_of(
                object_of(
                    {
                        "name": TEXT,
                        "jurisdiction": TEXT,
                        "users": {"type": "integer"},
                        "share": {"type": "number", "description": "Of all keys, 0 to 1."},
                        "capacity": {"type": ["integer", "null"], "description": "null: no bound."},
                        "warning": {"type": "string", "description": "What is too much; else empty."},
                    }
                )
            ),
        }
    ),
    "Problem": object_of(
        {"type": {"type": "string", "format": "uri"}, "title": TEXT, "status": {"type": "integer"}},
        {"detail": TEXT, "current": or_null(ref("Home"))},
    ),
}


_KEY_PARAMETER: Final = parameter("key", "path", KEY, "The key, percent-encoded.")
_CELL_PARAMETER: Final = parameter("cell", "path", TEXT, "Name of the cell.")
_FRESH: Final = "Ask the store itself, past memory and shared cache."
_CONFIRMED: Final = "Ask the store for what is surely decided now, wherever that was; slower."
_WRITABLE: Final = (
    "The cell must be one of the service's cells file, under a law that `jurisdiction` allows, else 409; the "
    "state `placed`; `updated_at_s` not ahead of the service's clock."
)
_WRITE_TAKES: Final = (
    "With `confirmed`: the longest that a write which goes by the answer may take, to its end in the cell. A "
    "move waits for so long if that is longer than the service's own config says."
)
_WRITE_S: Final[Mapping[str, Json]] = {
    "type": "number",
    "minimum": 0,
    "maximum": MOST_WRITE_S,
    "default": 0,
}


def _key_paths() -> dict[str, Json]:
    asking = (
        parameter("fresh", "query", OFF, _FRESH, needed=False),
        parameter("confirmed", "query", OFF, _CONFIRMED, needed=False),
        parameter("write_takes_s", "query", _WRITE_S, _WRITE_TAKES, needed=False),
    )
    one_of: Json = {"anyOf": [ref("Found"), ref("Home")]}
    batch = object_of(
        {"keys": list_of(KEY, MAX_BATCH_KEYS)},
        {
            "fresh": {**OFF, "description": _FRESH},
            "confirmed": {**OFF, "description": _CONFIRMED},
            "write_takes_s": {**_WRITE_S, "description": _WRITE_TAKES},
        },
    )
    chosen: Json = {
        "type": "string",
        "description": "Its cell: one of the service's cells file, not flagged down, under a law that "
        "`jurisdiction` allows, else 409. Without one the service chooses one with room.",
    }
    tenant: Json = {"type": "string", "description": "Whose user it is; only without `cell`."}
    placing = object_of({"jurisdiction": TEXT}, {"cell": chosen, "tenant": tenant})
    expected: Json = {"type": ["integer", "null"], "description": "Of the record now; null: there is none."}
    return {
        "/v1/keys/{key}": {
            "parameters": [_KEY_PARAMETER],
            "get": operation("getKey", "The home of one key.", one_of, parameters=asking),
            "put": operation(
                "putKey",
                "Write a record if the store's has the expected epoch, else 409 with the current one; 409 "
                "also for another cell than the present one: moving is the way there. " + _WRITABLE,
                ref("Home"),
                takes=object_of({"home": ref("Home"), "expected_epoch": expected}),
            ),
        },
        "/v1/keys/{key}:place": {
            "parameters": [_KEY_PARAMETER],
            "post": operation(
                "placeKey",
                "Give a new key its home; the home that it has, if any.",
                ref("Home"),
                takes=placing,
            ),
        },
        "/v1/keys:batch": {
            "post": operation("getKeys", "The homes of many keys.", ref("Batch"), takes=batch)
        },
        "/v1/homes:load": {
            "post": operation(
                "loadHomes",
                "Write those records whose keys are new; they don't pass through the feed. " + _WRITABLE,
                object_of({"written": {"type": "integer"}}),
                takes=object_of({"homes": list_of(ref("Home"), MAX_BATCH_KEYS)}),
            )
        },
    }


def _other_paths() -> dict[str, Json]:
    since = parameter("since_s", "query", SECONDS, "Moves after this time.")
    move: Json = {"type": "array", "description": "Key, epoch, Unix seconds, cell that was left."}
    flagging = object_of(
        {"flag": FLAG, "reason": TEXT, "author": TEXT},
        {"set_at_s": SECONDS, "expires_at_s": {"type": ["number", "null"]}},
    )
    head = object_of(
        {
            "covers_since_s": SECONDS,
            "moves": {"type": "integer", "minimum": 0, "description": "How many follow."},
        }
    )
    line: Json = {"oneOf": [head, list_of(move, LINE_MOVES)]}
    flags = object_of({"flags": list_of(ref("Flag"))})
    plain = "text/plain"
    return {
        "/v1/changes": {
            "get": operation(
                "followChanges",
                "Changes from now on, each the data of one event; a heartbeat at least every second.",
                ref("Change"),
                kind="text/event-stream",
            )
        },
        "/v1/history": {
            "get": operation(
                "getHistory",
                "Which keys moved: a line that says how many, then lines of moves, older ones first, of a "
                "feed that was begun anew hour by hour only; of a key's moves from one cell the latest.",
                line,
                parameters=(since,),
                kind=LINES_TYPE,
            )
        },
        "/v1/cells": {
            "get": operation(
                "countCells", "Keys at home in each cell, and how many there may be.", ref("Cells")
            )
        },
        "/v1/flags": {"get": operation("getFlags", "What operators said of the cells.", flags)},
        "/v1/flags/{cell}": {
            "parameters": [_CELL_PARAMETER],
            "put": operation("setFlag", "Say something of a cell.", ref("Flag"), takes=flagging),
        },
        "/metrics": {"get": operation("getMetrics", "Prometheus text.", TEXT, kind=plain)},
        "/": {"get": operation("getIndex", "What can be asked, for people.", TEXT, kind=plain, is_open=True)},
        "/openapi.json": {
            "get": operation("getDocument", "This document, for programs.", {"type": "object"}, is_open=True)
        },
        "/-/live": {"get": operation("isLive", "200 while it runs.", TEXT, kind=plain, is_open=True)},
        "/-/ready": {
            "get": operation("isReady", "200 while the feed is heard.", TEXT, kind=plain, is_open=True)
        },
    }


def _paths() -> dict[str, Json]:
    return {**_key_paths(), **move_paths(), **_other_paths()}


def index() -> str:
    """What can be asked, a line each."""
    lines = []
    for path, item in _paths().items():
        for method, told in item.items() if isinstance(item, Mapping) else ():
            if isinstance(told, Mapping) and "summary" in told:
                shows = re.split(r"[.;] ", str(told["summary"]))[0].removesuffix(".")
                lines.append(f"{method.upper():5}{path:30} {shows}")
    return "\n".join(["Home Cell lookup service", "", *lines, ""])


def document() -> Mapping[str, Json]:
    """The whole document."""
    problem: Json = {"application/problem+json": {"schema": ref("Problem")}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Home Cell lookup service", "version": version("homecell")},
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": {**_SCHEMAS, **MOVE_SCHEMAS},
            "responses": {"Problem": {"description": "What went wrong (RFC 9457).", "content": problem}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
