"""A site with a seeded store, and the homecell command against it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lookup.assignment import Assignment, State
from lookup.stores.sqlite import SqliteStore
from proxy.cli import main
from tests.proxy.cli.europeans import settle_europeans
from tests.proxy.config.site import Site, make_keys

HOMES = (
    Assignment("user:1", "eu-1", "eu", 1, updated_at_s=1_700_000_000.0),
    Assignment("user:2", "us-1", "us", 3, updated_at_s=1_700_000_000.0),
    Assignment("user:3", "eu-1", "eu", 5, State.MOVING, "us-1", updated_at_s=1_700_000_000.0),
    Assignment("user:4", "old-1", "eu", 1, updated_at_s=1_700_000_000.0),
)

Homecell = Callable[..., Result]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("demo") / "keys")


@pytest.fixture
def site(tmp_path: Path, keys: Path) -> Site:
    """A site with four users in its store, whose admin port is one that nobody answers on."""
    site = Site(tmp_path / "site", keys)
    site.spoil(("127.0.0.1:9080", "127.0.0.1:1"))
    asyncio.run(_seed(site.folder / "home.sqlite"))
    return site


async def _seed(path: Path) -> None:
    store = await SqliteStore.open(path, create=True)
    await store.load(HOMES)
    await store.close()


@pytest.fixture
def europeans(site: Site) -> None:
    """Three cells of the site are under one law, and sixty more users live in the first one."""
    settle_europeans(site)


@pytest.fixture
def homecell(site: Site, monkeypatch: pytest.MonkeyPatch) -> Homecell:
    """Runs the command in this process, in the site's folder, with its config as the one that is meant."""
    monkeypatch.chdir(site.folder)
    monkeypatch.setenv("HOMECELL_CONFIG", "edge.yaml")

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, arguments, prog_name="homecell", input=stdin)

    return run
