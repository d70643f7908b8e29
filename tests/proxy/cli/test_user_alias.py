"""homecell users alias, and what the other commands say of a key that names another one."""

from __future__ import annotations

import json

from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site

MAIL = "email:ann@example.org"
EU_2 = (
    "  - name: us-1\n",
    '  - name: eu-2\n    jurisdiction: eu\n    region: eu-west\n    endpoints: ["127.0.0.1:8103"]\n'
    "  - name: us-1\n",
)


def test_a_key_shares_the_home_of_the_user_that_it_names(homecell: Homecell) -> None:
    result = homecell("users", "alias", MAIL, "user:1")
    assert (result.exit_code, result.stdout) == (0, f"{MAIL} names user:1 (epoch 1)\n")
    shown = homecell("users", "show", MAIL).stdout
    assert shown.startswith(f"{MAIL} names user:1\nuser:1 is at home in eu-1")
    assert f"named by {MAIL}" in homecell("users", "show", "user:1").stdout
    assert json.loads(homecell("users", "show", "user:1", "--json").stdout)["aliases"][0]["key"] == MAIL


def test_explain_follows_the_name_to_the_home(homecell: Homecell) -> None:
    homecell("users", "alias", MAIL, "user:1")
    told = json.loads(homecell("explain", MAIL, "--json").stdout)
    assert [step["says"] for step in told["steps"] if step["room"] == "alias"] == [
        f"{MAIL} names user:1, and is at home where that is"
    ]
    assert told["cell"] == "eu-1"


def test_a_name_can_be_given_to_another_user_or_taken_away(homecell: Homecell) -> None:
    homecell("users", "place", "user:new", "--cell", "eu-1")
    homecell("users", "alias", MAIL, "user:1")
    assert json.loads(homecell("users", "alias", MAIL, "user:new", "--json").stdout)["epoch"] == 2
    assert homecell("users", "show", MAIL).stdout.startswith(f"{MAIL} names user:new\n")
    removed = homecell("users", "alias", MAIL, "--remove")
    assert removed.stdout == f"{MAIL} names nobody any more (epoch 3)\n"
    assert homecell("users", "show", MAIL).exit_code == 1


def test_what_can_not_be_named_is_refused_with_the_reason(homecell: Homecell) -> None:
    refused = homecell("users", "alias", MAIL, "user:nobody")
    assert (refused.exit_code, refused.stderr) == (1, "user:nobody has no home yet: place it first\n")
    assert homecell("users", "alias", "user:1", "user:2").exit_code == 1
    assert homecell("users", "alias", MAIL).exit_code == 2
    assert homecell("users", "alias", MAIL, "user:1", "--remove").exit_code == 2


def test_placing_and_moving_a_name_is_placing_and_moving_the_user_behind_it(
    homecell: Homecell, site: Site
) -> None:
    site.spoil(EU_2)
    homecell("users", "alias", MAIL, "user:1")
    placed = homecell("users", "place", MAIL, "--cell", "eu-1")
    assert placed.stdout == f"{MAIL} names user:1, which is at home in eu-1 already (epoch 1)\n"
    moved = homecell("users", "move", MAIL, "--to", "eu-2", "--no-copy")
    assert moved.stdout.endswith("user:1 is at home in eu-2 (epoch 3)\n")
