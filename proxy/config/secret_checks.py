"""The key files that the config names: present, private, strong. Shows nothing of what they hold."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from proxy.config.document import KeyPath
from proxy.config.findings import Finding
from proxy.config.models import ConfigFile
from proxy.config.shape import Shape
from proxy.rooms.jwks import MAX_SET_BYTES, read_key_set
from proxy.rooms.keys import KeyMistakeError, key_from_secret, load_key, secret_in_file

_MAX_SECRET_BYTES: Final = 65_536
_MIN_DISTINCT_BYTES: Final = (
    10  # 32 random hexadecimal digits have 13 or 14 distinct ones; words repeated have few
)
_NEW_SECRET: Final = "make one: openssl rand -hex 32 > FILE"


def check_keys(config: Shape[ConfigFile], mistakes: list[Finding], warnings: list[Finding]) -> None:
    """Adds what is wrong with what the config says of keys, and with the secret that the store needs."""
    _check_kinds(config, mistakes)
    mistakes += _duplicate_ids(config, ("identity", "keys"))
    mistakes += _duplicate_ids(config, ("routing_cookie", "keys"))
    if config.get(("lookup", "key_hash")) is not None:
        _check_secret(config, ("lookup", "key_hash", "secret_file"), mistakes, warnings)
    _check_service_tokens(config, warnings)
    _check_names(config, mistakes)
    warnings += _shared_claims(config)


def check_key_files(config: Shape[ConfigFile], mistakes: list[Finding], warnings: list[Finding]) -> None:
    """Adds what is wrong with the files that hold the keys of tokens and of the routing cookie."""
    _check_token_keys(config, mistakes, warnings)
    for path in config.keys(("routing_cookie", "keys")):
        _check_secret(config, (*path, "secret_file"), mistakes, warnings)
    _check_jwks(config, mistakes, warnings)


def _check_kinds(config: Shape[ConfigFile], mistakes: list[Finding]) -> None:
    for path in config.keys(("identity", "keys")):
        algorithm = config.text((*path, "algorithm"))
        if algorithm is None:
            continue
        right, wrong = _right_and_wrong(algorithm)
        if config.get((*path, wrong)) is not None:
            mistakes.append(config.finding((*path, wrong), f"does not go with {algorithm}", f"use `{right}`"))
        is_told = config.path((*path, right)) is not None or config.is_wrong((*path, right))
        if not is_told and config.get((*path, wrong)) is None:
            mistakes.append(config.finding((*path, right), "is missing", f"add it: {algorithm} needs it"))


def _right_and_wrong(algorithm: str) -> tuple[str, str]:
    """The key that names the file of such a key, and the one that does not."""
    if algorithm == "HS256":
        return "secret_file", "public_key_file"
    return "public_key_file", "secret_file"


def _check_token_keys(config: Shape[ConfigFile], mistakes: list[Finding], warnings: list[Finding]) -> None:
    for path in config.keys(("identity", "keys")):
        algorithm = config.text((*path, "algorithm"))
        if algorithm is None:
            continue
        right, _ = _right_and_wrong(algorithm)
        file = config.path((*path, right))
        if file is None:
            continue
        if algorithm == "HS256":
            _check_secret(config, (*path, right), mistakes, warnings)
        elif (unreadable := _unreadable(config, (*path, right), file)) is not None:
            mistakes.append(unreadable)
        else:
            try:
                load_key("", algorithm, file)
            except KeyMistakeError as error:
                what = f"cannot be used: {str(error).removeprefix(f'{file}: ')}"
                mistakes.append(
                    config.finding((*path, right), what, f"name the PEM public key for {algorithm}")
                )


def _check_secret(
    config: Shape[ConfigFile], path: KeyPath, mistakes: list[Finding], warnings: list[Finding]
) -> None:
    file = config.path(path)
    if file is None:
        return
    unreadable = _unreadable(config, path, file)
    if unreadable is not None:
        mistakes.append(unreadable)
        return
    with file.open("rb") as stream:
        raw = stream.read(_MAX_SECRET_BYTES + 1)
    try:
        secret = secret_in_file(raw)
        key_from_secret("", secret)
    except KeyMistakeError as error:
        mistakes.append(config.finding(path, f"cannot be used: {error}", _NEW_SECRET))
        return
    if len(set(secret)) < _MIN_DISTINCT_BYTES:
        mistakes.append(config.finding(path, "holds a weak secret, made of few different bytes", _NEW_SECRET))
    if len(raw) > _MAX_SECRET_BYTES:
        mistakes.append(config.finding(path, f"is larger than {_MAX_SECRET_BYTES} bytes", _NEW_SECRET))
    _warn_if_open(config, path, file, warnings)


def _check_service_tokens(config: Shape[ConfigFile], warnings: list[Finding]) -> None:
    """Warns only: an edge runs without the tokens, the lookup service says itself what is wrong with them."""
    path = ("lookup_service", "tokens_file")
    file = config.path(path)
    if file is None:
        return
    unreadable = _unreadable(config, path, file)
    if unreadable is not None:
        warnings.append(unreadable)
    else:
        _warn_if_open(config, path, file, warnings)


def _warn_if_open(config: Shape[ConfigFile], path: KeyPath, file: Path, warnings: list[Finding]) -> None:
    if file.stat().st_mode & stat.S_IROTH:
        what = "can be read by every user of this machine"
        warnings.append(config.finding(path, what, f"chmod 600 {file}"))


def _unreadable(config: Shape[ConfigFile], path: KeyPath, file: Path) -> Finding | None:
    try:
        if not file.exists():
            mend = f"{_way_to_get(path, file)}, or correct the path"
            return config.finding(path, f"is {file}, which does not exist", mend)
        if not file.is_file():
            return config.finding(path, f"is {file}, which is no ordinary file", "name a file")
        with file.open("rb"):
            return None
    except OSError as error:
        what = f"is {file}, which cannot be read ({error.strerror})"
        return config.finding(path, what, "let the edge's user read it")


def _way_to_get(path: KeyPath, file: Path) -> str:
    match path[0], path[-1]:
        case "identity", "secret_file":
            return "put the secret there by which your tokens are signed"
        case "identity", "public_key_file":
            return "put the public key (PEM) there of who signs your tokens"
        case "identity", "jwks_file":
            return "put the JWK Set there of who signs your tokens"
        case "routing_cookie", _:
            return f"make it: (umask 077; openssl rand -hex 32 > {file})"
        case "lookup_service", _:
            return f'make it: (umask 077; echo "write $(openssl rand -hex 32) NAME" > {file})'
    return "make it"


def _check_jwks(config: Shape[ConfigFile], mistakes: list[Finding], warnings: list[Finding]) -> None:
    path = ("identity", "jwks_file")
    file = config.path(path)
    if file is None:
        return
    unreadable = _unreadable(config, path, file)
    if unreadable is not None:
        mistakes.append(unreadable)
        return
    with file.open("rb") as stream:
        raw = stream.read(MAX_SET_BYTES + 1)
    ids = {config.text((*key, "id")) for key in config.keys(("identity", "keys"))}
    try:
        if len(raw) > MAX_SET_BYTES:
            raise KeyMistakeError(f"larger than {MAX_SET_BYTES} bytes")
        found = read_key_set(raw, frozenset(name for name in ids if name))
    except KeyMistakeError as error:
        mistakes.append(config.finding(path, f"cannot be used: {error}", "name a JWK Set of public keys"))
        return
    warnings += [
        config.finding(path, f"has an entry that is left out: {entry}", "mend or remove the entry")
        for entry in found.mistakes
    ]


def _duplicate_ids(config: Shape[ConfigFile], keys: KeyPath) -> list[Finding]:
    found = []
    first_at: dict[str, KeyPath] = {}
    for path in config.keys(keys):
        key_id = config.text((*path, "id"))
        if key_id is not None and key_id in first_at:
            what = f"is `{key_id}` again, first on line {config.root.line_of((*first_at[key_id], 'id'))}"
            found.append(config.finding((*path, "id"), what, "give each key its own id"))
        elif key_id is not None:
            first_at[key_id] = path
    return found


def _shared_claims(config: Shape[ConfigFile]) -> list[Finding]:
    found = []
    first_with: dict[str, str] = {}
    for key in ("user", "cell", "epoch"):
        path = ("identity", "claims", key)
        name = config.text(path)
        if name is not None and name in first_with:
            what = f"is `{name}`, as `{first_with[name]}`: one claim can't say both"
            found.append(config.finding(path, what, "give each its own claim"))
        elif name is not None:
            first_with[name] = key
    return found


def _check_names(config: Shape[ConfigFile], mistakes: list[Finding]) -> None:
    order = [
        source for path in config.keys(("identity", "order")) if (source := config.text(path)) is not None
    ]
    for position, source in enumerate(order):
        if source in order[:position]:
            mistakes.append(
                config.finding(("identity", "order", position), f"is `{source}` again", "name it once")
            )
    session, routing = config.text(("identity", "session_cookie")), config.text(("routing_cookie", "name"))
    if session is not None and session == routing:
        what = f"is `{session}`, as `identity.session_cookie`"
        mistakes.append(config.finding(("routing_cookie", "name"), what, "give each cookie its own name"))
    has_keys = config.keys(("identity", "keys")) or config.get(("identity", "jwks_file")) is not None
    if config.model is not None and not has_keys and {"bearer", "session_cookie"} & set(order):
        mistakes.append(
            config.finding(
                ("identity", "keys"), "is empty: no token could be verified", "add a key or a `jwks_file`"
            )
        )
