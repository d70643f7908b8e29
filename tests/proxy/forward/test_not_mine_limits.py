"""What a cell that says "not mine" can't do: be believed, be asked for ever, be read in two ways."""

from __future__ import annotations

import logging

import pytest

from lookup.assignment import Assignment, State
from lookup.flags import Flag
from tests.proxy.forward.mistaken import home, mistaken, not_mine, results
from tests.support.ends import until
from tests.support.messages import (
    HOST_LINE,
    get,
    got,
    lines,
    post,
    posted,
    problem_of,
)
from tests.support.stage import Stage, staged

# Where it does not go.


@pytest.mark.parametrize("says", [b"3", b"9; cell=eu-2"])
@staged
async def test_a_cell_that_the_truth_names_all_the_same_is_not_asked_again(
    stage: Stage, says: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client, cell = await mistaken(stage, home("eu-1", 3))
    with caplog.at_level(logging.WARNING, "homecell"):
        for _ in range(2):
            client.send(get())
            await cell.expect(got())
            cell.send(not_mine(says))
            problem = await problem_of(client)
            assert (problem.status, problem.slug, problem.cell) == (503, "home-disputed", "eu-1")
            assert problem.fields[b"retry-after"] == b"5"
            assert problem.fields[b"x-home-cell-degraded"] == b"home-disputed"
    await stage.insist_untouched()
    assert results(stage) == {"disputed": 2}
    line = stage.log()[-1]
    assert (line["reason"], line["attempts"], line["cell"]) == ("home-disputed", 1, "eu-1")
    assert len(caplog.messages) == 1, "operators are told, but not of each request"
    assert "user:1" not in caplog.text


@staged
async def test_a_second_not_mine_of_the_same_request_ends_it(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(post(b"/", b"x"))
    await cell.expect(posted(b"/", b"x"))
    cell.send(not_mine(b"5"))
    second = await stage.cells["eu-2"].connection()
    await second.take_head()
    stage.store.place(home("eu-1", 7))
    second.send(not_mine(b"7; cell=eu-1"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (503, "not-mine-twice")
    await stage.insist_untouched()
    assert not cell.received
    assert (results(stage), results(stage, "eu-2")) == ({"replayed": 1}, {"twice": 1})
    line = stage.log()[-1]
    assert (line["reason"], line["attempts"], line["cell"]) == ("not-mine-twice", 2, "eu-2")
    assert line["asked_before"] == ["eu-1"]


@pytest.mark.parametrize(
    "says",
    [
        (b"",),
        (b"five",),
        (b"-1",),
        (b"05",),
        (b"5;",),
        (b"5; cell=",),
        (b"5; cell=EU-2",),
        (b'5; cell="eu-2"',),
        (b"5; cell=eu-2; cell=us-1",),
        (b"5, 6",),
        (b"9" * 19,),
        (b"5", b"5"),
    ],
)
@staged
async def test_a_word_that_can_not_be_read_is_a_broken_reply(stage: Stage, says: tuple[bytes, ...]) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    readings = stage.store.readings
    client.send(get())
    await cell.expect(got())
    cell.send(not_mine(*says))
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (502, "cell-bad-reply")
    assert results(stage) == {"malformed": 1}
    assert stage.store.readings == readings
    assert await cell.until_cut() == b"", "the connection is not used again"
    await stage.insist_untouched()


@staged
async def test_a_421_without_the_field_is_the_applications_own(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(get())
    await cell.expect(got())
    cell.send(not_mine(body=b"own"))
    reply = await client.take_head()
    assert reply.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
    assert b"\r\nX-Other: kept\r\n" in reply
    await client.expect(b"own")
    assert results(stage) == {}


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"503 Service Unavailable"])
@staged
async def test_the_field_means_nothing_with_another_status_and_reaches_nobody(
    stage: Stage, status: bytes
) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    client.send(get())
    await cell.expect(got())
    cell.send(lines(b"HTTP/1.1 " + status, b"Content-Length: 0", b"X-Home-Cell-Not-Mine: 5; cell=eu-2"))
    reply = await client.take_head()
    assert reply.startswith(b"HTTP/1.1 " + status)
    assert b"not-mine" not in reply.lower()
    assert results(stage) == {}


@pytest.mark.parametrize(
    ("truth", "status", "slug"),
    [
        (home("eu-2", 5, jurisdiction="ch"), 421, "wrong-edge"),
        (home("us-1", 5), 421, "wrong-edge"),
        (home("eu-99", 5), 503, "home-not-listed"),
        (home("eu-1", 4, State.MOVING), 503, "moving"),
        (None, 404, "unknown-home"),
    ],
)
@staged
async def test_the_rules_hold_for_the_cell_that_the_truth_names(
    stage: Stage, truth: Assignment | None, status: int, slug: str
) -> None:
    client, cell = await mistaken(stage, truth)
    client.send(post(b"/private", b"x"))
    await cell.expect(posted(b"/private", b"x"))
    cell.send(not_mine(b"5; cell=eu-2"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (status, slug)
    await stage.insist_untouched()
    assert not cell.received
    assert results(stage) == {"refused": 1}
    line = stage.log()[-1]
    assert (line["cell"], line["attempts"]) == ("eu-1", 1), "an auditor must see where the request was"
    assert "asked_before" not in line
    if slug == "wrong-edge":
        assert line["path"] == ""
    assert stage.edge.fence.quiet, "a cell that refused a request does not go on with it"


@staged
async def test_whom_the_truth_does_not_know_any_more_goes_nowhere_from_then_on(stage: Stage) -> None:
    client, cell = await mistaken(stage, None)
    client.send(get())
    await cell.expect(got())
    cell.send(not_mine(b"5"))
    for _ in range(2):
        problem = await problem_of(client)
        assert (problem.status, problem.slug) == (404, "unknown-home")
        client.send(get())
    await problem_of(client)
    await stage.insist_untouched()
    assert not cell.received


@staged
async def test_a_home_that_is_flagged_down_gets_nothing(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    stage.flag("eu-2", Flag.DOWN)
    client.send(get(b"/static/page"))
    await cell.expect(got(b"/static/page"))
    cell.send(not_mine(b"5"))
    reply = await client.take_head()
    assert b"\r\nX-Home-Cell-Degraded: cell-down\r\n" in reply
    await client.expect(b"come back later")
    await stage.insist_untouched()
    assert (stage.log()[-1]["cell"], stage.log()[-1]["attempts"]) == ("eu-1", 1)


@staged
async def test_who_asks_without_a_credential_has_no_home_to_be_sent_to(stage: Stage) -> None:
    client = await stage.client()
    client.send(lines(b"GET /open HTTP/1.1", HOST_LINE))
    await until(lambda: any(cell.accepted for cell in stage.cells.values()), "a cell was asked")
    name = next(name for name, cell in stage.cells.items() if cell.accepted)
    end = await stage.cells[name].connection()
    await end.take_head()
    end.send(not_mine(b"5; cell=us-1"))
    assert (await problem_of(client)).slug == "home-disputed"
    assert results(stage, name) == {"disputed": 1}
    await stage.insist_untouched()


# While the truth is being asked.


@staged
async def test_without_the_truth_nothing_is_guessed(stage: Stage) -> None:
    client, cell = await mistaken(stage, home("eu-2", 5))
    stage.store.available = False
    client.send(get(b"/private"))
    await cell.expect(got(b"/private"))
    cell.send(not_mine(b"5; cell=eu-2"))
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.cell) == (503, "lookup-unavailable", "")
    assert stage.log()[-1]["path"] == ""
    assert results(stage) == {"unavailable": 1}
    await stage.insist_untouched()
