"""What a reply amounts to, in a few words, so that expected and actual can be compared and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

DEGRADED_FIELD: Final = "X-Home-Cell-Degraded"
ANSWERED_BY: Final = "X-Answered-By"
"""Set by the sample cells: the cell's name, also in replies to HEAD."""

_PROBLEM_TYPE: Final = "application/problem+json"


def answering_cell(content_type: str, body: bytes) -> str:
    """The cell that a sample cell's reply names; "" when the reply is not a sample cell's."""
    if content_type != "application/json":
        return ""
    try:
        reply = json.loads(body)
    except ValueError:
        return ""
    return str(reply.get("cell", "")) if isinstance(reply, dict) else ""


def locker(body: bytes) -> str:
    """The code in the user's record that a sample cell's reply shows; "" when it shows none."""
    try:
        return str(json.loads(body)["record"]["locker"])
    except (ValueError, KeyError, TypeError):
        return ""


def summary(status: int, fields: Mapping[str, str], body: bytes, routing_cookie: str) -> str:
    """For example `200 from eu-west-1-cell-01, sets home_cell` or `503 cell-down, degraded: cell-down`.

    `fields` is looked up by the usual spelling; `routing_cookie` is the cookie's name.
    """
    content_type = fields.get("Content-Type", "").partition(";")[0]
    words = [str(status)]
    cell = answering_cell(content_type, body)
    if cell:
        words.append(f"from {cell}")
    problem = problem_named(content_type, body)
    if problem:
        words.append(problem)
    notes = []
    if fields.get("Set-Cookie", "").startswith(f"{routing_cookie}="):
        notes.append(f"sets {routing_cookie}")
    if DEGRADED_FIELD in fields:
        notes.append(f"degraded: {fields[DEGRADED_FIELD]}")
    if status in (429, 503) and "Retry-After" not in fields:
        notes.append("without Retry-After")
    return ", ".join([" ".join(words), *notes])


def problem_named(content_type: str, body: bytes) -> str:
    """The slug of a problem document, e.g. `lookup-unavailable`; "" when the reply is none."""
    if content_type != _PROBLEM_TYPE:
        return ""
    try:
        problem = json.loads(body)
        return str(problem["type"]).rpartition("/")[2]
    except (ValueError, KeyError, TypeError):
        return "a broken problem body"
