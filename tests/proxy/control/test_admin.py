"""The admin endpoint as its callers see it."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from bench.servers.ports import free_port
from proxy.control.admin import Admin, AdminError
from proxy.control.messages import WorkerState
from proxy.control.status import EdgeStatus, WorkerStatus
from proxy.model import Endpoint
from proxy.observe.exporter import Reading
from proxy.observe.heavy import Heavy
from proxy.observe.layout import row_length


class OneWorker:
    """An edge with one worker in a given state."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state

    def status(self) -> EdgeStatus:
        return EdgeStatus(
            "edge-1",
            "home.sqlite",
            ["eu-1"],
            False,
            [WorkerStatus(0, 42, self._state, {"eu-1": 2}, 5, 0.5)],
            None,
        )

    def reading(self) -> Reading:
        return Reading(["eu-1"], [0] * row_length(1), [frozenset()], 0.5, 1, 0, (), self.heaviest(3))

    def heaviest(self, most: int) -> list[Heavy]:
        return [Heavy("eu-1", f"user:{rank}", 0.5 / rank, 0.6 / rank, 50, 91) for rank in range(1, most + 1)]


Answer = tuple[int, str, str]


def ask(
    path: str,
    *,
    method: str = "GET",
    accept: str = "*/*",
    state: WorkerState = WorkerState.READY,
) -> Answer:
    """Status, content type and body of the answer."""

    async def scenario() -> Answer:
        admin, at = Admin(OneWorker(state)), Endpoint("127.0.0.1", free_port())
        await admin.start(at)
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.request(
                    method, f"http://{at.host}:{at.port}{path}", headers={"Accept": accept}
                ) as reply,
            ):
                return reply.status, reply.headers["Content-Type"], await reply.text()
        finally:
            await admin.close()

    return asyncio.run(scenario())


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"GET /" + b"a" * 20_000])
def test_what_is_no_http_is_refused_and_leaves_no_stack_in_the_log(
    caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    async def scenario() -> bytes:
        admin, at = Admin(OneWorker(WorkerState.READY)), Endpoint("127.0.0.1", free_port())
        await admin.start(at)
        try:
            reader, writer = await asyncio.open_connection(at.host, at.port)
            writer.write(sent)
            answer = await reader.readline()
            writer.close()
            return answer
        finally:
            await admin.close()

    assert b" 400 " in asyncio.run(scenario())
    assert caplog.records == []


def test_heavy_says_who_asks_most_to_its_own_machine() -> None:
    status, _, body = ask("/-/heavy")
    told = json.loads(body)
    assert (status, told["edge"], len(told["users"])) == (200, "edge-1", 20)
    assert told["users"][1] == {
        "cell": "eu-1",
        "key": "user:2",
        "share_at_least": 0.25,
        "share_at_most": 0.3,
        "samples": 50,
        "samples_of_cell": 91,
    }


def test_heavy_is_told_to_nobody_who_asks_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "remote", "192.0.2.7")
    status, _, body = ask("/-/heavy")
    assert status == 403
    assert "user:" not in body


def test_metrics_tell_how_much_the_heaviest_ask_and_not_who() -> None:
    _, _, body = ask("/metrics")
    shares = [line for line in body.splitlines() if line.startswith("homecell_heavy_hitter_share{")]
    assert shares == [
        f'homecell_heavy_hitter_share{{cell="eu-1",rank="{rank}"}} {0.5 / rank}' for rank in (1, 2, 3)
    ]
    assert "user:" not in body


def test_live_says_that_the_supervisor_runs() -> None:
    assert ask("/-/live", state=WorkerState.STARTING)[0] == 200


def test_ready_is_200_while_a_worker_serves_and_503_else() -> None:
    status, content_type, body = ask("/-/ready")
    assert (status, content_type) == (200, "application/json; charset=utf-8")
    assert '"ready": true' in body
    status, _, body = ask("/-/ready", state=WorkerState.STARTING)
    assert status == 503
    assert '"state": "starting"' in body


def test_flags_tells_the_versions() -> None:
    assert '"flags": {"eu-1": 2}' in ask("/-/flags")[2]


def test_metrics_are_text_for_prometheus_and_openmetrics_for_who_asks() -> None:
    status, content_type, body = ask("/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "homecell_workers 1.0\n" in body
    status, content_type, body = ask("/metrics", accept="application/openmetrics-text; version=nonsense")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith("# EOF\n")


def test_the_index_lists_every_path() -> None:
    status, _, body = ask("/")
    assert status == 200
    for path in ("/-/live", "/-/ready", "/-/flags", "/metrics"):
        assert f"\n{path}" in body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/-/nothing", 404), ("POST", "/-/ready", 405), ("DELETE", "/", 405)],
)
def test_what_it_does_not_offer_is_a_problem(method: str, path: str, status: int) -> None:
    found, content_type, body = ask(path, method=method)
    assert (found, content_type.partition(";")[0]) == (status, "application/problem+json")
    assert '"type": "https://homecell.example/problems/' in body


@pytest.mark.parametrize("path", ["/-/ready", "/-/flags", "/-/heavy", "/none"])
def test_what_it_tells_ends_its_line(path: str) -> None:
    assert ask(path)[2].endswith("}\n")


def test_an_address_in_use_is_named() -> None:
    async def scenario() -> None:
        at = Endpoint("127.0.0.1", free_port())
        first, second = (Admin(OneWorker(WorkerState.READY)) for _ in range(2))
        await first.start(at)
        try:
            with pytest.raises(AdminError, match=rf"edge\.admin 127\.0\.0\.1:{at.port}: .*in use"):
                await second.start(at)
        finally:
            await first.close()

    asyncio.run(scenario())
