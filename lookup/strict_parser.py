"""Servers on aiohttp take requests by its C parser only, or don't start.

The Python parser that aiohttp quietly falls back to takes other bytes for a request than the C one, and was
looser again and again (GHSA-gfw2-4jvh-wgfg, CVE-2025-53643).
"""

from __future__ import annotations

from aiohttp import http_parser

MEND = "unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from its wheel for this platform"


class LenientParserError(Exception):
    """aiohttp has no C parser; the text says so, MEND what to do."""


def insist_on_c_parser() -> None:
    """Raises LenientParserError."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise LenientParserError("aiohttp runs without its C extension, and its Python parser is too lenient")
