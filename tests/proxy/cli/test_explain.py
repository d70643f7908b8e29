"""homecell explain: each way that a request can take, with the rule that decided."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site


def told(homecell: Homecell, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(homecell("explain", *arguments, "--json").stdout)
    return answer


def rooms(answer: dict[str, Any]) -> list[str]:
    return [("" if step["passed"] else "!") + step["room"] for step in answer["steps"]]


def step(answer: dict[str, Any], room: str) -> dict[str, Any]:
    (found,) = [step for step in answer["steps"] if step["room"] == room]
    return dict(found)


def token(homecell: Homecell, *arguments: str) -> str:
    return homecell("token", *arguments).stdout.strip()


def test_a_served_user_passes_every_room(homecell: Homecell) -> None:
    result = homecell("explain", "user:1")
    assert result.exit_code == 0
    assert "ok  residency  user of eu, edge in eu, cell in eu" in result.stdout
    assert result.stdout.endswith("The client gets the reply of eu-1, if it answers\n")
    answer = told(homecell, "user:1")
    assert rooms(answer) == ["route", "identify", "lookup", "residency", "flag", "endpoint"]
    assert (answer["served"], answer["status"], answer["cell"], answer["reason"]) == (True, None, "eu-1", "")
    assert step(answer, "lookup")["says"].startswith("eu-1, epoch 1, placed ")
    assert step(answer, "lookup")["rule"] == "tier store"
    assert step(answer, "endpoint")["says"] == "127.0.0.1:8101"


@pytest.mark.parametrize(
    ("user", "state"),
    [
        ("user:1", "eu-1, epoch 1, placed [0-9].* ago"),
        ("user:2", "us-1, epoch 3, at home there for [0-9].*"),
        ("user:3", "eu-1, epoch 5, moving to us-1 for [0-9].*"),
    ],
)
def test_since_when_somebody_is_at_home_or_moving_is_told_in_words_that_fit(
    homecell: Homecell, user: str, state: str
) -> None:
    assert re.fullmatch(state, step(told(homecell, user), "lookup")["says"])


def test_a_cell_with_several_endpoints_is_told_with_all(homecell: Homecell) -> None:
    answer = told(homecell, "user:2")
    assert step(answer, "endpoint")["says"] == "127.0.0.1:8102 or cell.example:8102"


def test_an_unknown_user_gets_404(homecell: Homecell) -> None:
    assert homecell("explain", "user:999").exit_code == 1
    answer = told(homecell, "user:999")
    assert rooms(answer) == ["route", "identify", "!lookup"]
    assert (answer["status"], answer["reason"], answer["cell"]) == (404, "unknown-home", "")


def test_a_user_whom_this_edge_may_not_serve_gets_421_and_the_right_edge(
    homecell: Homecell, site: Site
) -> None:
    site.spoil(
        ("jurisdiction: eu\n  listen", "jurisdiction: us\n  listen"),
        (
            'eu: {allow: [eu], edge_url: "http://127.0.0.1:8080"',
            'eu: {allow: [eu], edge_url: "http://127.0.0.1:8085"',
        ),
    )
    answer = told(homecell, "user:1")
    assert rooms(answer)[-1] == "!residency"
    assert (answer["status"], answer["reason"]) == (421, "wrong-edge")
    assert step(answer, "residency")["rule"] == "residency.eu allows eu"
    assert answer["client_gets"].endswith("sent to http://127.0.0.1:8085")


def test_a_cell_that_is_down_gives_the_fallback_of_the_route(homecell: Homecell) -> None:
    homecell("cells", "flag", "eu-1", "down", "--reason", "disk full", "--author", "anna")
    answer = told(homecell, "user:1")
    assert rooms(answer)[-1] == "!flag"
    assert (answer["status"], answer["reason"]) == (503, "cell-down")
    assert "flagged down by anna at" in step(answer, "flag")["rule"]
    assert step(answer, "flag")["rule"].endswith(": disk full")
    static = told(homecell, "user:1", "--path", "/status/now")
    assert (static["status"], static["reason"]) == (200, "cell-down")
    assert "the static reply of /status, marked X-Home-Cell-Degraded: cell-down" in static["client_gets"]
    unsafe = told(homecell, "user:1", "--path", "/status", "--method", "POST")
    assert unsafe["status"] == 503


def test_a_user_who_moves_may_read_and_must_wait_to_write(homecell: Homecell) -> None:
    reading = told(homecell, "user:3")
    assert (reading["served"], rooms(reading)[-2:]) == (True, ["move", "endpoint"])
    assert step(reading, "move") == {
        "room": "move",
        "passed": True,
        "says": "the user is being moved to us-1",
        "rule": "GET is safe: eu-1 answers it until the move is over; unsafe ones get 503",
    }
    answer = told(homecell, "user:3", "--method", "put")
    assert step(answer, "move")["says"] == "the user is being moved to us-1"
    rule = "PUT is not safe: 503 until the move is over, then as before; safe ones are answered"
    assert step(answer, "move")["rule"] == rule
    assert answer["client_gets"].endswith("(moving), Retry-After: 2 s")
    assert rooms(answer)[-1] == "!move"
    assert (answer["status"], answer["reason"]) == (503, "moving")
    assert ", moving to us-1" in step(answer, "lookup")["says"]


def test_a_home_that_is_not_in_the_inventory_is_told(homecell: Homecell) -> None:
    answer = told(homecell, "user:4")
    assert rooms(answer)[-1] == "!lookup"
    assert (answer["status"], answer["reason"]) == (503, "home-not-listed")
    assert step(answer, "lookup")["rule"] == "tier store; not in cells.yaml"


def test_a_path_without_route_gets_404(homecell: Homecell, site: Site) -> None:
    site.spoil(("  - prefix: /\n", ""))
    answer = told(homecell, "user:1", "--path", "/shop")
    assert (rooms(answer), answer["status"], answer["reason"]) == (["!route"], 404, "no-route")


def test_a_token_says_who_and_its_claim_is_confirmed_by_a_fresh_edge(homecell: Homecell) -> None:
    answer = told(homecell, "--token", token(homecell, "--user", "2", "--cell", "us-1", "--epoch", "3"))
    assert answer["key"] == "user:2"
    assert rooms(answer) == ["route", "identify", "claim", "lookup", "residency", "flag", "endpoint"]
    assert step(answer, "identify")["rule"].startswith("bearer token, valid for ")
    assert step(answer, "claim")["says"] == "us-1, epoch 3"


def test_a_claim_that_the_store_contradicts_is_shown_with_the_record(homecell: Homecell) -> None:
    false = token(homecell, "--user", "1", "--cell", "us-1", "--epoch", "1")
    assert homecell("explain", "--token", false).exit_code == 1, "it does not go to the user's home"
    answer = told(homecell, "--token", false)
    assert rooms(answer)[-1] == "!home"
    assert (answer["served"], answer["status"], answer["cell"]) == (False, None, "us-1")
    assert answer["client_gets"] == (
        'the reply of us-1, which is not the home; if that says "not mine", '
        "what `homecell explain user:1` says"
    )
    assert step(answer, "claim")["says"] == "us-1, epoch 1"
    assert "the store says eu-1, epoch 1" in step(answer, "lookup")["says"]
    assert step(answer, "lookup")["rule"] == (
        'tier claim, and the store disagrees: it decides when that cell says "not mine"'
    )


def test_a_bad_token_gets_401_and_may_come_from_standard_input(homecell: Homecell) -> None:
    answer = told(homecell, "--token", "abc")
    assert (rooms(answer), answer["status"]) == (["route", "!identify"], 401)
    result = homecell("explain", "--token", "-", stdin="abc\n")
    assert result.exit_code == 1
    assert "401 The credential is not valid" in result.stdout


def test_a_token_of_another_user_than_named_is_a_mistake(homecell: Homecell) -> None:
    result = homecell("explain", "user:2", "--token", token(homecell, "--user", "1"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the token is for user:1, not for user:2" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "whose requests?"),
        (["42"], "did you mean `user:42`?"),
        (["usr:42"], "is no kind of routing key"),
        (["user:"], "has no value"),
        (["user:1", "--path", "status"], "'status' is no path"),
        (["user:1", "--method", "BREW"], "'BREW' is not one of"),
        (["--token", "ü"], "the token is not ASCII text"),
    ],
)
def test_wrong_usage_is_told_with_the_mend(homecell: Homecell, arguments: list[str], error: str) -> None:
    result = homecell("explain", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr


def test_a_store_out_of_reach_is_told(homecell: Homecell, site: Site) -> None:
    site.spoil(("path: home.sqlite", "path: none.sqlite"))
    assert homecell("explain", "user:1").exit_code == 3
