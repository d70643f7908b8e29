"""The service's errors as problem details (RFC 9457)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from lookup.keys import InvalidKeyError
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.mover import MoveRefusedError
from lookup.ports import EpochConflictError, StoreUnavailableError
from lookup.service.forms import Json, record_form

_log: Final = logging.getLogger(__name__)

TYPE_PREFIX: Final = "https://homecell.example/problems/"
CONTENT_TYPE: Final = "application/problem+json"

_TITLES: Final = {
    "invalid-request": (400, "The request is not as the OpenAPI document says"),
    "invalid-key": (400, "Not a routing key"),
    "no-credential": (401, "A bearer token is needed"),
    "not-permitted": (403, "The token does not permit this"),
    "unknown-home": (404, "The key has no home"),
    "unknown-move": (404, "There is no such move"),
    "not-found": (404, "There is no such resource"),
    "method-not-allowed": (405, "The resource does not know this method"),
    "no-room": (409, "No cell may take the user"),
    "epoch-conflict": (409, "The record has another epoch"),
    "home-not-permitted": (409, "The user may not live in this cell"),
    "home-elsewhere": (409, "A user that has a home is moved, not written elsewhere"),
    "home-moving": (409, "The user is being moved"),
    "move-refused": (409, "The move is not possible"),
    "body-too-slow": (408, "The body did not arrive in time"),
    "body-too-large": (413, "The body is too large"),
    "internal-error": (500, "The service made a mistake"),
    "no-moves": (501, "The service moves nobody"),
    "lookup-unavailable": (503, "The home can't be told now"),
    "too-many-streams": (503, "Too many followers of the feed"),
    "too-many-moves": (503, "Too many moves are open"),
}
"""Slug → status and title."""

_SLUG_BY_STATUS: Final = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}


class ProblemError(Exception):
    """Ends a request with this problem; `more` are members besides the standard ones."""

    def __init__(self, slug: str, detail: str, more: Mapping[str, Json] | None = None) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.more = more or {}


def problem_of(failure: Exception) -> ProblemError:
    """The problem that tells of an exception; one that nobody expected is logged."""
    match failure:
        case ProblemError():
            return failure
        case InvalidKeyError():
            return ProblemError("invalid-key", str(failure))
        case EpochConflictError():
            current = None if failure.current is None else record_form(failure.current)
            return ProblemError("epoch-conflict", str(failure), {"current": current})
        case MoveRefusedError() | MoveInProgressError() | MoveTakenError():
            return ProblemError("move-refused", str(failure))
        case StoreUnavailableError():
            return ProblemError("lookup-unavailable", "the store does not answer")
        case TimeoutError() | asyncio.TimeoutError():
            return ProblemError("lookup-unavailable", "the store did not answer in time")
        case ValueError():
            return ProblemError("invalid-request", str(failure))
        case web.HTTPException():
            slug = _SLUG_BY_STATUS.get(failure.status, "invalid-request")
            unrouted = failure.status in (404, 405)
            return ProblemError(slug, "GET / lists what can be asked" if unrouted else failure.reason)
    _log.error("a request failed", exc_info=failure)
    return ProblemError("internal-error", "see the log of the service")


def problem_response(problem: ProblemError) -> web.Response:
    """The problem as a reply."""
    status, title = _TITLES[problem.slug]
    body: dict[str, Json] = {
        "type": TYPE_PREFIX + problem.slug,
        "title": title,
        "status": status,
        "detail": problem.detail,
        **problem.more,
    }
    fields = {"Cache-Control": "no-store"}
    if status == 401:
        fields["WWW-Authenticate"] = "Bearer"
    elif status == 503:
        fields["Retry-After"] = "1"
    text = json.dumps(body, ensure_ascii=False) + "\n"
    return web.Response(text=text, status=status, content_type=CONTENT_TYPE, headers=fields)
