"""The sample cells and the edge understand each other: a request for the wrong one reaches the right one."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from bench.demo.sample_cell import application
from lookup.assignment import Assignment
from tests.proxy.forward.mistaken import results
from tests.support.cells import HOST
from tests.support.credentials import token
from tests.support.messages import HOST_LINE, lines
from tests.support.stage import Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@staged
async def test_a_write_with_a_wrong_claim_is_answered_by_the_users_home(stage: Stage) -> None:
    inventory = tuple(cell.description() for cell in stage.cells.values())
    stage.store.place(Assignment("user:1", "eu-2", "eu", 5, updated_at_s=time.time()))
    servers = []
    for described in inventory[:2]:
        cell = stage.cells[described.name]
        await cell.shut()
        server = TestServer(application(described, inventory), host=HOST, port=cell.port)
        await server.start_server()
        servers.append(server)
    client = await stage.client()
    claim = b"Authorization: Bearer " + token(1, "eu-1", 3)
    client.send(lines(b"POST /notes HTTP/1.1", HOST_LINE, claim, b"Content-Length: 4"), b"four")
    head = await client.take_head()
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    reply = json.loads(await client.take(size))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"not-mine" not in head.lower()
    assert (reply["cell"], reply["request"]["body_bytes"]) == ("eu-2", 4)
    assert reply["edge_said"]["X-Home-Cell-Epoch"] == "5"
    assert results(stage) == {"replayed": 1}
    client.close()
    for server in servers:
        await server.close()
