"""The store and the servers that the config names: what goes together, and the files that they need.

Asks no server: whether one can be reached, `homecell store status` says.
"""

from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import Final

from proxy.config.document import KeyPath
from proxy.config.findings import Finding, choose
from proxy.config.models import ConfigFile
from proxy.config.shape import Shape

_KEYS: Final = {"sqlite": ("path",), "cassandra": ("cassandra",), "remote": ("url", "token_file")}
"""Which keys go with which kind of store, and are needed for it."""

_CASSANDRA: Final[KeyPath] = ("store", "cassandra")
_REDIS: Final[KeyPath] = ("redis",)
_MAX_PASSWORD_BYTES: Final = 4096


def check_store(config: Shape[ConfigFile], mistakes: list[Finding], warnings: list[Finding]) -> None:
    """Adds what is wrong with store and Redis, and what is not there yet."""
    kind = config.text(("store", "kind"))
    mistakes += _check_kind(config, kind)
    _check_file(config, mistakes, warnings)
    mistakes += _check_token(config, kind)
    for server in (_CASSANDRA, _REDIS):
        if isinstance(config.get(server), dict):
            _check_login(config, server, "", mistakes, warnings)
            mistakes += _check_tls(config, (*server, "tls"))
    _check_login(config, _REDIS, "sentinel_", mistakes, warnings)
    mistakes += _check_datacentres(config)
    mistakes += _check_redis(config, kind)


def _check_kind(config: Shape[ConfigFile], kind: str | None) -> list[Finding]:
    found = []
    for owner, keys in _KEYS.items():
        for key in keys if kind in _KEYS else ():
            path = ("store", key)
            is_given = config.get(path) is not None
            if owner != kind and is_given:
                found.append(config.finding(path, f"does not go with kind {kind}", "remove it"))
            elif owner == kind and not is_given and not config.is_wrong(path):
                found.append(config.finding(path, "is missing", f"add it: a {kind} store needs it"))
    return found


def _check_file(config: Shape[ConfigFile], mistakes: list[Finding], warnings: list[Finding]) -> None:
    path = ("store", "path")
    file = config.path(path)
    if file is None:
        return
    if file.is_dir():
        mistakes.append(config.finding(path, "is a folder", "name a file in it, e.g. home.sqlite"))
    elif not file.exists():
        what = f"is {file}, which does not exist yet"
        mend = f"make it: homecell store init --config {config.file}"
        warnings.append(config.finding(path, what, mend))


def _check_token(config: Shape[ConfigFile], kind: str | None) -> list[Finding]:
    path = ("store", "token_file")
    token = config.path(path)
    if token is None or kind != "remote" or token.is_file():
        return []
    return [config.finding(path, f"is {token}, which is no file", "make it: one token of the service")]


def _check_login(
    config: Shape[ConfigFile],
    server: KeyPath,
    prefix: str,
    mistakes: list[Finding],
    warnings: list[Finding],
) -> None:
    """A name without a password is no login; Cassandra asks for both, Redis has a user by default."""
    user, password = (*server, f"{prefix}username"), (*server, f"{prefix}password_file")
    has_user, has_password = config.get(user) is not None, config.get(password) is not None
    if has_user and not has_password and not config.is_wrong(password):
        mistakes.append(config.finding(user, "has no password", f"add `{prefix}password_file`"))
    if has_password and not has_user and server == _CASSANDRA and not config.is_wrong(user):
        mistakes.append(config.finding(password, "is nobody's", "add `username`"))
    file = config.path(password)
    if file is None:
        return
    trouble = _trouble_with_password(file)
    if trouble:
        mistakes.append(config.finding(password, f"is {file}, {trouble}", "write the password into it"))
    elif file.stat().st_mode & stat.S_IROTH:
        what = "can be read by every user of this machine"
        warnings.append(config.finding(password, what, f"chmod 600 {file}"))


def _trouble_with_password(file: Path) -> str:
    try:
        text = file.read_bytes()[: _MAX_PASSWORD_BYTES + 1].decode().removesuffix("\n")
    except FileNotFoundError:
        return "which does not exist"
    except UnicodeDecodeError:
        return "which is no text"
    except OSError as error:
        return f"which cannot be read ({error.strerror})"
    if len(text) > _MAX_PASSWORD_BYTES or not text.isprintable():
        return "which is not one line of text"
    return "" if text else "which is empty"


def _check_tls(config: Shape[ConfigFile], tls: KeyPath) -> list[Finding]:
    found = []
    files = {key: config.path((*tls, key)) for key in ("ca_file", "certificate_file", "key_file")}
    authority, certificate, key = files.values()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:  # ssl.SSLError too
            found.append(_unusable(config, (*tls, "ca_file"), authority, error, "a PEM certificate"))
    if certificate is not None and key is not None:
        try:
            context.load_cert_chain(certificate, key, password=_refuse_to_ask)
        except (OSError, ValueError) as error:
            wanted = "a PEM certificate, and in `key_file` its key without a passphrase"
            found.append(_unusable(config, (*tls, "certificate_file"), certificate, error, wanted))
    for one, other in (("certificate_file", "key_file"), ("key_file", "certificate_file")):
        if files[one] is not None and files[other] is None and not config.is_wrong((*tls, other)):
            found.append(config.finding((*tls, one), f"goes with `{other}` only", f"add `{other}`"))
    return found


def _refuse_to_ask() -> str:
    raise ValueError("the key has a passphrase")


def _unusable(config: Shape[ConfigFile], path: KeyPath, file: Path, error: Exception, wanted: str) -> Finding:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return config.finding(path, f"is {file}, which cannot be used ({reason})", f"name {wanted}")


def _check_datacentres(config: Shape[ConfigFile]) -> list[Finding]:
    """Reads and decisions need copies where they are made; a jurisdiction must be one of the config's."""
    replication = config.get((*_CASSANDRA, "replication"))
    replicated = {str(name) for name in replication} if isinstance(replication, dict) else set()
    owners: KeyPath = (*_CASSANDRA, "owners")
    by_law = config.keys((*owners, "by_jurisdiction"))
    found = []
    for path in ((*_CASSANDRA, "datacentre"), (*owners, "placing"), *by_law):
        name = config.text(path)
        if replicated and name is not None and name not in replicated:
            mend = f"add it there, or write one of: {', '.join(sorted(replicated))}"
            found.append(config.finding(path, f"is `{name}`, which `replication` does not name", mend))
    known = [str(path[-1]) for path in config.keys(("residency",))]
    for path in by_law:
        if known and path[-1] not in known:
            what = "is a jurisdiction without a rule below `residency`"
            found.append(config.finding(path, what, choose(str(path[-1]), known)))
    return found


def _check_redis(config: Shape[ConfigFile], kind: str | None) -> list[Finding]:
    if not isinstance(config.get(_REDIS), dict):
        if kind != "cassandra" or config.is_wrong(_REDIS):
            return []
        mend = 'add `redis: {addresses: ["127.0.0.1:6379"]}`'
        what = "is cassandra, whose change feed needs Redis, and there is no section `redis`"
        return [config.finding(("store", "kind"), what, mend)]
    found = []
    topology, service = config.text((*_REDIS, "topology")), (*_REDIS, "service")
    if topology == "sentinel" and config.get(service) is None and not config.is_wrong(service):
        mend = "add `service`: the name in their `sentinel monitor` line"
        found.append(config.finding((*_REDIS, "topology"), "is sentinel, without the master's name", mend))
    found += [
        config.finding((*_REDIS, key), f"does not go with topology {topology}", "remove it")
        for key in ("service", "sentinel_username", "sentinel_password_file")
        if topology in ("one", "cluster") and config.get((*_REDIS, key)) is not None
    ]
    addresses = config.keys((*_REDIS, "addresses"))
    if topology == "one" and len(addresses) > 1:
        mend = "keep one, or set `topology` to sentinel or cluster"
        found.append(config.finding(addresses[1], "is a second server", mend))
    return found
