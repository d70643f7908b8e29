"""Real servers for tests. One that can't be had fails the test in CI; elsewhere it says what to install."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.servers.process import ServerError


@contextmanager
def needed() -> Iterator[None]:
    """Around what starts a server."""
    try:
        yield
    except ServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
