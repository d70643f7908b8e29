"""Requests reach the home cell and no other; where none is known, nothing is forwarded."""

from __future__ import annotations

import time

import pytest

from lookup.assignment import Assignment
from proxy.observe import layout
from proxy.rooms.routes import Route
from tests.support.credentials import token
from tests.support.ends import until
from tests.support.messages import (
    HOST_LINE,
    ask,
    asked,
    get,
    got,
    lines,
    post,
    problem_of,
)
from tests.support.stage import Stage, staged

# Where is home?


@staged
async def test_the_first_lookup_asks_the_store_and_the_next_one_memory(stage: Stage) -> None:
    client = await stage.client()
    for tier in ("store", "memory"):
        await stage.serve(client, get())
        await stage.settled()
        line = stage.log()[-1]
        assert (line["tier"], line["cell"], line["epoch"], line["source"]) == (tier, "eu-1", 3, "bearer")
    assert stage.store.readings == 1


@staged
async def test_a_claim_needs_no_lookup(stage: Stage) -> None:
    client = await stage.client()
    claim = b"Authorization: Bearer " + token(1, "eu-2", 9)
    seen, _ = await stage.serve(client, lines(b"GET / HTTP/1.1", HOST_LINE, claim), "eu-2")
    assert b"\r\nX-Home-Cell: eu-2\r\nX-Home-Cell-Epoch: 9\r\n" in seen
    await stage.settled()
    assert stage.log()[-1]["tier"] == "claim"
    assert stage.store.readings == 0


@staged
async def test_a_claim_overruled_by_a_move_is_looked_up(stage: Stage) -> None:
    moved = Assignment("user:1", "eu-1", "eu", 10, updated_at_s=time.time())
    stage.store.place(moved)
    stage.resolver.learn_change(moved, "eu-2", time.time())
    client = await stage.client()
    claim = b"Authorization: Bearer " + token(1, "eu-2", 9)
    seen, _ = await stage.serve(client, lines(b"GET / HTTP/1.1", HOST_LINE, claim), "eu-1")
    assert b"\r\nX-Home-Cell: eu-1\r\nX-Home-Cell-Epoch: 10\r\n" in seen


@staged
async def test_clients_of_one_user_share_one_lookup(stage: Stage) -> None:
    stage.store.open_gate.clear()
    clients = [await stage.client() for _ in range(5)]
    for client in clients:
        client.send(get())
    await until(lambda: stage.edge.in_flight == 5, "all are under way")
    stage.store.open_gate.set()
    for _ in clients:
        await (await stage.cell.connection()).expect(got())
    assert stage.store.readings == 1


@staged
async def test_an_unknown_user_is_404(stage: Stage) -> None:
    client = await stage.client()
    for _ in range(2):
        client.send(post(b"/", b"hello", user=404))
        problem = await problem_of(client)
        assert (problem.status, problem.slug, problem.closes) == (404, "unknown-home", False)
    await stage.insist_untouched()
    assert [line["reason"] for line in stage.log()] == ["unknown-home"] * 2
    assert stage.counted(layout.REPLIES + layout.EXACT_STATUSES.index(404), "") == 2


@staged
async def test_a_lookup_that_is_unavailable_is_503_and_soon_tried_again(stage: Stage) -> None:
    stage.store.available = False
    client = await stage.client()
    client.send(get())
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.closes) == (503, "lookup-unavailable", False)
    assert (await stage.logged())["path"] == "", "nobody knows yet whose law it is under"
    assert problem.fields[b"retry-after"] == b"2"
    await stage.insist_untouched()
    stage.store.available = True
    await stage.serve(client, get())


@staged
async def test_a_claim_of_a_cell_that_is_not_in_the_inventory_is_confirmed(stage: Stage) -> None:
    client = await stage.client()
    claim = b"Authorization: Bearer " + token(1, "retired", 1)
    for readings in (1, 2):
        seen, _ = await stage.serve(client, lines(b"GET / HTTP/1.1", HOST_LINE, claim), "eu-1")
        assert b"\r\nX-Home-Cell: eu-1\r\nX-Home-Cell-Epoch: 3\r\n" in seen
        assert stage.store.readings == readings


@staged
async def test_a_newer_claim_of_a_cell_that_is_not_in_the_inventory_is_not_overruled_by_memory(
    stage: Stage,
) -> None:
    client = await stage.client()
    await stage.serve(client, get())
    stage.store.place(Assignment("user:1", "eu-99", "eu", 9))
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE, b"Authorization: Bearer " + token(1, "eu-99", 9)))
    assert (await problem_of(client)).slug == "home-not-listed"
    await stage.insist_untouched()


@staged
async def test_a_home_that_is_not_in_the_inventory_is_503(stage: Stage) -> None:
    stage.store.place(Assignment("user:3", "eu-99", "eu", 2))
    client = await stage.client()
    client.send(get(user=3))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.cell) == (503, "home-not-listed", "")
    await stage.insist_untouched()


@staged
async def test_a_home_that_is_not_in_the_inventory_is_logged_with_its_path_whatever_tier_told(
    stage: Stage,
) -> None:
    stage.store.place(Assignment("user:3", "eu-99", "eu", 2))
    client = await stage.client()
    for _ in ("store", "memory"):
        client.send(get(b"/visits", user=3))
        assert (await problem_of(client)).slug == "home-not-listed"
    assert [(line["tier"], line["path"]) for line in stage.log()] == [
        ("store", "/visits"),
        ("memory", "/visits"),
    ]


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE"])
@staged
async def test_a_user_being_moved_waits_with_unsafe_methods(stage: Stage, method: bytes) -> None:
    client = await stage.client()
    client.send(ask(method + b" / HTTP/1.1", user=8))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.cell) == (503, "moving", "eu-1")
    assert problem.fields[b"retry-after"] == b"2"
    await stage.insist_untouched()


@staged
async def test_a_user_being_moved_reads_where_he_was(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(user=8))
    cell = await stage.cell.connection()
    await cell.expect(got(user=8, home=(b"eu-1", 8)))


# Whom does it go to without a credential?


@staged
async def test_on_an_anonymous_route_any_serving_cell_of_the_edges_jurisdiction_answers(stage: Stage) -> None:
    request = lines(b"GET /open HTTP/1.1", HOST_LINE, b"Connection: close")
    for _ in range(4):
        (await stage.client()).send(request)
    for name in ("eu-1", "eu-2"):
        for _ in range(2):
            head = await (await stage.cells[name].connection()).take_head()
            assert b"\r\nX-Home-Cell: %b\r\nX-Home-Cell-Epoch: 0\r\n" % name.encode() in head
    await stage.insist_untouched()


@staged
async def test_on_an_anonymous_route_a_credential_still_decides(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/open", user=5))
    await (await stage.cells["eu-2"].connection()).expect(got(b"/open", user=5, home=(b"eu-2", 5)))
    client = await stage.client()
    client.send(lines(b"GET /open HTTP/1.1", HOST_LINE, b"Authorization: Bearer wrong"))
    assert (await problem_of(client)).status == 401


@staged
async def test_routes_are_judged_as_the_cell_would_understand_them(stage: Stage) -> None:
    """A detour in the path must not open what needs a credential."""
    client = await stage.client()
    for path in (b"/open/../private", b"/open/%2e%2e/private", b"//open/..//private", b"/opening"):
        client.send(lines(b"GET " + path + b" HTTP/1.1", HOST_LINE))
        assert (await problem_of(client)).status == 401, path
    await stage.insist_untouched()


@staged
async def test_without_a_route_it_is_404(stage: Stage) -> None:
    stage.use_routes(Route(b"/api", False, None, 100))
    client = await stage.client()
    client.send(get(b"/other"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.closes) == (404, "no-route", False)
    await stage.insist_untouched()


@staged
async def test_client_fields_in_the_proxys_name_never_reach_the_cell(stage: Stage) -> None:
    client = await stage.client()
    client.send(
        ask(
            b"GET / HTTP/1.1",
            b"X-Home-Cell: us-1",
            b"x-home-cell-epoch: 99",
            b"X_Home_Cell: us-1",
            b"X-Home-Cell-Not-Mine: 1",
            b"X-Other: kept",
        )
    )
    cell = await stage.cell.connection()
    await cell.expect(asked(b"GET / HTTP/1.1", b"X-Other: kept"))
