"""The OpenAPI 3.1 document of the lookup service."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from lookup.service.forms import MAX_BATCH_KEYS, Json

_TEXT: Final[Json] = {"type": "string"}
_SECONDS: Final[Json] = {"type": "number", "description": "Unix seconds"}
_EPOCH: Final[Json] = {
    "type": "integer",
    "minimum": 1,
    "description": "Grows with each change of the record.",
}
_STATE: Final[Json] = {"type": "string", "enum": ["placed", "moving"]}
_KEY: Final[Json] = {"type": "string", "description": "A routing key, kind:value.", "examples": ["user:42"]}
_OFF: Final[Mapping[str, Json]] = {"type": "boolean", "default": False}
_FLAG: Final[Json] = {"type": "string", "enum": ["serving", "down"]}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json, most: int | None = None) -> Json:
    bound: dict[str, Json] = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": items, **bound}


def _object(needed: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    return {"type": "object", "required": list(needed), "properties": {**needed, **(optional or {})}}


def _or_null(schema: Json) -> Json:
    return {"oneOf": [schema, {"type": "null"}]}


_ALIAS: Final[Json] = {
    "type": "array",
    "prefixItems": [_KEY, {"type": "integer"}, {"type": "number"}],
    "description": "A key that names this home, its own epoch, Unix seconds of its last change.",
}
_SCHEMAS: Final[Mapping[str, Json]] = {
    "Found": _object(
        {
            "key": _KEY,
            "cell": _TEXT,
            "jurisdiction": _TEXT,
            "epoch": _EPOCH,
            "state": _STATE,
            "tier": {"type": "string", "enum": ["memory", "redis", "store", "stale"]},
        },
        {"asked": {"type": "string", "description": "What was asked for, when that key names this one."}},
    ),
    "Home": _object(
        {
            "key": _KEY,
            "cell": _TEXT,
            "jurisdiction": _TEXT,
            "epoch": _EPOCH,
            "state": _STATE,
            "moved_to": {"type": "string", "description": "The target while moving, else empty."},
            "updated_at_s": _SECONDS,
        },
        {"aliases": _list(_ALIAS)},
    ),
    "Flag": _object(
        {
            "cell": _TEXT,
            "flag": _FLAG,
            "version": {"type": "integer", "minimum": 1},
            "reason": _TEXT,
            "author": _TEXT,
            "set_at_s": _SECONDS,
            "expires_at_s": {"type": ["number", "null"], "description": "Unix seconds; null: it stays."},
        }
    ),
    "Change": _object(
        {
            "generation": {"type": "string", "description": "Another one: everything must be read again."},
            "sequence": {"type": "integer", "description": "Dense within a generation."},
            "home": _or_null(_ref("Home")),
            "left_cell": {
                "type": "string",
                "description": "The home before, empty for a first placement. `@names`, `@freed`: `home` is "
                "a key that names the key in `moved_to` from now on, or none any more; it has no cell.",
            },
            "flag": _or_null(_ref("Flag")),
        }
    ),
    "Batch": _object(
        {
            "homes": _list({"anyOf": [_ref("Found"), _ref("Home")]}),
            "unknown": _list(_KEY),
            "unavailable": _list(_KEY),
        }
    ),
    "Cells": _object(
        {
            "homes": {"type": "object", "additionalProperties": {"type": "integer"}},
            "counted_at_s": _SECONDS,
            "cells": _list(
                _object(
                    {
                        "name": _TEXT,
                        "jurisdiction": _TEXT,
                        "users": {"type": "integer"},
                        "share": {"type": "number", "description": "Of all keys, 0 to 1."},
                        "capacity": {"type": ["integer", "null"], "description": "null: no bound."},
                        "warning": {"type": "string", "description": "What is too much; else empty."},
                    }
                )
            ),
        }
    ),
    "Problem": _object(
        {"type": {"type": "string", "format": "uri"}, "title": _TEXT, "status": {"type": "integer"}},
        {"detail": _TEXT, "current": _or_null(_ref("Home"))},
    ),
}


def _parameter(name: str, place: str, schema: Json, text: str, *, needed: bool = True) -> Json:
    return {"name": name, "in": place, "required": needed, "schema": schema, "description": text}


_KEY_PARAMETER: Final = _parameter("key", "path", _KEY, "The key, percent-encoded.")
_CELL_PARAMETER: Final = _parameter("cell", "path", _TEXT, "Name of the cell.")
_FRESH: Final = "Ask the store itself, past memory and shared cache."
_CONFIRMED: Final = "Ask the store for what is surely decided now, wherever that was; slower."


def _operation(
    name: str,
    summary: str,
    answer: Json,
    *,
    takes: Json = None,
    parameters: tuple[Json, ...] = (),
    kind: str = "application/json",
    is_open: bool = False,
) -> Json:
    operation: dict[str, Json] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "Done.", "content": {kind: {"schema": answer}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if takes is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": takes}}}
    if is_open:
        operation["security"] = []
    return operation


def _key_paths() -> dict[str, Json]:
    asking = (
        _parameter("fresh", "query", _OFF, _FRESH, needed=False),
        _parameter("confirmed", "query", _OFF, _CONFIRMED, needed=False),
    )
    one_of: Json = {"anyOf": [_ref("Found"), _ref("Home")]}
    batch = _object(
        {"keys": _list(_KEY, MAX_BATCH_KEYS)},
        {"fresh": {**_OFF, "description": _FRESH}, "confirmed": {**_OFF, "description": _CONFIRMED}},
    )
    chosen: Json = {
        "type": "string",
        "description": "Its cell; without one the service chooses one with room.",
    }
    tenant: Json = {"type": "string", "description": "Whose user it is; only without `cell`."}
    placing = _object({"jurisdiction": _TEXT}, {"cell": chosen, "tenant": tenant})
    expected: Json = {"type": ["integer", "null"], "description": "Of the record now; null: there is none."}
    return {
        "/v1/keys/{key}": {
            "parameters": [_KEY_PARAMETER],
            "get": _operation("getKey", "The home of one key.", one_of, parameters=asking),
            "put": _operation(
                "putKey",
                "Write a record if the store's has the expected epoch, else 409 with the current one.",
                _ref("Home"),
                takes=_object({"home": _ref("Home"), "expected_epoch": expected}),
            ),
        },
        "/v1/keys/{key}:place": {
            "parameters": [_KEY_PARAMETER],
            "post": _operation(
                "placeKey",
                "Give a new key its home; the home that it has, if any.",
                _ref("Home"),
                takes=placing,
            ),
        },
        "/v1/keys:batch": {
            "post": _operation("getKeys", "The homes of many keys.", _ref("Batch"), takes=batch)
        },
        "/v1/homes:load": {
            "post": _operation(
                "loadHomes",
                "Write those records whose keys are new; they don't pass through the feed.",
                _object({"written": {"type": "integer"}}),
                takes=_object({"homes": _list(_ref("Home"), MAX_BATCH_KEYS)}),
            )
        },
    }


def _other_paths() -> dict[str, Json]:
    since = _parameter("since_s", "query", _SECONDS, "Moves after this time.")
    move: Json = {"type": "array", "description": "Key, epoch, Unix seconds, cell that was left."}
    flagging = _object(
        {"flag": _FLAG, "reason": _TEXT, "author": _TEXT},
        {"set_at_s": _SECONDS, "expires_at_s": {"type": ["number", "null"]}},
    )
    history = _object({"covers_since_s": _SECONDS, "moves": _list(move)})
    flags = _object({"flags": _list(_ref("Flag"))})
    plain = "text/plain"
    return {
        "/v1/changes": {
            "get": _operation(
                "followChanges",
                "Changes from now on, each the data of one event; a heartbeat at least every second.",
                _ref("Change"),
                kind="text/event-stream",
            )
        },
        "/v1/history": {"get": _operation("getHistory", "Which keys moved.", history, parameters=(since,))},
        "/v1/cells": {
            "get": _operation(
                "countCells", "Keys at home in each cell, and how many there may be.", _ref("Cells")
            )
        },
        "/v1/flags": {"get": _operation("getFlags", "What operators said of the cells.", flags)},
        "/v1/flags/{cell}": {
            "parameters": [_CELL_PARAMETER],
            "put": _operation("setFlag", "Say something of a cell.", _ref("Flag"), takes=flagging),
        },
        "/metrics": {"get": _operation("getMetrics", "Prometheus text.", _TEXT, kind=plain)},
        "/openapi.json": {"get": _operation("getDocument", "This.", {"type": "object"}, is_open=True)},
        "/-/live": {"get": _operation("isLive", "200 while it runs.", _TEXT, kind=plain, is_open=True)},
        "/-/ready": {
            "get": _operation("isReady", "200 while the feed is heard.", _TEXT, kind=plain, is_open=True)
        },
    }


def document() -> Mapping[str, Json]:
    """The whole document."""
    problem: Json = {"application/problem+json": {"schema": _ref("Problem")}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Home Cell lookup service", "version": version("homecell")},
        "security": [{"token": []}],
        "paths": {**_key_paths(), **_other_paths()},
        "components": {
            "schemas": _SCHEMAS,
            "responses": {"Problem": {"description": "What went wrong (RFC 9457).", "content": problem}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
