"""homecell moves bulk, and what it has in common with cells evacuate, on a store whose edge does not run."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from tests.proxy.cli.conftest import Homecell
from tests.proxy.cli.europeans import EUROPEANS, UNTOUCHED, homes, homes_in, write_list
from tests.proxy.config.site import Site

pytestmark = pytest.mark.usefixtures("europeans")


def test_a_list_is_moved_and_the_same_list_again_moves_nobody(homecell: Homecell, site: Site) -> None:
    file = write_list(site, *EUROPEANS[:50], "user:e50 eu-3  # asked for it")
    result = homecell("moves", "bulk", file, "--to", "eu-2", "--no-copy")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("51 users moved: 50 to eu-2, 1 to eu-3\n")
    assert result.stderr.startswith("operation list-")
    expected = dict.fromkeys(EUROPEANS[:50], ("eu-2", 3)) | {"user:e50": ("eu-3", 3)}
    assert homes(site) == {**UNTOUCHED, **expected}
    again = homecell("moves", "bulk", file, "--to", "eu-2", "--no-copy", "--json")
    told = json.loads(again.stdout)
    assert (again.exit_code, told["moved"], told["there"], told["failures"]) == (0, {}, 51, [])
    assert homes(site) == {**UNTOUCHED, **expected}


def test_lines_that_ask_for_the_same_count_once(homecell: Homecell, site: Site) -> None:
    file = write_list(site, "user:e1 eu-3", "user:e2 eu-1", "user:e1  eu-3 # again", "user:e2 eu-1")
    told = homecell("moves", "bulk", file, "--dry-run").stdout
    assert told == (
        "1 user would be moved: 1 to eu-3\n1 user would have nothing to do: at home there already\n"
    )
    told = json.loads(homecell("moves", "bulk", file, "--no-copy", "--json").stdout)
    assert (told["moved"], told["there"], told["failures"]) == ({"eu-3": 1}, 1, [])
    assert homes(site) == {**UNTOUCHED, "user:e1": ("eu-3", 3)}


@pytest.mark.parametrize("how", ["--no-copy", "--dry-run"])
def test_a_list_that_wants_one_user_in_two_cells_is_refused(homecell: Homecell, site: Site, how: str) -> None:
    file = write_list(site, "user:e1 eu-3", "user:e2", "user:e1 eu-2", "user:e2 eu-2", "user:e1")
    refused = homecell("moves", "bulk", file, how)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[1:] == [
        "users.txt:3: user:e1 is to go to eu-2 here, and by line 1 to eu-3",
        "users.txt:4: user:e2 is to go to eu-2 here, and by line 2 to any cell",
        "users.txt:5: user:e1 is to go to any cell here, and by line 1 to eu-3",
        "       nobody was moved",
    ]
    assert homes(site) == UNTOUCHED


def test_a_dry_run_tells_of_a_user_with_two_names_what_the_run_does(homecell: Homecell, site: Site) -> None:
    assert homecell("users", "alias", "email:ann@b.example", "user:e1").exit_code == 0
    file = write_list(site, "user:e1 eu-3", "email:ann@b.example")
    some = ("moves", "bulk", file, "--json")
    dry = json.loads(homecell(*some, "--dry-run").stdout)
    run = json.loads(homecell(*some, "--no-copy").stdout)
    assert (dry["to"], dry["there"]) == (run["moved"], run["there"]) == ({"eu-3": 1}, 1)
    write_list(site, "user:e2 eu-3", "email:bob@b.example eu-2")
    assert homecell("users", "alias", "email:bob@b.example", "user:e2").exit_code == 0
    reason = "is moved to eu-3 by this operation"
    dried = homecell(*some, "--dry-run")
    assert (dried.exit_code, reason in dried.stdout) == (1, True)
    assert reason in homecell(*some, "--no-copy").stdout


def test_standard_input_is_a_list_too(homecell: Homecell, site: Site) -> None:
    result = homecell("moves", "bulk", "-", "--to", "eu-2", "--no-copy", stdin="user:e1\nuser:e2\n")
    assert result.exit_code == 0, result.output
    assert homes(site)["user:e2"] == ("eu-2", 3)


def test_a_dry_run_says_what_would_be_and_changes_nothing(homecell: Homecell, site: Site) -> None:
    file = write_list(site, *EUROPEANS[2:], "user:3", "user:9", "user:e0 us-1", "user:e1 eu-1")
    result = homecell("moves", "bulk", file, "--dry-run")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("58 users would be moved: ")
    assert "to eu-2, " in lines[0]
    assert "to eu-3" in lines[0]
    assert lines[1:] == [
        "1 user would have nothing to do: at home there already",
        "3 users would not be moved:",
        "  1 is being moved to us-1 already: user:3",
        "  1 has no home: user:9",
        "  1 of eu may not live under the law of us: user:e0",
    ]
    assert homes(site) == UNTOUCHED
    assert homecell("moves", "list", "--all").stdout == "no moves\n"


def test_those_not_moved_are_in_a_file_that_can_be_fed_again(homecell: Homecell, site: Site) -> None:
    copy = "sh -c '[ -e mended ] || [ $HOMECELL_KEY != user:e7 ] || { echo disk full; exit 1; }'"
    some = ("--to", "eu-2", "--copy-command", copy)
    file = write_list(site, *EUROPEANS[:9], "user:9")
    result = homecell("moves", "bulk", file, *some, "--failures", "failed.txt")
    assert result.exit_code == 1
    assert "2 users not moved:" in result.stdout
    assert "user:e7  `sh -c " in result.stdout
    mend = result.stdout.splitlines()[-2].partition("to try these again: homecell ")[2]
    assert shlex.split(mend) == ["moves", "bulk", "failed.txt", *some]
    written = (site.folder / "failed.txt").read_text().splitlines()
    assert written[0].startswith("# not moved by operation list-")
    assert sorted(line.split(" # ")[0] for line in written[1:]) == ["user:9", "user:e7"]
    (site.folder / "mended").touch()
    same = homecell("moves", "bulk", file, *some, "--json")
    reasons = {failure["key"]: failure["reason"] for failure in json.loads(same.stdout)["failures"]}
    assert reasons["user:e7"].startswith("was given up by this operation before")
    again = homecell("moves", "bulk", "failed.txt", *some, "--json")
    assert json.loads(again.stdout)["moved"] == {"eu-2": 1}
    assert homes(site)["user:e7"] == ("eu-2", 5)


def test_no_more_than_the_limit_are_moved_over_all_runs(homecell: Homecell, site: Site) -> None:
    some = ("moves", "bulk", "--from", "eu-1", "--no-copy", "--limit")
    first = homecell(*some, "10")
    assert "10 users moved: " in first.stdout
    again = homecell(*some, "10")
    assert "10 of at most 10 moves were begun before" in again.stderr
    assert again.stdout == "0 users moved\n"
    more = homecell(*some, "25", "--operation", "from-eu-1-0")
    assert "15 users moved: " in more.stdout
    assert set(homes(site).values()) == {("eu-1", 1), ("eu-2", 3), ("eu-3", 3)}


def test_ctrl_c_ends_what_is_under_way_and_says_how_to_go_on(homecell: Homecell, site: Site) -> None:
    some = ("moves", "bulk", write_list(site, *EUROPEANS), "--to", "eu-2", "--no-copy")

    def press_when_some_have_moved() -> None:
        while homes_in(site, "eu-2") < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = Thread(target=press_when_some_have_moved)
    pressing.start()
    result = homecell(*some, "--rate", "5/s")
    pressing.join()
    assert result.exit_code == 1, result.output
    assert "stopping: " in result.stderr
    last = result.stdout.splitlines()[-1]
    assert last.startswith("stopped as asked; the same command with --operation list-")
    assert homecell("moves", "list").stdout == "no move is open\n"
    assert 3 <= homes_in(site, "eu-2") < 60
    operation = last.split("--operation ")[1].split()[0]
    assert homecell(*some, "--operation", operation).exit_code == 0
    assert set(homes(site).values()) == {("eu-2", 3)}


@pytest.mark.slow
def test_ctrl_c_pressed_twice_leaves_open_what_is_under_way_and_says_so(
    homecell: Homecell, site: Site
) -> None:
    began = site.folder / "began"
    command = ("moves", "bulk", "-", "--to", "eu-2", "--copy-command", f"sh -c 'touch {began}; sleep 60'")
    running = subprocess.Popen(
        (Path(sys.executable).with_name("homecell"), *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stderr is not None
    running.stdin.write(b"user:e1\n")
    running.stdin.close()
    running.stdin = None
    while not began.exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    while not running.stderr.readline().startswith(b"stopping: 1 under way"):
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert b"1 user left between cells: their writes wait\n" in said
    assert said.splitlines()[-1].startswith(b"stopped as asked; the same command with --operation list-")
    (move,) = json.loads(homecell("moves", "list", "--json").stdout)
    assert (move["step"], move["holder"], move["detail"]) == ("copying", "", "its driver was stopped")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("moves", "bulk"), "who is to be moved"),
        (("moves", "bulk", "users.txt", "--from", "eu-1"), "give FILE or --from CELL, not both"),
        (("moves", "bulk", "users.txt", "--to", "eu-2"), "what copies the user's bytes"),
        (("moves", "bulk", "users.txt", "--to", "eu-9", "--no-copy"), "there is no cell `eu-9`"),
        (("moves", "bulk", "no.txt", "--no-copy"), "no.txt: No such file"),
        (("moves", "bulk", "bad.txt", "--no-copy"), "bad.txt:2: a routing key is written kind:value"),
        (("moves", "bulk", "bad.txt", "--no-copy", "--dry-run"), "bad.txt:3: there is no cell `eu-9`"),
        (("moves", "bulk", "users.txt", "--no-copy", "--rate", "0/s"), "is no rate"),
        (("moves", "bulk", "users.txt", "--no-copy", "--max-failures", "101%"), "is no percentage"),
        (("moves", "bulk", "users.txt", "--no-copy", "--operation", "a/b"), "no name for an operation"),
        (("moves", "bulk", "users.txt", "--no-copy", "--failures", "users.txt"), "overwrite the list"),
        (("moves", "bulk", "users.txt", "--no-copy", "--moved", "users.txt"), "overwrite the list"),
        (("cells", "evacuate", "eu-9", "--no-copy"), "there is no cell `eu-9`"),
        (("cells", "evacuate", "eu-1", "--to", "eu-2,eu-1", "--no-copy"), "the cell that is to be left"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nobody_is_moved(
    homecell: Homecell, site: Site, arguments: tuple[str, ...], complaint: str
) -> None:
    write_list(site, *EUROPEANS)
    Path(site.folder / "bad.txt").write_text("user:e1\n42\nuser:e2 eu-9\n")
    result = homecell(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert homes(site) == UNTOUCHED


def test_nobody_is_sent_to_a_cell_that_is_down(homecell: Homecell, site: Site) -> None:
    homecell("cells", "flag", "eu-2", "down", "--reason", "disk full")
    named = homecell("cells", "evacuate", "eu-1", "--to", "eu-2", "--no-copy")
    assert named.exit_code == 2
    assert "eu-2 is flagged down: disk full" in named.stderr
    homecell("cells", "evacuate", "eu-1", "--no-copy")
    assert set(homes(site).values()) == {("eu-3", 3)}


def test_a_store_that_is_away_is_told_by_the_exit_code(homecell: Homecell, site: Site) -> None:
    (site.folder / "home.sqlite").rename(site.folder / "away")
    result = homecell("cells", "evacuate", "eu-1", "--no-copy")
    assert result.exit_code == 3
