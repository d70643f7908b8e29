"""homecell cells evacuate, on a store whose edge does not run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

import pytest

from lookup.move_fates import member_operation
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, MoveOrder, Step
from lookup.stores.sqlite import SqliteStore
from tests.proxy.cli.conftest import Homecell
from tests.proxy.cli.europeans import EUROPEANS, UNTOUCHED, homes
from tests.proxy.config.site import Site

pytestmark = pytest.mark.usefixtures("europeans")


def test_a_cell_is_emptied_into_the_others_under_its_law(homecell: Homecell, site: Site) -> None:
    foreseen = homecell("cells", "evacuate", "eu-1", "--dry-run", "--json")
    to = json.loads(foreseen.stdout)["to"]
    assert sorted(to) == ["eu-2", "eu-3"]
    assert sum(to.values()) == 61
    result = homecell("cells", "evacuate", "eu-1", "--no-copy")
    assert result.exit_code == 1
    assert "61 users moved: " in result.stdout
    assert "user:3  is being moved to us-1 already" in result.stdout
    assert "1 user still in eu-1" in result.stdout
    assert {epoch for _, epoch in homes(site).values()} == {3}
    assert {cell for cell, _ in homes(site).values()} == {"eu-2", "eu-3"}


def test_who_was_moved_out_is_listed_with_the_cell_that_it_left_and_brought_back_by_that_list(
    homecell: Homecell, site: Site
) -> None:
    homecell("moves", "bulk", "--from", "eu-1", "--limit", "5", "--no-copy", "--moved", "moved.txt")
    homes_before = homes(site)
    result = homecell("cells", "evacuate", "eu-1", "--no-copy", "--moved", "moved.txt")
    assert "to bring them back: homecell moves bulk moved.txt --no-copy\n" in result.stdout
    assert homes(site) != homes_before
    listed = (site.folder / "moved.txt").read_text().splitlines()
    assert [line for line in listed if line.startswith("#")] == [
        "# moved by operation from-eu-1-0",
        "# moved by operation evacuate-eu-1-0",
    ]
    back = homecell("moves", "bulk", "moved.txt", "--no-copy")
    assert (back.exit_code, back.stdout.splitlines()[0]) == (0, "61 users moved: 61 to eu-1")


class NoHooks:
    async def run(self, hook: str, move: Move) -> None:
        """Copies nothing."""


def crash_while_emptying(site: Site, operation: str, *keys: str) -> None:
    """Leaves these users between eu-1 and eu-2, as a driver that was killed a while ago does."""

    async def crash() -> None:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        mover = Mover(store, store, store, NoHooks(), "dead", time.time, Patience(), MoveListener())
        for key in keys:
            name = member_operation(operation, key)
            await mover.begin(MoveOrder(name, key, "eu-2"))
            while (await mover.step(name)).step is not Step.COMMITTING:
                pass
            await store.release_move(name, "dead", "")
        await store.close()

    asyncio.run(crash())


def test_a_cell_whose_flag_has_changed_since_a_crash_is_emptied_by_the_same_command(
    homecell: Homecell, site: Site
) -> None:
    crash_while_emptying(site, "evacuate-eu-1-0", "user:e1", "user:e2")
    homecell("cells", "flag", "eu-1", "down", "--reason", "disk full")
    foreseen = json.loads(homecell("cells", "evacuate", "eu-1", "--dry-run", "--json").stdout)
    assert (sum(foreseen["to"].values()), foreseen["refused"]["is being moved to us-1 already"]["users"]) == (
        61,
        1,
    )
    result = homecell("cells", "evacuate", "eu-1", "--to", "eu-3", "--no-copy")
    assert result.stderr.startswith("operation evacuate-eu-1-1\n")
    assert "61 users moved: " in result.stdout
    others = (key for key in EUROPEANS if key not in ("user:e1", "user:e2"))
    assert homes(site) == dict.fromkeys(others, ("eu-3", 3)) | dict.fromkeys(
        ("user:e1", "user:e2"), ("eu-2", 3)
    )
    assert homecell("moves", "list").stdout == "no move is open\n"


def test_users_whose_writes_wait_do_not_wait_for_the_count_of_all(
    homecell: Homecell, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_while_emptying(site, "evacuate-eu-1-0", "user:e1", "user:e2")
    left: list[int] = []

    async def count(self: SqliteStore) -> Mapping[str, int]:
        """Takes until no move is open, or some seconds."""
        for _ in range(3000):
            if not await self.moves(open_only=True, limit=10):
                break
            await asyncio.sleep(0.01)
        left.append(len(await self.moves(open_only=True, limit=10)))
        return {"eu-1": 60}

    monkeypatch.setattr(SqliteStore, "count_by_cell", count)
    assert "61 users moved: " in homecell("cells", "evacuate", "eu-1", "--no-copy").stdout
    assert left == [0, 0]


def test_what_a_crash_left_open_is_ended_though_its_target_takes_nobody_new_by_now(
    homecell: Homecell, site: Site
) -> None:
    crash_while_emptying(site, "evacuate-eu-1-0", "user:e1", "user:e2")
    homecell("cells", "flag", "eu-2", "down", "--reason", "full")
    foreseen = homecell("cells", "evacuate", "eu-1", "--to", "eu-2", "--dry-run")
    assert (foreseen.exit_code, "eu-2 is flagged down: full" in foreseen.stderr) == (2, True)
    result = homecell("cells", "evacuate", "eu-1", "--to", "eu-2", "--no-copy")
    assert result.exit_code == 1
    assert "eu-2 is flagged down: full; moves that were begun come to their end" in result.stderr
    assert "2 users moved: 2 to eu-2" in result.stdout
    assert "which is not serving" in result.stdout
    assert homes(site) == UNTOUCHED | dict.fromkeys(("user:e1", "user:e2"), ("eu-2", 3))
    assert homecell("moves", "list").stdout == "no move is open\n"
    again = homecell("cells", "evacuate", "eu-1", "--to", "eu-2", "--no-copy")
    assert (again.exit_code, again.stdout) == (2, ""), "nothing is open any more"
