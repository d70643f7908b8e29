"""A key file that has become bad: who runs the edge must still be able to act on cells, users and store."""

from __future__ import annotations

import pytest

from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site


@pytest.fixture
def site_with_bad_keys(site: Site) -> Site:
    (site.folder / "keys/jwks.json").write_text("{bad")
    (site.folder / "keys/cookie-1.secret").unlink()
    (site.folder / "keys/rs256.pub.pem").write_text("nothing")
    site.spoil(("access_log: access.log", "access_log: gone/access.log"))
    return site


@pytest.mark.parametrize(
    "arguments",
    [
        ["cells", "list"],
        ["users", "show", "user:1"],
        ["users", "history", "user:1"],
        ["moves", "list"],
        ["store", "status"],
        ["store", "backup", "home.backup"],
        ["explain", "user:1"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("site_with_bad_keys")
def test_commands_that_need_no_keys_run_without_them(homecell: Homecell, arguments: list[str]) -> None:
    result = homecell(*arguments)
    assert (result.exit_code, "mistake" in result.stderr) == (0, False), result.stderr


@pytest.mark.usefixtures("site_with_bad_keys")
def test_a_cell_can_be_taken_out_while_the_key_files_are_bad(homecell: Homecell) -> None:
    homecell("cells", "flag", "eu-1", "down", "--reason", "3am")
    assert "3am" in homecell("cells", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "mistakes"),
    [
        (["proxy"], "4 mistakes"),
        (["check-config"], "4 mistakes"),
        (["token", "--user", "1"], "3 mistakes"),
        (["explain", "--token", "x"], "3 mistakes"),
    ],
)
@pytest.mark.usefixtures("site_with_bad_keys")
def test_commands_that_judge_or_make_tokens_insist_on_every_key_file(
    homecell: Homecell, arguments: list[str], mistakes: str
) -> None:
    """Where the access log goes, only an edge must know: who mints a token may not even write there."""
    result = homecell(*arguments)
    assert result.exit_code == 2
    assert mistakes in result.stderr


def test_the_secret_that_hashes_the_keys_of_the_store_stays_needed(homecell: Homecell, site: Site) -> None:
    site.spoil(("lookup:\n", "lookup:\n  key_hash: {secret_file: keys/none.secret}\n"))
    result = homecell("users", "show", "user:1")
    assert result.exit_code == 2
    assert "lookup.key_hash.secret_file is " in result.stderr
