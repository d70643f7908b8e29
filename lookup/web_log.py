"""Which lines of aiohttp's servers are worth an operator's time."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError


def is_of_ours(record: logging.LogRecord) -> bool:
    """aiohttp logs a stack for each request that is no HTTP; anybody who reaches the port can send those."""
    failure = record.exc_info[1] if record.exc_info else None
    return not isinstance(failure, HttpProcessingError | web.RequestPayloadError)
