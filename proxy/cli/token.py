"""homecell token: mints a token that the config's edge accepts, and makes sure that it does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lookup.assignment import NO_EPOCH
from proxy.cli.answers import HELP_SETTINGS, UsageMistakeError, config_option, load_config
from proxy.cli.completion import cell_names
from proxy.cli.durations import Duration

if TYPE_CHECKING:
    from proxy.config import Settings


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """A key that the edge verifies with; `file` is where its signing half is expected, None when unknown."""

    algorithm: str
    file: Path | None


@click.command("token", context_settings=HELP_SETTINGS)
@config_option
@click.option("--user", required=True, help="Who the token is for, as in its `sub` claim: 42.")
@click.option(
    "--cell", default="", shell_complete=cell_names, help="Home cell to claim; none means a lookup."
)
@click.option("--epoch", type=click.IntRange(1), help="Epoch of the claimed home; needs --cell.")
@click.option(
    "--expires-in", type=Duration(), default="1h", show_default=True, help="Lifetime: 90s, 15m, 2h, 1d."
)
@click.option("--key", "key_id", default="", help="Id of the key to sign with.  [default: the first one]")
@click.option(
    "--private-key",
    type=click.Path(path_type=Path),
    help="PEM file to sign with, for other keys than HS256.  [default: the demo's, beside the public key]",
)
def command(
    config_file: Path | None,
    user: str,
    cell: str,
    epoch: int | None,
    expires_in: int,
    key_id: str,
    private_key: Path | None,
) -> None:
    """Mint a token for trying things out.

    Only who has the signing key can: the secret of an HS256 key, or the private
    half of another. Real tokens come from your identity provider.

    \b
    Examples:
      homecell token --user 42
      homecell token --user 42 --cell eu-west-1-cell-01 --epoch 1
      homecell token --user 42 --key demo-rs256 --expires-in 15m
      curl -H "Authorization: Bearer $(homecell token --user 42)" http://127.0.0.1:8080/
    """
    settings = load_config(config_file, keys=True).settings
    _check_usage(settings, user, cell, epoch)
    choices = signing_choices(settings)
    if not choices:
        raise UsageMistakeError("the config names no key that verifies tokens", "add one below identity.keys")
    chosen = key_id or next(iter(choices))
    if chosen not in choices:
        from proxy.config.findings import choose

        raise UsageMistakeError(f"there is no key `{chosen}` in the config", choose(chosen, choices))
    token = _mint(settings, chosen, choices[chosen], private_key, user, cell, epoch, expires_in)
    _check_accepted(settings, token)
    click.echo(token)


def _check_usage(settings: Settings, user: str, cell: str, epoch: int | None) -> None:
    from lookup.keys import InvalidKeyError, user_key

    if user.startswith("user:"):
        mend = f"write --user {user.removeprefix('user:')}"
        raise UsageMistakeError("--user takes the id alone, without `user:`", mend)
    try:
        user_key(user)
    except InvalidKeyError as error:
        raise UsageMistakeError(str(error), "see --user") from error
    if epoch is not None and not cell:
        raise UsageMistakeError("--epoch is the epoch of a claimed home", "add --cell NAME")
    known = [str(known.name) for known in settings.cells]
    if cell and cell not in known:
        from proxy.config.findings import choose

        raise UsageMistakeError(f"there is no cell `{cell}` in {settings.cells_file}", choose(cell, known))


def signing_choices(settings: Settings) -> Mapping[str, KeyChoice]:
    """By id, the keys of the config; those with a secret, which need no other file, come first."""
    from proxy.rooms.jwks import read_key_set
    from proxy.rooms.mint import DEMO_KEYS

    def beside(public: Path, algorithm: str) -> Path | None:
        file = public.parent / DEMO_KEYS[algorithm][1] if algorithm in DEMO_KEYS else None
        return file if file is not None and file.is_file() else None

    choices: dict[str, KeyChoice] = {}
    for key in sorted(settings.identity.keys, key=lambda key: key.algorithm != "HS256"):
        if key.secret_file is not None:
            choices[key.id] = KeyChoice(key.algorithm, key.secret_file)
        elif key.public_key_file is not None:
            choices[key.id] = KeyChoice(key.algorithm, beside(key.public_key_file, key.algorithm))
    jwks_file = settings.identity.jwks_file
    if jwks_file is not None:
        for found in read_key_set(jwks_file.read_bytes(), frozenset(choices)).keys:
            choices[found.id] = KeyChoice(found.algorithm, beside(jwks_file, found.algorithm))
    return choices


def _mint(
    settings: Settings,
    key_id: str,
    choice: KeyChoice,
    private_key: Path | None,
    user: str,
    cell: str,
    epoch: int | None,
    expires_in: int,
) -> str:
    from proxy.rooms.keys import KeyMistakeError
    from proxy.rooms.mint import load_signing_key, mint_token

    file = private_key or choice.file
    if file is None:
        mend = f"add --private-key FILE, the private half of `{key_id}`"
        raise UsageMistakeError(f"`{key_id}` is a key for {choice.algorithm}, which only verifies", mend)
    identity = settings.identity
    try:
        return mint_token(
            load_signing_key(key_id, choice.algorithm, file),
            subject=user,
            issuer=identity.issuer,
            audience=identity.audience,
            now_s=time.time(),
            lifetime_s=expires_in,
            cell=cell,
            epoch=NO_EPOCH if epoch is None else epoch,
            user_claim=identity.claims.user,
            cell_claim=identity.claims.cell,
            epoch_claim=identity.claims.epoch,
        )
    except KeyMistakeError as error:
        raise UsageMistakeError(str(error), f"give the signing half of `{key_id}`") from error


def _check_accepted(settings: Settings, token: str) -> None:
    """A key that is not the configured one's other half would only show at the edge, as a 401."""
    from proxy import wiring
    from proxy.errors import Refusal

    identify = wiring.identify(settings, wiring.routing_cookies(settings))
    now_s = time.time()
    identify.reload(now_s)
    answer = identify.identify(b"Bearer " + token.encode(), b"", now_s)
    if isinstance(answer, Refusal) and "bearer" in settings.identity.order:
        mend = "sign with the private half of the configured key"
        raise UsageMistakeError(f"the edge would refuse this token: {answer.detail}", mend)
