"""Reads the JSON of a request's body: all of it, in time, and nothing that could not be written again."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import web

from lookup.service.problems import ProblemError

BODY_S: Final = 5.0
"""So long a body may take; the service itself needs the rest of the time for its answer."""


async def form_of(request: web.Request, body_s: float = BODY_S) -> object:
    """The JSON of the body. Raises ValueError; ProblemError for one that does not arrive in time."""
    try:
        async with asyncio.timeout(body_s):
            body = await request.read()
    except TimeoutError:
        raise ProblemError("body-too-slow", f"the body did not arrive within {body_s:g} s") from None
    except (web.RequestPayloadError, ConnectionError):
        raise ValueError("the body broke off, or is not encoded as its header says") from None
    try:
        text = body.decode()
        form: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON in UTF-8") from None
    if "\\u" in text:
        _insist_on_whole_characters(form)
    return form


def _insist_on_whole_characters(form: object) -> None:
    """Half of a surrogate pair is JSON, but no store and no answer could hold it."""
    try:
        json.dumps(form, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text of the body has half of a surrogate pair: no character") from None


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON, though Python reads it")
