"""The part of the OpenAPI document that is about moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lookup.moves import Step
from lookup.service.forms import Json
from lookup.service.openapi_parts import (
    EPOCH,
    KEY,
    SECONDS,
    TEXT,
    list_of,
    object_of,
    operation,
    parameter,
    ref,
)

_MOVE: Final[Mapping[str, Json]] = {
    "operation": TEXT,
    "key": KEY,
    "source": {"type": "string", "description": "The cell that is left."},
    "target": {"type": "string", "description": "The cell that becomes the home."},
    "jurisdiction": TEXT,
    "epoch": EPOCH,
    "step": {"type": "string", "enum": [step.value for step in Step]},
    "is_over": {"type": "boolean", "description": "Whether nothing is left to do: `done` or `aborted`."},
    "begun_at_s": SECONDS,
    "changed_at_s": {"type": "number", "description": "Unix seconds: when the step was reached."},
    "detail": {"type": "string", "description": "Why it was given up, or what the last attempt met."},
    "driver": {"type": "string", "description": "Who carries it out; empty: nobody."},
    "driven_until_s": {"type": "number", "description": "Unix seconds; later the driver has crashed."},
    "copy_hook": TEXT,
    "verify_hook": TEXT,
    "author": {"type": "string", "description": "Who asked: whom the request named, the token's name."},
    "reason": TEXT,
}
_WORKER: Final = object_of({"worker": TEXT, "acknowledged": {"type": "boolean"}})
MOVE_SCHEMAS: Final[Mapping[str, Json]] = {
    "Move": object_of(_MOVE),
    "MoveStatus": object_of(
        {
            **_MOVE,
            "waits_for": {"type": "string", "description": "What it needs to go on; empty: a moment."},
            "workers": {
                "type": "array",
                "items": _WORKER,
                "description": "At the step `fencing`: who has acknowledged that the user's writes wait.",
            },
        }
    ),
}
_STATUS: Final = ref("MoveStatus")
_LISTED: Final = object_of(
    {
        "moves": list_of(ref("Move"), 1000),
        "more": {"type": "boolean", "description": "Whether others follow; ask for them with `after`."},
    }
)
_OPERATION_ID: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "description": "Of your own, without a slash; the same one is the same move.",
}
_ORDER: Final = object_of(
    {"operation": _OPERATION_ID, "key": KEY, "target": TEXT}, {"author": TEXT, "reason": TEXT}
)
_OPERATION: Final = parameter("operation", "path", TEXT, "The operation id, percent-encoded.")
_AFTER: Final = "The operation of the last one that was told, for those after it."
_GOES_ON: Final = "The service carries it on; ask for it to see how far it is."


def move_paths() -> dict[str, Json]:
    """The paths of moves. All are for tokens that may write."""
    return {
        "/v1/moves": {
            "post": operation(
                "beginMove",
                "Move a key's user to another cell. Asked for again it is the same move, carried on if it is "
                "open; 409 when the id is that of another one, or the running edge does not list the target "
                "yet. What copies is in the service's config.",
                _STATUS,
                takes=_ORDER,
                goes_on=_GOES_ON,
            ),
            "get": operation(
                "getOpenMoves",
                "The moves that are not over, the latest first.",
                _LISTED,
                parameters=(parameter("after", "query", TEXT, _AFTER, needed=False),),
            ),
        },
        "/v1/moves/{operation}": {
            "parameters": [_OPERATION],
            "get": operation("getMove", "How far a move is, and what it waits for.", _STATUS),
        },
        "/v1/moves/{operation}:resume": {
            "parameters": [_OPERATION],
            "post": operation(
                "resumeMove",
                "Carry a move on that nobody carries out any more; nothing happens while somebody does.",
                _STATUS,
                goes_on=_GOES_ON,
            ),
        },
        "/v1/moves/{operation}:abort": {
            "parameters": [_OPERATION],
            "post": operation(
                "abortMove",
                "Give a move up: the user stays in the old cell. 409 once it is verified.",
                _STATUS,
                takes=object_of({"reason": TEXT}),
            ),
        },
    }
