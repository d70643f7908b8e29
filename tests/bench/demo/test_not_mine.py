"""Sample cells behind an edge: a request for the wrong one reaches the right one, and webhooks get none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from bench.demo.population import home_of
from bench.demo.sample_cell import SampleCell
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
        server = TestServer(SampleCell(described, inventory).application(), host=HOST, port=cell.port)
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


@pytest.mark.parametrize("path", [b"/leave", b"/copy", b"/-/leave", b"/-/copy"])
@staged
async def test_no_client_gets_at_a_webhook_through_the_edge(stage: Stage, path: bytes) -> None:
    inventory = tuple(cell.description() for cell in stage.cells.values())
    asker, resident = [n for n in range(20) if home_of(n, inventory).name == "eu-1"][:2]
    await stage.cell.shut()
    sample = SampleCell(inventory[0], inventory)
    server = TestServer(sample.application(), host=HOST, port=stage.cell.port)
    await server.start_server()
    for number in (asker, resident):
        stage.store.place(Assignment(f"user:{number}", "eu-1", "eu", 5, updated_at_s=time.time()))

    async def posted(number: int, path: bytes, body: bytes) -> dict[str, Any]:
        client = await stage.client()
        credential = b"Authorization: Bearer " + token(number)
        length = b"Content-Length: %d" % len(body)
        client.send(lines(b"POST %b HTTP/1.1" % path, HOST_LINE, credential, length), body)
        head = await client.take_head()
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        reply = json.loads(await client.take(size))
        client.close()
        return dict(reply)

    kept = await posted(resident, b"/notes", b"")
    order = {"number": resident, "epoch": 99}
    move = {"key": f"user:{resident}", "source": "eu-2", "target": "eu-1", "epoch": "99"}
    reply = await posted(asker, path, json.dumps({**order, **move}).encode())
    assert (reply["cell"], reply["user"], reply["request"]["path"]) == (
        "eu-1",
        f"user:{asker}",
        path.decode(),
    )
    assert str(kept["record"]["locker"]) not in json.dumps(reply)
    again = await posted(resident, b"/notes", b"")
    assert again["record"] == {**kept["record"], "visits": 2}
    await server.close()
