"""An edge that may open no more files says so of itself, and blames no cell."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from proxy.observe import layout
from tests.support.messages import get, problem_of
from tests.support.stage import Stage, staged


@contextmanager
def no_more_files() -> Iterator[None]:
    """Whatever this process opens within fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@staged
async def test_a_request_that_finds_no_free_file_is_not_the_cells_fault(stage: Stage) -> None:
    client = await stage.client()
    with no_more_files():
        client.send(get())
        problem = await problem_of(client)
    assert (problem.status, problem.slug) == (503, "out-of-resources")
    assert stage.counted(layout.ATTEMPT_FAILURES, "eu-1") == 0
    await client.expect_end()
    await stage.serve(await stage.client(), get())
