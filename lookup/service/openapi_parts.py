"""What the OpenAPI document is made of: schemas of small things, and how bigger ones are put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lookup.service.forms import Json

TEXT: Final[Json] = {"type": "string"}
SECONDS: Final[Json] = {"type": "number", "description": "Unix seconds"}
EPOCH: Final[Json] = {
    "type": "integer",
    "minimum": 1,
    "maximum": 2**53 - 1,
    "description": "Grows with each change of the record. One that is given to `putKey` or `loadHomes` is "
    "2^52 at most, so that changes can follow.",
}
STATE: Final[Json] = {"type": "string", "enum": ["placed", "moving"]}
KEY: Final[Json] = {"type": "string", "description": "A routing key, kind:value.", "examples": ["user:42"]}
OFF: Final[Mapping[str, Json]] = {"type": "boolean", "default": False}
FLAG: Final[Json] = {"type": "string", "enum": ["serving", "down"]}


def ref(name: str) -> Json:
    """The schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(items: Json, most: int | None = None) -> Json:
    """A list, of at most so many."""
    bound: dict[str, Json] = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": items, **bound}


def object_of(needed: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object by its members."""
    return {"type": "object", "required": list(needed), "properties": {**needed, **(optional or {})}}


def or_null(schema: Json) -> Json:
    """That or null."""
    return {"oneOf": [schema, {"type": "null"}]}


def parameter(name: str, place: str, schema: Json, text: str, *, needed: bool = True) -> Json:
    """A part of the URL; `place` is "path" or "query"."""
    return {"name": name, "in": place, "required": needed, "schema": schema, "description": text}


def operation(
    name: str,
    summary: str,
    answer: Json,
    *,
    takes: Json = None,
    parameters: tuple[Json, ...] = (),
    kind: str = "application/json",
    is_open: bool = False,
    goes_on: str = "",
) -> Json:
    """A path's method.

    takes    schema of the body
    goes_on  what is not over yet when it is answered by 202
    is_open  whether it asks for no token
    """
    done: dict[str, Json] = {"200": {"description": "Done.", "content": {kind: {"schema": answer}}}}
    if goes_on:
        done["202"] = {"description": goes_on, "content": {kind: {"schema": answer}}}
    made: dict[str, Json] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            **done,
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if parameters:
        made["parameters"] = parameters
    if takes is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": takes}}}
    if is_open:
        made["security"] = []
    return made
