"""What becomes of a request's body when the cell says "not mine": sent once more, or the client is told."""

from __future__ import annotations

import pytest

from proxy.forward.request_body import KEPT_BYTES
from proxy.rooms.routes import Route
from tests.proxy.forward.mistaken import home, mistaken, not_mine, results
from tests.support.ends import until
from tests.support.messages import Problem, answer, answered, ask, asked, chunk, get, got, post, problem_of
from tests.support.stage import Stage, staged

CHUNKED = b"Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"
EU_2 = (b"eu-2", 5)


def length(size: int) -> bytes:
    return b"Content-Length: %d" % size


@pytest.mark.parametrize("size", [0, 1, 20_000, KEPT_BYTES])
@staged
async def test_a_body_that_was_kept_arrives_whole(stage: Stage, size: int) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    body = bytes(range(256)) * (size // 256 + 1)
    client.send(post(b"/", body[:size]))
    await cell.take_head()
    await cell.expect(body[:size])
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    await right.expect(asked(b"POST / HTTP/1.1", length(size), home=EU_2), body[:size])
    right.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.settled()
    assert stage.log()[-1]["request_bytes"] == size


@staged
async def test_a_body_in_many_pieces_arrives_whole(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(ask(b"PUT / HTTP/1.1", length(300)))
    await cell.take_head()
    body = bytes(range(100)) * 3
    for index in range(300):
        client.send(body[index : index + 1])
        await cell.expect(body[index : index + 1])
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    await right.expect(asked(b"PUT / HTTP/1.1", length(300), home=EU_2), body)


@staged
async def test_a_chunked_body_arrives_whole_with_its_trailers(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    coded = chunk(b"hello") + b"0\r\nX-Sum: 1\r\n\r\n"
    client.send(ask(b"POST / HTTP/1.1", CHUNKED), coded)
    seen = await cell.take_head()
    assert b"\r\nTransfer-Encoding: chunked\r\n" in seen
    await cell.expect(coded)
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    assert b"\r\nTransfer-Encoding: chunked\r\n" in await right.take_head()
    await right.expect(coded)


@pytest.mark.parametrize("chunked", [False, True])
@staged
async def test_a_cell_may_say_it_while_the_body_is_still_arriving(stage: Stage, chunked: bool) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    pieces = [b"first,", b"second,", b"third"]
    coded = [chunk(piece) for piece in pieces] if chunked else pieces
    client.send(ask(b"POST / HTTP/1.1", CHUNKED if chunked else length(18)), coded[0])
    await cell.take_head()
    await cell.expect(coded[0])
    stage.store.open_gate.clear()
    readings = stage.store.readings
    cell.send(not_mine(b"5"))
    await until(lambda: stage.store.readings > readings, "the truth is asked")
    assert await cell.until_cut() == b"", "the rest is not for this cell"
    client.send(coded[1])
    stage.store.open_gate.set()
    right = await stage.cells["eu-2"].connection()
    await right.take_head()
    client.send(coded[2], LAST if chunked else b"", get(b"/next"))
    await right.expect(*coded, LAST if chunked else b"")
    right.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await right.expect(got(b"/next", home=EU_2))


@staged
async def test_a_long_body_of_which_little_came_goes_on_to_the_right_cell(stage: Stage) -> None:
    """Nothing of it was sent yet, so nothing is missing."""
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(ask(b"POST / HTTP/1.1", length(KEPT_BYTES + 1), b"Expect: 100-continue"))
    await cell.take_head()
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    assert b"\r\nExpect: 100-continue\r\n" in await right.take_head()
    right.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await client.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
    client.send(b"x" * (KEPT_BYTES + 1))
    await right.expect(b"x" * (KEPT_BYTES + 1))
    right.send(answer(b"x"))
    await client.expect(answered(b"x"))


@pytest.mark.parametrize("chunked", [False, True])
@staged
async def test_a_body_that_was_not_kept_must_be_sent_again_by_the_client(stage: Stage, chunked: bool) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    body = b"x" * (KEPT_BYTES + 1)
    if chunked:
        client.send(ask(b"POST / HTTP/1.1", CHUNKED), chunk(body), LAST)
        await cell.take_head()
        await cell.take_to(LAST)
    else:
        client.send(post(b"/", body))
        await cell.take_head()
        await cell.expect(body)
    cell.send(not_mine(b"5"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.closes) == (409, "home-changed", False)
    assert results(stage) == {"told": 1}
    await stage.insist_untouched()
    line = stage.log()[-1]
    assert (line["reason"], line["cell"], line["attempts"]) == ("home-changed", "eu-1", 1)
    client.send(post(b"/", b"again"))
    await (await stage.cells["eu-2"].connection()).take_head()


@staged
async def test_what_is_still_missing_of_a_body_that_was_not_kept_is_not_waited_for(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(ask(b"POST / HTTP/1.1", length(1_000_000)), b"x" * 70_000)
    await cell.take_head()
    cell.send(not_mine(b"5"))
    problem = Problem(await client.rest())
    assert (problem.slug, problem.closes) == ("home-changed", True)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/upload?part=1", b"/upload?part=1"),
        (b"//evil.example/", b"/.//evil.example/"),
        (b"/\\evil.example/", b"/./\\evil.example/"),
    ],
)
@staged
async def test_a_route_may_send_the_client_to_the_same_url(
    stage: Stage, target: bytes, location: bytes
) -> None:
    stage.use_routes(Route(b"/", False, None, 1 << 30, redirects=True))
    client, cell = await mistaken(stage, home("eu-2", 5))
    body = b"x" * (KEPT_BYTES + 1)
    client.send(post(target, body))
    await cell.take_head()
    await cell.expect(body)
    cell.send(not_mine(b"5"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (307, "send-again")
    assert problem.fields[b"location"] == location


@staged
async def test_a_target_that_is_no_url_is_not_redirected_to(stage: Stage) -> None:
    stage.use_routes(Route(b"/", False, None, 1 << 30, redirects=True))
    client, cell = await mistaken(stage, home("eu-2", 5))
    body = b"x" * (KEPT_BYTES + 1)
    client.send(ask(b"OPTIONS * HTTP/1.1", length(len(body))), body)
    await cell.take_head()
    await cell.expect(body)
    cell.send(not_mine(b"5"))
    assert (await problem_of(client)).slug == "home-changed"


@staged
async def test_a_body_that_was_not_kept_matters_to_nobody_whom_the_rules_keep_out(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5, jurisdiction="ch"))
    body = b"x" * (KEPT_BYTES + 1)
    client.send(post(b"/private", body))
    await cell.take_head()
    await cell.expect(body)
    cell.send(not_mine(b"5"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (421, "wrong-edge")
    assert stage.log()[-1]["path"] == ""


@staged
async def test_a_cell_that_had_stopped_reading_no_longer_holds_the_client_back(stage: Stage) -> None:
    """The body fits in what is kept, but the cell took so little that reading from the client was stopped."""
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(ask(b"POST / HTTP/1.1", length(60_000)), b"x" * 100)
    await cell.take_head()
    (connection,) = stage.edge.connections
    connection.hold_congested()  # as the proxy's connection to the cell says it
    cell.send(not_mine(b"5"))
    right = await stage.cells["eu-2"].connection()
    await right.take_head()
    client.send(b"x" * 59_900)
    await right.expect(b"x" * 60_000)


@staged
async def test_a_reply_to_not_mine_that_is_not_complete_is_not_waited_for(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(get())
    await cell.expect(got())
    cell.send(not_mine(b"5", body=b"long explanation")[:-5])
    await (await stage.cells["eu-2"].connection()).expect(got(home=EU_2))
    assert await cell.until_cut() == b""
