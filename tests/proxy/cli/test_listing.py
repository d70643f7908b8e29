"""A cell that was added to the cells file, while the running edge still has the file of its start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from proxy.cli.listing import what_is_amiss
from tests.proxy.cli.admin import admin_port, worker
from tests.proxy.cli.conftest import Homecell
from tests.proxy.cli.test_users import EU_2
from tests.proxy.config.site import Site

BULK = ("moves", "bulk", "-", "--no-copy")


def whose(site: Site) -> dict[str, object]:
    """How the admin port of the config's edge names itself."""
    return {"edge": "edge-1", "store": str(site.folder / "home.sqlite"), "workers": [worker(0, {})]}


@pytest.fixture
def edge(site: Site) -> Iterator[Site]:
    """A site whose running edge does not list eu-2."""
    site.spoil(EU_2)
    with admin_port({**whose(site), "cells": ["eu-1", "us-1"]}) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        yield site


def home(homecell: Homecell, user: str) -> str:
    return str(json.loads(homecell("users", "show", user, "--json").stdout)["cell"])


@pytest.mark.usefixtures("edge")
def test_nobody_is_moved_into_a_cell_that_the_running_edge_does_not_list(homecell: Homecell) -> None:
    for command in (("users", "move", "user:1", "--to", "eu-2", "--no-copy"), (*BULK, "--to", "eu-2")):
        refused = homecell(*command, stdin="user:1")
        assert refused.exit_code == 2
        assert "does not list `eu-2` yet" in refused.stderr
        assert "restart it (SIGTERM, then start it), or give --force" in refused.stderr
        assert home(homecell, "user:1") == "eu-1"
    assert homecell("moves", "list", "--all").stdout == "no moves\n"


@pytest.mark.parametrize(
    "command", [("users", "move", "user:1", "--to", "eu-2", "--no-copy"), (*BULK, "--to", "eu-2")]
)
@pytest.mark.usefixtures("edge")
def test_who_insists_may_move_there(homecell: Homecell, command: tuple[str, ...]) -> None:
    assert homecell(*command, "--force", stdin="user:1").exit_code == 0
    assert home(homecell, "user:1") == "eu-2"


@pytest.mark.usefixtures("edge")
def test_a_bulk_move_that_may_choose_passes_it_over(homecell: Homecell) -> None:
    result = homecell("cells", "evacuate", "eu-1", "--no-copy")
    assert result.exit_code == 1
    assert "does not list `eu-2` yet: nobody is moved there" in result.stderr
    assert home(homecell, "user:1") == "eu-1"


@pytest.mark.slow
@pytest.mark.usefixtures("edge")
def test_placing_a_user_there_needs_insisting_and_is_no_free_choice(homecell: Homecell) -> None:
    refused = homecell("users", "place", "user:9", "--cell", "eu-2")
    assert (refused.exit_code, "or give --force" in refused.stderr) == (2, True)
    assert homecell("users", "show", "user:9").exit_code == 1
    named = homecell("users", "place", "user:9", "--cell", "eu-2", "--force")
    assert (named.exit_code, "its users get 503 home-not-listed" in named.stderr) == (0, True)
    homecell("cells", "flag", "eu-1", "down", "--reason", "disk full")
    chosen = homecell("users", "place", "user:10")
    assert (chosen.exit_code, "`eu-2` yet: nobody is placed there unasked" in chosen.stderr) == (1, True)


@pytest.mark.usefixtures("edge")
def test_explain_says_that_the_running_edge_does_not_list_the_cell(homecell: Homecell) -> None:
    homecell("users", "place", "user:9", "--cell", "eu-2", "--force")
    result = homecell("explain", "user:9")
    assert (result.exit_code, "does not list `eu-2` yet" in result.stdout) == (1, True)
    told = json.loads(homecell("explain", "user:9", "--json").stdout)
    assert (told["served"], told["status"], told["reason"], told["cell"]) == (
        False,
        503,
        "home-not-listed",
        "",
    )
    assert homecell("explain", "user:1").exit_code == 0


@pytest.mark.parametrize("told", [{}, {"cells": ["eu-1", "eu-2"]}, {"edge": "edge-2", "cells": ["eu-1"]}])
def test_an_edge_that_lists_it_or_does_not_tell_or_is_another_hinders_nothing(
    homecell: Homecell, site: Site, told: dict[str, object]
) -> None:
    site.spoil(EU_2)
    with admin_port({**whose(site), **told}) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        moved = homecell("users", "move", "user:1", "--to", "eu-2", "--no-copy")
        assert (moved.exit_code, moved.stderr) == (0, "")
        assert homecell("explain", "user:1").exit_code == 0


def test_the_lookup_service_asks_the_running_edge_too(edge: Site) -> None:
    settings = edge.load()
    amiss = asyncio.run(what_is_amiss(settings, "eu-2"))
    assert amiss.endswith("does not list `eu-2` yet: restart it (SIGTERM, then start it)")
    assert asyncio.run(what_is_amiss(settings, "eu-1")) == ""


def test_the_list_warns_of_a_cell_that_does_not_answer_the_running_edge(
    homecell: Homecell, site: Site
) -> None:
    with admin_port({**whose(site), "failing": ["us-1"]}) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        listed = homecell("cells", "list")
        warning = "warning: us-1 does not answer, says edge-1\n"
        assert (listed.exit_code, listed.stderr.count(warning)) == (0, 1)
    assert "does not answer" not in homecell("cells", "list").stderr


def test_explain_says_that_the_cell_does_not_answer_the_running_edge(homecell: Homecell, site: Site) -> None:
    with admin_port({**whose(site), "failing": ["eu-1"]}) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        result = homecell("explain", "user:1")
        assert result.exit_code == 1
        assert "no  endpoint   127.0.0.1:8101: eu-1 does not answer, says edge-1\n" in result.stdout
        assert result.stdout.endswith("The client gets 503 or 502, unless eu-1 answers again\n")
        told = json.loads(homecell("explain", "user:1", "--json").stdout)
        assert (told["served"], told["status"], told["cell"]) == (False, None, "eu-1")
        assert homecell("explain", "user:2").exit_code == 0
    assert homecell("explain", "user:1").exit_code == 0
