"""homecell token: what it mints is accepted by the config's edge, and what would not be is refused here."""

from __future__ import annotations

import time

import jwt
import pytest
from click.testing import Result

from lookup.assignment import NO_EPOCH
from proxy import wiring
from proxy.rooms.identity import Identity
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site

IDS = ["k1", "k2", "demo-es256", "demo-eddsa"]


def identified(site: Site, result: Result) -> Identity:
    settings = site.load()
    identify = wiring.identify(settings, wiring.routing_cookies(settings))
    identify.reload(time.time())
    answer = identify.identify(b"Bearer " + result.stdout.strip().encode(), b"", time.time())
    assert isinstance(answer, Identity)
    return answer


@pytest.mark.parametrize("key_id", IDS)
def test_a_token_signed_with_any_key_of_the_config_is_accepted(
    homecell: Homecell, site: Site, key_id: str
) -> None:
    result = homecell("token", "--user", "42", "--key", key_id)
    assert (result.exit_code, result.stderr) == (0, "")
    assert identified(site, result).key == "user:42"
    assert jwt.get_unverified_header(result.stdout.strip())["kid"] == key_id


def test_without_a_key_the_secret_signs(homecell: Homecell) -> None:
    assert jwt.get_unverified_header(homecell("token", "--user", "42").stdout.strip())["kid"] == "k1"


def test_a_token_claims_the_home_that_is_named(homecell: Homecell, site: Site) -> None:
    hint = identified(site, homecell("token", "--user", "42", "--cell", "us-1", "--epoch", "7")).hint
    assert hint is not None
    assert (hint.cell, hint.epoch) == ("us-1", 7)
    hint = identified(site, homecell("token", "--user", "42", "--cell", "us-1")).hint
    assert hint is not None
    assert hint.epoch == NO_EPOCH


def test_the_claims_are_called_as_the_config_says(homecell: Homecell, site: Site) -> None:
    site.spoil(("  audience: demo", "  audience: demo\n  claims: {user: uid, cell: at, epoch: nth}"))
    result = homecell("token", "--user", "42", "--cell", "us-1", "--epoch", "7")
    answer = identified(site, result)
    assert answer.key == "user:42"
    assert answer.hint is not None
    assert (answer.hint.cell, answer.hint.epoch) == ("us-1", 7)


def test_a_token_lives_as_long_as_is_said(homecell: Homecell) -> None:
    claims = jwt.decode(
        homecell("token", "--user", "1", "--expires-in", "15m").stdout.strip(),
        options={"verify_signature": False},
    )
    assert claims["exp"] - claims["iat"] == 900


def test_a_private_key_can_be_given(homecell: Homecell, site: Site) -> None:
    (site.folder / "keys/rs256.key.pem").rename(site.folder / "elsewhere.pem")
    alone = homecell("token", "--user", "42", "--key", "k2")
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert "add --private-key FILE, the private half of `k2`" in alone.stderr
    result = homecell("token", "--user", "42", "--key", "k2", "--private-key", "elsewhere.pem")
    assert identified(site, result).key == "user:42"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--user", "user:42"], "write --user 42"),
        (["--user", "a b"], "has a space in it"),
        (["--user", "42", "--epoch", "1"], "add --cell NAME"),
        (["--user", "42", "--cell", "us-2"], "known: eu-1, us-1"),
        (["--user", "42", "--key", "demo-es25"], "did you mean `demo-es256`?"),
        (
            ["--user", "42", "--key", "k2", "--private-key", "none.pem"],
            "cannot be read (No such file or directory)",
        ),
        (["--user", "42", "--key", "k2", "--private-key", "keys/es256.key.pem"], "RS256 needs"),
        (
            ["--user", "42", "--key", "demo-eddsa", "--private-key", "edge.yaml"],
            "not an unencrypted PEM private key",
        ),
        (["--user", "42", "--private-key", "keys/cookie-1.secret"], "the edge would refuse this token: "),
        ([], "Missing option '--user'"),
    ],
)
def test_what_no_edge_would_accept_is_refused_with_the_mend(
    homecell: Homecell, arguments: list[str], error: str
) -> None:
    result = homecell("token", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr
