"""The homecell command where keys are hashed: operators type keys, the store has hashes."""

from __future__ import annotations

import asyncio
import json

import pytest

from lookup.keys import KeySpelling
from lookup.stores.sqlite import SqliteStore
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site

SECRET = "8c1f0a7e5d3b49268c1f0a7e5d3b4926"
KEPT = KeySpelling(SECRET.encode()).stored("user:new")
CONFIGURED = (
    "lookup:\n  refresh_s: 60\n",
    "lookup:\n  key_hash: {secret_file: key-hash.secret}\n  refresh_s: 60\n",
)


@pytest.fixture(autouse=True)
def hashing(site: Site) -> None:
    """An empty store, and a config that hashes."""
    for file in site.folder.glob("home.sqlite*"):
        file.unlink()
    asyncio.run(_begin(site))
    (site.folder / "key-hash.secret").write_text(SECRET + "\n")
    (site.folder / "key-hash.secret").chmod(0o600)
    site.spoil(CONFIGURED)


async def _begin(site: Site) -> None:
    await (await SqliteStore.open(site.folder / "home.sqlite", create=True)).close()


def test_an_operator_types_keys_and_the_store_has_hashes(homecell: Homecell, site: Site) -> None:
    placed = homecell("users", "place", "user:new", "--cell", "eu-1")
    assert placed.stdout == "user:new is at home in eu-1 (epoch 1)\n"
    shown = homecell("users", "show", "user:new").stdout
    assert shown.startswith(f"user:new is kept as {KEPT}\nuser:new is at home in eu-1")
    assert homecell("users", "show", KEPT).stdout.startswith(f"{KEPT} is at home in eu-1")
    assert json.loads(homecell("users", "history", "user:new", "--json").stdout)[0]["key"] == KEPT
    stored = b"".join(file.read_bytes() for file in site.folder.glob("home.sqlite*"))
    assert b"user:new" not in stored
    assert KEPT.encode() in stored


def test_explain_shows_the_key_and_what_is_kept_of_it(homecell: Homecell) -> None:
    homecell("users", "place", "user:new", "--cell", "eu-1")
    told = json.loads(homecell("explain", "user:new", "--json").stdout)
    assert (told["key"], told["cell"]) == ("user:new", "eu-1")
    assert [step["says"] for step in told["steps"] if step["room"] == "key"] == [f"kept as {KEPT}"]
    token = homecell("token", "--user", "new").stdout.strip()
    of_token = homecell("explain", "--token", token, "--json")
    assert json.loads(of_token.stdout)["cell"] == "eu-1"


def test_aliases_are_hashed_as_well(homecell: Homecell, site: Site) -> None:
    homecell("users", "place", "user:new", "--cell", "eu-1")
    named = homecell("users", "alias", "email:ann@example.org", "user:new")
    assert named.stdout == "email:ann@example.org names user:new (epoch 1)\n"
    assert "is at home in eu-1" in homecell("users", "show", "email:ann@example.org").stdout
    assert b"ann@example" not in b"".join(f.read_bytes() for f in site.folder.glob("home.sqlite*"))


def test_another_secret_is_told_as_such_and_not_as_an_unknown_user(homecell: Homecell, site: Site) -> None:
    homecell("users", "place", "user:new", "--cell", "eu-1")
    (site.folder / "key-hash.secret").write_text(SECRET[::-1] + "\n")
    refused = homecell("users", "show", "user:new")
    assert refused.exit_code == 3
    assert "another secret" in refused.stderr


def test_a_missing_or_weak_secret_is_a_mistake_of_the_config(homecell: Homecell, site: Site) -> None:
    (site.folder / "key-hash.secret").write_text("short\n")
    assert homecell("check-config").exit_code == 2
    (site.folder / "key-hash.secret").unlink()
    missing = homecell("check-config")
    assert missing.exit_code == 2
    assert "key-hash.secret" in missing.stderr
