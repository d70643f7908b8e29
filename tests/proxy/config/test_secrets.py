"""Key files: what is wrong with one is told, what one holds never is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from proxy.config import ConfigError
from tests.proxy.config.site import Site

MAKE_ONE = "make one: openssl rand -hex 32 > FILE"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "cannot be used: the secret has 0 bytes; HS256 needs at least 32"),
        (b"hunter2\n", "cannot be used: the secret has 7 bytes; HS256 needs at least 32"),
        (
            b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n",
            "cannot be used: the secret is a PEM, DER, SSH or JWK key; HS256 needs random bytes",
        ),
        (
            b"one line\nand another one, long enough for a secret\n",
            "cannot be used: the secret is not one line of text, and ends with a line end; "
            "write it as one, or without that",
        ),
        (b"changeme" * 8, "holds a weak secret, made of few different bytes"),
    ],
)
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("hs256.secret", "edge.yaml:17: identity.keys[0].secret_file"),
        ("cookie-1.secret", "edge.yaml:24: routing_cookie.keys[0].secret_file"),
    ],
)
def test_a_weak_secret_is_refused(site: Site, name: str, place: str, content: bytes, fault: str) -> None:
    (site.folder / "keys" / name).write_bytes(content)
    assert site.mistakes() == [f"{place} {fault}; {MAKE_ONE}"]


def test_a_secret_that_everybody_can_read_is_warned_of(site: Site) -> None:
    file = site.folder / "keys/hs256.secret"
    file.chmod(0o644)
    assert site.warnings() == [
        "edge.yaml:17: identity.keys[0].secret_file can be read by every user of this machine; "
        "chmod 600 keys/hs256.secret"
    ]
    file.chmod(stat.S_IRUSR)
    assert site.warnings() == []


@pytest.mark.parametrize(
    ("name", "place", "way"),
    [
        (
            "hs256.secret",
            "17: identity.keys[0].secret_file",
            "put the secret there by which your tokens are signed",
        ),
        (
            "rs256.pub.pem",
            "20: identity.keys[1].public_key_file",
            "put the public key (PEM) there of who signs your tokens",
        ),
        ("jwks.json", "21: identity.jwks_file", "put the JWK Set there of who signs your tokens"),
        (
            "cookie-1.secret",
            "24: routing_cookie.keys[0].secret_file",
            "make it: (umask 077; openssl rand -hex 32 > keys/cookie-1.secret)",
        ),
    ],
)
def test_a_missing_file_is_named_with_its_whole_path_and_where_to_get_it(
    site: Site, name: str, place: str, way: str
) -> None:
    (site.folder / "keys" / name).unlink()
    fault = f"is keys/{name}, which does not exist; {way}, or correct the path"
    assert site.mistakes() == [f"edge.yaml:{place} {fault}"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_that_cannot_be_read_is_named(site: Site) -> None:
    (site.folder / "keys/rs256.pub.pem").chmod(0)
    assert site.mistakes() == [
        "edge.yaml:20: identity.keys[1].public_key_file is keys/rs256.pub.pem, "
        "which cannot be read (Permission denied); let the edge's user read it"
    ]


@pytest.mark.parametrize("name", ["hs256.secret", "rs256.pub.pem", "jwks.json", "cookie-1.secret"])
def test_a_folder_in_the_place_of_a_key_file_is_named(site: Site, name: str) -> None:
    file = site.folder / "keys" / name
    file.unlink()
    file.mkdir()
    (mistake,) = site.mistakes()
    assert mistake.endswith(f"is keys/{name}, which is no ordinary file; name a file")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{bad", "no JSON object in which each member is named once"),
        ("[]", "no JSON object in which each member is named once"),
        ("{}", 'the JSON object has no list "keys"'),
    ],
)
def test_a_file_that_is_no_jwk_set_is_told_what_it_is_not(site: Site, content: str, fault: str) -> None:
    (site.folder / "keys/jwks.json").write_text(content)
    (mistake,) = site.mistakes()
    assert f"identity.jwks_file cannot be used: not a JWK Set: {fault}; " in mistake


def test_a_fifo_in_the_place_of_a_key_file_does_not_block(site: Site) -> None:
    file = site.folder / "keys/jwks.json"
    file.unlink()
    os.mkfifo(file)
    (mistake,) = site.mistakes()
    assert "which is no ordinary file" in mistake


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("keys/rs256.pub.pem", "keys/rs256.key.pem", "edge.yaml:20: identity.keys[1].public_key_file"),
        ("keys/rs256.pub.pem", "keys/hs256.secret", "edge.yaml:20: identity.keys[1].public_key_file"),
        ("algorithm: RS256", "algorithm: ES256", "edge.yaml:20: identity.keys[1].public_key_file"),
        ("keys/jwks.json", "keys/hs256.secret", "edge.yaml:21: identity.jwks_file"),
    ],
)
def test_a_file_that_holds_something_else_is_named(site: Site, old: str, new: str, place: str) -> None:
    site.spoil((old, new))
    (mistake,) = site.mistakes()
    assert mistake.startswith(f"{place} cannot be used: ")


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "algorithm: RS256",
            "algorithm: HS256",
            "edge.yaml:20: identity.keys[1].public_key_file does not go with HS256; use `secret_file`",
        ),
        (
            "secret_file: keys/hs256.secret",
            "public_key_file: keys/rs256.pub.pem",
            "edge.yaml:17: identity.keys[0].public_key_file does not go with HS256; use `secret_file`",
        ),
        (
            ", secret_file: keys/hs256.secret",
            "",
            "edge.yaml:17: identity.keys[0].secret_file is missing; add it: HS256 needs it",
        ),
        (
            "      public_key_file: keys/rs256.pub.pem\n",
            "",
            "edge.yaml:18: identity.keys[1].public_key_file is missing; add it: RS256 needs it",
        ),
        (
            "id: k2",
            "id: k1",
            "edge.yaml:18: identity.keys[1].id is `k1` again, first on line 17; give each key its own id",
        ),
    ],
)
def test_a_key_that_cannot_be_one_is_named(site: Site, old: str, new: str, mistake: str) -> None:
    site.spoil((old, new))
    assert site.mistakes() == [mistake]


def test_tokens_without_any_key_are_refused(site: Site) -> None:
    text = site.edge.read_text()
    begin, end = text.index("  keys:\n    - {id: k1"), text.index("routing_cookie:\n")
    site.edge.write_text(text[:begin] + text[end:])
    assert site.mistakes() == [
        "edge.yaml:12: identity.keys is empty: no token could be verified; add a key or a `jwks_file`"
    ]


@pytest.mark.parametrize(
    "pasted",
    [
        "dGhpcyBpcyBhIHNlY3JldCB0aGF0IHdhcyBwYXN0ZWQ",
        "correcthorsebatterystaple42zz",
        '"-----BEGIN PRIVATE KEY----- abc/def.ghi"',
    ],
)
def test_a_secret_pasted_instead_of_a_path_is_not_repeated(site: Site, pasted: str) -> None:
    site.spoil(("keys/hs256.secret", pasted))
    (mistake,) = site.mistakes()
    assert "looks like the secret itself" in mistake
    assert pasted.strip('"') not in mistake


def test_a_password_in_an_address_is_not_repeated(site: Site) -> None:
    site.spoil(("http://127.0.0.1:8081", "http://anna:hunter2@127.0.0.1:8081"))
    assert site.mistakes() == [
        "edge.yaml:11: residency.us.edge_url holds a user name or password; "
        "write the bare address, e.g. `https://eu.example.com`"
    ]


def test_settings_never_hold_a_secret(site: Site) -> None:
    settings = site.load()
    shown = repr(settings) + settings.model_dump_json()
    for name in ("hs256.secret", "cookie-1.secret", "rs256.key.pem"):
        assert (site.folder / "keys" / name).read_text() not in shown


def test_errors_never_hold_a_secret(site: Site) -> None:
    secret = "S3cr3t-" * 4
    for name in ("hs256.secret", "cookie-1.secret", "rs256.pub.pem", "jwks.json"):
        Path(site.folder / "keys" / name).write_text(secret)
    with pytest.raises(ConfigError) as caught:
        site.load()
    assert len(caught.value.mistakes) == 4
    assert "S3cr3t" not in str(caught.value)


def test_tokens_of_the_lookup_service_that_are_missing_or_open_to_all_are_warned_of(site: Site) -> None:
    service = 'lookup_service: {listen: "127.0.0.1:1", tokens_file: lookup.tokens}\n'
    site.spoil(("routes:\n", f"{service}routes:\n"))
    (missing,) = site.warnings()
    assert "lookup_service.tokens_file is lookup.tokens, which does not exist" in missing
    assert 'echo "write $(openssl rand -hex 32) NAME" > lookup.tokens' in missing
    tokens = site.folder / "lookup.tokens"
    tokens.touch(mode=0o644)
    (readable,) = site.warnings()
    assert "lookup_service.tokens_file can be read by every user" in readable
    tokens.chmod(0o600)
    assert site.warnings() == []
