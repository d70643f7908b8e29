"""What is warned of before users are moved: new ones who still come, targets that get too many."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from lookup.assignment import Assignment
from lookup.stores.sqlite import SqliteStore
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site

pytestmark = pytest.mark.usefixtures("europeans")

NO_NEW_USERS: Final = ("  - name: eu-1\n", "  - name: eu-1\n    weight: 0\n")


def test_a_cell_that_still_gets_new_users_is_warned_of_before_it_is_emptied(
    homecell: Homecell, site: Site
) -> None:
    for more in (("--dry-run",), ("--no-copy",)):
        result = homecell("cells", "evacuate", "eu-1", *more)
        assert result.stderr.startswith("warning: eu-1 still gets new users, and some may be missed: set")
    site.spoil(NO_NEW_USERS)
    assert "new users" not in homecell("cells", "evacuate", "eu-1", "--dry-run").stderr


def test_part_of_a_cell_may_leave_it_while_new_users_come(homecell: Homecell) -> None:
    assert "new users" not in homecell("moves", "bulk", "--from", "eu-1", "--limit", "3", "--dry-run").stderr


@pytest.mark.slow
def test_targets_that_get_too_many_of_all_users_are_warned_of(homecell: Homecell, site: Site) -> None:
    crowd(site, 1_100)
    for more, share in (("--dry-run", "99.7%"), ("--no-copy", "99.8%")):  # one is on the way already
        result = homecell("cells", "evacuate", "eu-1", "--to", "eu-2", more)
        warning = f"eu-2 will then have {share} of all users, more than 20% (placement.share_warning)"
        assert result.stderr.count(f"warning: {warning}\n") == 1, result.stderr


@pytest.mark.slow
def test_of_several_targets_it_is_said_what_one_will_have_at_the_least(
    homecell: Homecell, site: Site
) -> None:
    crowd(site, 2_100)
    foreseen = homecell("cells", "evacuate", "eu-1", "--dry-run").stderr
    assert "warning: eu-2 will then have " in foreseen
    assert "warning: eu-3 will then have " in foreseen
    begun = homecell("cells", "evacuate", "eu-1", "--no-copy").stderr
    assert "warning: eu-2 or eu-3 will then have at least 50.0% of all users" in begun


def crowd(site: Site, users: int) -> None:
    """So many more users in eu-1."""

    async def seed() -> None:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        await store.load(Assignment(f"user:c{number}", "eu-1", "eu", 1) for number in range(users))
        await store.close()

    asyncio.run(seed())
