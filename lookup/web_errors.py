"""Says in plain words why an HTTP request got no answer."""

from __future__ import annotations

import os
import ssl

import aiohttp


def in_words(error: Exception) -> str:
    """What an error says of itself; its name when that is nothing.

    aiohttp's own words on a connection that failed name TLS settings, also where there is no TLS.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect to {error.host}:{error.port}: {_reason(error.os_error)}"
    if isinstance(error, aiohttp.InvalidURL):
        return "this is no URL that can be called; correct host and port"
    if isinstance(error, aiohttp.NonHttpUrlClientError):
        return "the URL must begin with http:// or https://"
    return str(error) or type(error).__name__


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) or error.errno is None or error.errno <= 0:
        return error.strerror or str(error)
    return os.strerror(error.errno)
