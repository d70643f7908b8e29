"""homecell users and homecell moves, on a store whose edge does not run: nobody has to acknowledge."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from lookup.move_hold import HOLD_S
from lookup.move_log import MoveTakenError
from lookup.mover import Mover
from lookup.moves import Move, MoveOrder, Step
from lookup.stores.sqlite import SqliteStore
from proxy.cli.moving import Waits, drive
from proxy.cli.tables import moment
from proxy.config import load
from tests.lookup.fakes import home
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site

EU_2 = (
    "  - name: us-1\n",
    '  - name: eu-2\n    jurisdiction: eu\n    region: eu-west\n    endpoints: ["127.0.0.1:8103"]\n'
    "  - name: us-1\n",
)


@pytest.fixture(autouse=True)
def second_cell(site: Site) -> None:
    site.spoil(EU_2)


def test_a_move_tells_its_steps_and_is_in_the_history(homecell: Homecell) -> None:
    order = ("user:1", "--to", "eu-2", "--operation", "op-1")
    result = homecell("users", "move", *order, "--copy-command", "true")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "operation op-1: user:1 from eu-1 to eu-2"
    assert [line.split("ms ")[-1].strip() for line in lines[1:-1]] == [
        "noted",
        "writes of this user wait; asking every worker to acknowledge",
        "acknowledged by every worker; copying",
        "copied; no verify command was given; giving the user its new home",
        "done",
    ]
    assert lines[-1] == "user:1 is at home in eu-2 (epoch 3)"
    past = json.loads(homecell("users", "history", "user:1", "--json").stdout)
    assert [(row["epoch"], row["cell"], row["state"], row["operation"]) for row in past] == [
        (1, "eu-1", "placed", ""),
        (2, "eu-1", "moving", "op-1"),
        (3, "eu-2", "placed", "op-1"),
    ]
    assert "user:1 is at home in eu-2" in homecell("users", "show", "user:1").stdout
    homecell("cells", "flag", "eu-2", "down", "--reason", "disk full")
    again = homecell("users", "move", *order, "--no-copy")
    assert (again.exit_code, again.stdout) == (
        0,
        "user:1 is at home in eu-2 (epoch 3); operation op-1 was over already, nothing was done now\n",
    )
    assert homecell("moves", "list").stdout == "no move is open\n"
    (move,) = json.loads(homecell("moves", "list", "--all", "--json").stdout)
    assert (move["operation"], move["step"], move["copy_hook"]) == ("op-1", "done", "true")


def test_a_hook_that_fails_leaves_the_user_where_it_was_and_is_quoted(homecell: Homecell) -> None:
    copy = "sh -c 'echo disk full of $HOMECELL_KEY >&2; exit 3'"
    result = homecell("users", "move", "user:1", "--to", "eu-2", "--copy-command", copy)
    assert result.exit_code == 1
    said = result.stdout.splitlines()[-1]
    assert said.startswith("user:1 stays in eu-1: `sh -c ")
    assert said.endswith("ended with status 3: disk full of user:1")


def test_a_new_user_is_placed_once(homecell: Homecell) -> None:
    assert homecell("users", "show", "user:9").exit_code == 1
    placed = homecell("users", "place", "user:9", "--cell", "eu-1")
    assert (placed.exit_code, placed.stdout) == (0, "user:9 is at home in eu-1 (epoch 1)\n")
    elsewhere = homecell("users", "place", "user:9", "--cell", "eu-2", "--json")
    assert elsewhere.exit_code == 1
    assert json.loads(elsewhere.stdout)["cell"] == "eu-1"
    told = homecell("users", "place", "user:9", "--cell", "eu-2", "--config", "edge.yaml")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "user:9 was NOT placed in eu-2: it is at home in eu-1 already (epoch 1)" in told.stderr
    command = "homecell users move --config edge.yaml user:9 --to eu-2 --copy-command ./copy-user.sh"
    assert f"to move it: {command}, or with --no-copy when there is nothing to copy" in told.stderr


def test_who_has_a_home_is_told_to_have_it_already(homecell: Homecell) -> None:
    for asked in (("user:1",), ("user:1", "--cell", "eu-1"), ("user:1", "--cell", "eu-1", "--force")):
        told = homecell("users", "place", *asked)
        assert (told.exit_code, told.stdout) == (0, "user:1 is at home in eu-1 already (epoch 1)\n")


def test_a_script_reads_of_who_has_no_home_that_there_is_none(homecell: Homecell) -> None:
    told = homecell("users", "show", "user:nobody", "--json")
    assert (told.exit_code, told.stderr) == (1, "user:nobody has no home\n")
    assert json.loads(told.stdout) == {"key": "user:nobody", "cell": None, "move": None}


def test_a_script_reads_of_a_home_since_when_in_seconds_and_as_a_date(homecell: Homecell) -> None:
    home = json.loads(homecell("users", "show", "user:1", "--json").stdout)
    assert (home["updated_at_s"], home["updated_at"]) == (1_700_000_000.0, "2023-11-14T22:13:20Z")
    assert "read_at_s" not in home


def test_who_lives_elsewhere_is_not_offered_a_move_that_would_be_refused(homecell: Homecell) -> None:
    for user, cell, why in (
        (
            "user:1",
            "us-1",
            "it may not move there: us-1 is under the law of us, where users of eu may not live",
        ),
        ("user:3", "eu-2", "it is being moved to us-1; see which move it is: homecell moves list"),
    ):
        told = homecell("users", "place", user, "--cell", cell)
        assert (told.exit_code, "users move" in told.stderr) == (1, False)
        assert why in told.stderr
        assert homecell("users", "move", user, "--to", cell, "--no-copy").exit_code == 2


def test_a_new_user_gets_a_cell_that_has_room(homecell: Homecell, site: Site) -> None:
    site.spoil(("    region: us-east\n", "    region: us-east\n    tenants: [acme]\n"))
    homecell("cells", "flag", "eu-1", "down", "--reason", "disk full")
    placed = homecell("users", "place", "user:9")
    assert (placed.exit_code, placed.stdout) == (0, "user:9 is at home in eu-2 (epoch 1)\n")
    tenants = homecell("users", "place", "user:10", "--jurisdiction", "us", "--tenant", "acme", "--json")
    assert (json.loads(tenants.stdout)["cell"], json.loads(tenants.stdout)["jurisdiction"]) == ("us-1", "us")
    shared = homecell("users", "place", "user:11", "--jurisdiction", "us")
    assert shared.stdout == "user:11 is at home in eu-2 (epoch 1)\n"
    homecell("cells", "flag", "eu-2", "down", "--reason", "disk full")
    refused = homecell("users", "place", "user:12")
    assert refused.exit_code == 1
    assert "no cell takes user:12 now: eu-1 is not serving; eu-2 is not serving" in refused.stderr
    assert "put one back: homecell cells flag eu-1 serving, or add a cell" in refused.stderr
    assert "capacity" not in refused.stderr
    homecell("cells", "flag", "eu-2", "serving")
    site.spoil(("  - name: us-1\n", "    capacity: 1\n  - name: us-1\n"))
    full = homecell("users", "place", "user:12").stderr
    assert "put one back: homecell cells flag eu-1 serving, or raise a weight, a capacity or the cap" in full
    assert homecell("users", "place", "user:9").stdout == "user:9 is at home in eu-2 already (epoch 1)\n"
    unknown = homecell("users", "place", "user:12", "--jurisdiction", "mars")
    assert (unknown.exit_code, "there is no jurisdiction `mars`" in unknown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("user:1", "--to", "eu-2"), "what copies the user's bytes"),
        (("user:1", "--to", "eu-3", "--no-copy"), "there is no cell `eu-3`"),
        (("user:1", "--to", "us-1", "--no-copy"), "where users of eu may not live"),
        (("user:1", "--to", "eu-1", "--no-copy"), "at home in eu-1 already"),
        (("user:9", "--to", "eu-2", "--no-copy"), "user:9 has no home to move from"),
        (("user:3", "--to", "eu-2", "--no-copy"), "homecell moves list"),
        (("user:1", "--to", "eu-2", "--copy-command", "./no-such-copy"), "chmod +x ./no-such-copy"),
        (("user:1", "--to", "eu-2", "--no-copy", "--verify-command", " "), "the command is blank"),
        (("42", "--to", "eu-2", "--no-copy"), "a routing key is written kind:value"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_with_the_reason(
    homecell: Homecell, arguments: tuple[str, ...], complaint: str
) -> None:
    result = homecell("users", "move", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert homecell("moves", "list", "--all").stdout == "no moves\n"


@pytest.mark.parametrize(
    "command",
    [("users", "move", "user:1", "--to", "eu-2"), ("moves", "bulk", "-", "--to", "eu-2")],
)
def test_a_move_that_would_wait_too_shortly_for_a_dead_worker_is_refused(
    homecell: Homecell, site: Site, command: tuple[str, ...]
) -> None:
    site.spoil(("  request_timeout_s: 3\n", "  request_timeout_s: 3\n  cell_request_limit_s: 300\n"))
    refused = homecell(*command, "--no-copy", "--wait", "2m", stdin="user:1")
    assert refused.exit_code == 2
    assert "--wait 120s is too short" in refused.stderr
    assert "300 s (limits.cell_request_limit_s)" in refused.stderr
    assert "give --wait 313s or more" in refused.stderr
    assert homecell("moves", "list").stdout == "no move is open\n"
    assert homecell(*command, "--no-copy", "--wait", "313s", stdin="user:1").exit_code == 0


def test_nobody_is_moved_into_a_cell_that_is_down(homecell: Homecell) -> None:
    homecell("cells", "flag", "eu-2", "down", "--reason", "disk full")
    result = homecell("users", "move", "user:1", "--to", "eu-2", "--no-copy")
    assert result.exit_code == 2
    assert "eu-2 is flagged down: disk full" in result.stderr


def test_a_driver_whose_move_another_one_has_ended_tells_how(site: Site) -> None:
    async def end_and_find_it_taken(mover: Mover) -> Move:
        await mover.begin(MoveOrder("op-1", "user:1", "eu-2"))
        await mover.drive("op-1")
        raise MoveTakenError("op-1", "ann@vm:7")

    assert drive(load(site.edge), Waits(1), True, end_and_find_it_taken).step is Step.DONE


@pytest.mark.slow
def test_a_list_of_moves_that_is_cut_says_so(homecell: Homecell, site: Site) -> None:
    async def note() -> None:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        users = [home(f"user:new-{number}") for number in range(1001)]
        await store.load(users)
        for user in users:
            await store.note_move(MoveOrder(f"of-{user.key}", user.key, "eu-2"), user, time.time())
        await store.close()

    asyncio.run(note())
    listed = homecell("moves", "list", "--json")
    assert len(json.loads(listed.stdout)) == 1000
    assert listed.stderr == "there are more: these are the latest 1,000\n"


def test_an_unknown_operation_is_named(homecell: Homecell) -> None:
    for name in ("resume", "abort"):
        result = homecell("moves", name, "op-9")
        assert result.exit_code == 2
        assert "there is no move with the operation id op-9" in result.stderr


@pytest.mark.parametrize(("held_for_s", "carried_on"), [(60.0, False), (-1.0, True)])
def test_a_driver_that_was_killed_is_told_as_silent_and_its_move_is_carried_on_then(
    homecell: Homecell, site: Site, held_for_s: float, carried_on: bool
) -> None:
    now_s = time.time()
    since = moment(now_s + held_for_s - HOLD_S)
    shown = f"ann@vm:7 (silent since {since}: dead or frozen?)" if carried_on else "ann@vm:7 "

    async def note() -> None:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        record = (await store.read(["user:1"]))["user:1"]
        await store.note_move(MoveOrder("op-1", "user:1", "eu-2"), record, now_s)
        await store.hold_move("op-1", "ann@vm:7", now_s, now_s + held_for_s, steal=False)
        await store.close()

    asyncio.run(note())
    assert shown in homecell("moves", "list").stdout
    assert ("nobody carries the move on" in homecell("users", "show", "user:1").stdout) is carried_on
    resumed = homecell("moves", "resume", "op-1")
    if carried_on:
        assert resumed.exit_code == 0
        assert "silent" not in homecell("moves", "list", "--all").stdout
    else:
        assert resumed.exit_code == 3
        assert "operation op-1 is carried out by ann@vm:7; the move is open" in resumed.stderr
        assert "if that process is dead, try again: 15 s after" in resumed.stderr


def test_a_new_user_is_placed_in_a_cell_that_is_down_only_by_who_insists(homecell: Homecell) -> None:
    there = ("users", "place", "user:9", "--cell", "eu-2")
    homecell("cells", "flag", "eu-2", "down", "--reason", "disk full")
    refused = homecell(*there)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "eu-2 is flagged down: disk full" in refused.stderr
    assert "put it back: homecell cells flag eu-2 serving, or give --force" in refused.stderr
    assert homecell("users", "show", "user:9").exit_code == 1
    assert homecell(*there, "--force").stdout == "user:9 is at home in eu-2 (epoch 1)\n"
    assert homecell(*there).stdout == "user:9 is at home in eu-2 already (epoch 1)\n"
    assert "user:1 was NOT placed in eu-2" in homecell("users", "place", "user:1", "--cell", "eu-2").stderr
