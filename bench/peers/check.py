"""Before any timing: does a proxy do the work? Right cell; wrong, expired or no token; unknown user."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass

from bench.peers.rows import Row
from bench.peers.servers import Running
from bench.peers.traffic import USERS, World, token

SAMPLE_USERS = (0, 1, 2, 3, 41, 4_242, 99_999)


class WrongPeerError(Exception):
    """A proxy that does not do the work: its figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, and the cell that its body names ("" when it names none)."""

    status: int
    cell: str


def check(row: Row, running: Running, world: World) -> None:
    """Raise WrongPeerError unless the proxy verifies, finds the cell and refuses as it must."""
    if not row.identity:
        _expect(row, "any request", ask(running.port, None), Reply(200, world.cells[0].name))
        return
    now_s = int(time.time())
    for user in SAMPLE_USERS:
        good = token(world, row.algorithm, user, now_s)
        _expect(row, f"user {user}", ask(running.port, good), Reply(200, world.cell_of(user).name))
    good = token(world, row.algorithm, 7, now_s)
    _expect(row, "wrong signature", ask(running.port, forged(good)), Reply(401, ""))
    expired = token(world, row.algorithm, 7, now_s - 7200, 3600)
    _expect(row, "expired token", ask(running.port, expired), Reply(401, ""))
    _expect(row, "no token", ask(running.port, None), Reply(401, ""))
    _expect(row, "unknown user", ask(running.port, token(world, row.algorithm, USERS, now_s)), Reply(404, ""))


def forged(good: str) -> str:
    """The same token with the first character of its signature changed."""
    signed, _, signature = good.rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def ask(port: int, bearer: str | None) -> Reply:
    """One GET on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        fields = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        connection.request("GET", "/check", headers=fields)
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    return Reply(reply.status, str(json.loads(body)["cell"]) if reply.status == 200 else "")


def _expect(row: Row, what: str, got: Reply, wanted: Reply) -> None:
    if got != wanted:
        raise WrongPeerError(f"{row.key}, {what}: {got}, not {wanted}")
