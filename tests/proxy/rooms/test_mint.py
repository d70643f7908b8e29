"""Demo keys and test tokens: what is minted is what an edge with the demo's configuration accepts."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.rooms.claims import ClaimRules
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.keys import KeyMistakeError, load_key
from proxy.rooms.mint import (
    COOKIE_SECRET,
    DEMO_KEYS,
    KEY_SET,
    RSA_PUBLIC,
    SigningKey,
    load_signing_key,
    mint_token,
    write_demo_keys,
)
from proxy.rooms.routing_cookie import load_cookie_key
from proxy.rooms.tokens import TokenVerifier, VerifiedToken
from tests.proxy.rooms.forge import NOW_S, SECRET


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("demo") / "keys"
    write_demo_keys(made)
    return made


def edge(folder: Path) -> TokenVerifier:
    """A verifier with what the demo's configuration gives an edge."""
    fixed = (
        load_key("demo-hs256", "HS256", folder / "hs256.secret"),
        load_key("demo-rs256", "RS256", folder / RSA_PUBLIC),
    )
    keys = TokenKeys(fixed, folder / KEY_SET)
    keys.reload(NOW_S)
    assert keys.mistakes == ()
    return TokenVerifier(ClaimRules("https://id.example", "edge", leeway_s=0), keys)


@pytest.mark.parametrize("algorithm", DEMO_KEYS)
@pytest.mark.parametrize("named", [True, False], ids=["with kid", "without kid"])
def test_a_minted_token_is_accepted_by_an_edge(folder: Path, algorithm: str, named: bool) -> None:
    key_id, name = DEMO_KEYS[algorithm]
    key = load_signing_key(key_id if named else "", algorithm, folder / name)
    minted = mint_token(
        key,
        subject="42",
        issuer="https://id.example",
        audience="edge",
        now_s=NOW_S,
        lifetime_s=60,
        cell="eu-west-1-cell-01",
        epoch=3,
    )
    verified = edge(folder).verify(minted.encode(), NOW_S)
    assert isinstance(verified, VerifiedToken)
    claims = verified.claims
    assert claims.hint is not None
    assert (claims.key, claims.hint.cell, claims.hint.epoch) == ("user:42", "eu-west-1-cell-01", 3)
    assert claims.expires_at_s == NOW_S + 60


def test_a_token_claims_a_home_only_when_told_to(folder: Path) -> None:
    key = load_signing_key("demo-hs256", "HS256", folder / "hs256.secret")
    minted = mint_token(
        key, subject="42", issuer="https://id.example", audience="edge", now_s=NOW_S, lifetime_s=60
    )
    verified = edge(folder).verify(minted.encode(), NOW_S)
    assert isinstance(verified, VerifiedToken)
    assert verified.claims.hint is None


def test_private_files_are_their_owners_only(folder: Path) -> None:
    private = [COOKIE_SECRET, *(name for _, name in DEMO_KEYS.values())]
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in private] == [0o600] * len(private)
    public = {KEY_SET, RSA_PUBLIC}
    assert {path.name for path in folder.iterdir()} == public | set(private)


def test_the_published_set_holds_public_members_only(folder: Path) -> None:
    published = json.loads((folder / KEY_SET).read_bytes())["keys"]
    assert [entry["kid"] for entry in published] == ["demo-es256", "demo-eddsa"]
    assert all("d" not in entry and "k" not in entry for entry in published)


def test_making_the_keys_again_leaves_them_as_they_are(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_demo_keys(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_public_file_that_was_lost_is_written_again(folder: Path) -> None:
    before = (folder / RSA_PUBLIC).read_bytes()
    (folder / RSA_PUBLIC).unlink()
    write_demo_keys(folder)
    assert (folder / RSA_PUBLIC).read_bytes() == before


def test_the_cookie_secret_is_good_enough_to_sign_cookies(folder: Path) -> None:
    assert load_cookie_key("c1", folder / COOKIE_SECRET).id == "c1"


def test_a_key_that_no_edge_takes_cannot_sign(tmp_path: Path) -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    (tmp_path / "small.pem").write_bytes(
        small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "short").write_bytes(SECRET[:8])
    (tmp_path / "junk").write_bytes(b"junk")
    for algorithm, name in [
        ("RS256", "small.pem"),
        ("ES256", "small.pem"),
        ("HS256", "short"),
        ("RS256", "junk"),
        ("RS256", "nothing"),
        ("none", "junk"),
    ]:
        with pytest.raises(KeyMistakeError):
            load_signing_key("k", algorithm, tmp_path / name)


def test_a_signing_key_does_not_show_its_material() -> None:
    assert "secret of" not in repr(SigningKey("k", "HS256", SECRET))
