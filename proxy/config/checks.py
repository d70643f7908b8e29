"""Values held against one another: what is well-formed and would still not work, or would break a promise.

Every check looks only at values that are sound by themselves, so that all mistakes are found in one run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final

from proxy.config.document import KeyPath
from proxy.config.findings import Finding
from proxy.config.inventory import Inventory
from proxy.config.log_checks import check_access_log, check_snapshots
from proxy.config.models import ConfigFile
from proxy.config.residency_checks import check_residency
from proxy.config.secret_checks import check_key_files, check_keys
from proxy.config.shape import Shape
from proxy.config.store_checks import check_store
from proxy.model import Endpoint

_RISING: Final[tuple[tuple[KeyPath, KeyPath], ...]] = (
    (("lookup", "refresh_s"), ("lookup", "expiry_s")),
    (("lookup", "expiry_s"), ("lookup", "hard_stale_s")),
    (("limits", "connect_timeout_s"), ("limits", "request_timeout_s")),
    (("lookup", "deadline_s"), ("limits", "request_timeout_s")),
)
"""Pairs of durations of which the first must be the shorter."""

NO_CELL: Final = "none"
"""What stands in logs and metrics in the place of a cell's name."""


@dataclass(slots=True)
class Found:
    """What the checks found."""

    mistakes: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)


def check_values(
    config: Shape[ConfigFile], inventory: Shape[Inventory] | None, *, keys: bool, writing: bool
) -> Found:
    """Every check of one value against another; the inventory is None when its file could not be read.

    keys     also the files with keys of tokens and cookies
    writing  also where an edge writes: access log, snapshots
    """
    found = Found()
    found.mistakes += _check_durations(config)
    found.mistakes += _check_listeners(config, inventory)
    found.warnings += [*_open_admin(config), *_short_drain(config)]
    check_store(config, found.mistakes, found.warnings)
    _check_routes(config, found)
    check_keys(config, found.mistakes, found.warnings)
    if keys:
        check_key_files(config, found.mistakes, found.warnings)
    if writing:
        found.mistakes += check_access_log(config)
        found.warnings += check_snapshots(config)
    if inventory is not None:
        found.mistakes += _check_cells(inventory)
        found.mistakes += _check_share_cap(config, inventory)
    check_residency(config, inventory, found.mistakes, found.warnings)
    return found


def _check_durations(config: Shape[ConfigFile]) -> list[Finding]:
    found = []
    for shorter, longer in _RISING:
        low, high = config.number(shorter), config.number(longer)
        if low is None or high is None or low < high:
            continue
        section, name = shorter if shorter[0] != longer[0] else ("", shorter[-1])
        other = f"{section}.{name}" if section else str(name)
        mend = f"make it more than {low:g}, or lower `{other}`"
        found.append(config.finding(longer, f"is {high:g}, not above `{other}` ({low:g})", mend))
    return found


def _check_listeners(config: Shape[ConfigFile], inventory: Shape[Inventory] | None) -> list[Finding]:
    found = []
    listen, admin = config.endpoint(("edge", "listen")), config.endpoint(("edge", "admin"))
    if listen and admin and _clash(listen, admin):
        found.append(
            config.finding(("edge", "admin"), "is the address of `edge.listen`", "choose another port")
        )
    for path in inventory.keys(("cells",)) if inventory else ():
        for place in inventory.keys((*path, "endpoints")) if inventory else ():
            endpoint = inventory.endpoint(place) if inventory else None
            for own, name in ((listen, "listen"), (admin, "admin")):
                if inventory and endpoint and own and _clash(own, endpoint):
                    what = f"is this edge's own `edge.{name}`: requests would go round in a circle"
                    found.append(inventory.finding(place, what, "name the cell's address"))
    return found


def _clash(own: Endpoint, other: Endpoint) -> bool:
    """Whether a listener on the first takes the second, which may be on all addresses too."""
    if own.port != other.port:
        return False
    if set(hosts(own.host)) & set(hosts(other.host)):
        return True
    try:
        one, two = ip_address(own.host), ip_address(other.host)
    except ValueError:
        return False
    return (one.is_unspecified and (two.is_loopback or two.is_unspecified)) or (
        two.is_unspecified and one.version == two.version
    )


def _open_admin(config: Shape[ConfigFile]) -> list[Finding]:
    path = ("edge", "admin")
    admin = config.endpoint(path)
    if admin is None:
        return []
    address = ip_address(admin.host)
    if not (address.is_unspecified or address.is_global):
        return []
    place = "every address" if address.is_unspecified else "a public address"
    what = f"answers on {place}, and asks for no credential"
    return [config.finding(path, what, "listen on loopback or a private address")]


def _short_drain(config: Shape[ConfigFile]) -> list[Finding]:
    path = ("limits", "drain_timeout_s")
    drain_s, request_s = config.number(path), config.number(("limits", "request_timeout_s"))
    if drain_s is None or request_s is None or drain_s >= request_s:
        return []
    what = f"is {drain_s:g}, below `request_timeout_s` ({request_s:g}): a stop cuts requests that may go on"
    return [config.finding(path, what, f"make it {request_s:g} or more, or lower `request_timeout_s`")]


def _check_routes(config: Shape[ConfigFile], found: Found) -> None:
    first_at: dict[str, KeyPath] = {}
    for path in config.keys(("routes",)):
        prefix = config.text((*path, "prefix"))
        if prefix is not None and prefix in first_at:
            line = config.root.line_of((*first_at[prefix], "prefix"))
            what = f"is `{prefix}` again, first on line {line}"
            found.mistakes.append(config.finding((*path, "prefix"), what, "keep one route for each prefix"))
        elif prefix is not None:
            first_at[prefix] = path
        found.mistakes += _check_static(config, path)
    if first_at and "/" not in first_at and config.model is not None:
        mend = "add `- prefix: /`, unless 404 is meant for the rest"
        found.warnings.append(config.finding(("routes",), "has no route that matches every path", mend))


def _check_static(config: Shape[ConfigFile], route: KeyPath) -> list[Finding]:
    fallback, written = config.text((*route, "fallback")), config.root.line_of((*route, "static"))
    has_static = isinstance(config.get((*route, "static")), dict)
    is_absent = written == config.root.line_of(route) and not has_static
    if fallback == "static" and is_absent:
        mend = "add `static: {status: 200, body: ...}` to the route, or use `fail`"
        return [config.finding((*route, "fallback"), "is `static` and the route has no static reply", mend)]
    if fallback == "fail" and has_static:
        mend = "set `fallback: static`, or remove it"
        return [config.finding((*route, "static"), "is never used: the route's fallback is `fail`", mend)]
    status = config.number((*route, "static", "status"))
    if status in (204, 304) and config.text((*route, "static", "body")):
        mend = "use another status, or an empty body"
        return [
            config.finding(
                (*route, "static", "body"), f"goes with status {status:g}, which has no body", mend
            )
        ]
    return []


def _check_share_cap(config: Shape[ConfigFile], inventory: Shape[Inventory]) -> list[Finding]:
    path: KeyPath = ("placement", "share_cap")
    cap, cells = config.number(path), len(inventory.keys(("cells",)))
    if cap is None or not cells or cap * cells > 1:
        return []
    what = (
        f"is {cap:g}, which {cells} cells can't keep: one of them has {1 / cells:.0%} of the users at least"
    )
    return [config.finding(path, what, "raise it, remove it, or add cells")]


def _check_cells(inventory: Shape[Inventory]) -> list[Finding]:
    found = []
    names: dict[str, KeyPath] = {}
    owners: dict[tuple[str, int], KeyPath] = {}
    for path in inventory.keys(("cells",)):
        name = inventory.text((*path, "name"))
        if name is not None and name in names:
            line = inventory.root.line_of((*names[name], "name"))
            what = f"is `{name}` again, first on line {line}"
            found.append(inventory.finding((*path, "name"), what, "give each cell its own name"))
        elif name == NO_CELL:
            what = f"is `{name}`, which logs and metrics say where there is no cell"
            found.append(inventory.finding((*path, "name"), what, "choose another name"))
        elif name is not None:
            names[name] = path
        for place in inventory.keys((*path, "endpoints")):
            endpoint = inventory.endpoint(place)
            if endpoint is None:
                continue
            same = [at for host in hosts(endpoint.host) if (at := (host, endpoint.port)) in owners]
            if same:
                line = inventory.root.line_of(owners[same[0]])
                what = f"is `{same[0][0]}:{endpoint.port}` again, first on line {line}"
                found.append(inventory.finding(place, what, "give each cell its own endpoints"))
            else:
                owners |= {(host, endpoint.port): place for host in hosts(endpoint.host)}
    return found


def hosts(host: str) -> tuple[str, ...]:
    """The one spelling of each host that this one is, as far as no resolver need be asked."""
    name = host.lower().removesuffix(".")
    if name == "localhost":
        return ("127.0.0.1", "::1")
    try:
        address = ip_address(name)
    except ValueError:
        return (name,)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:  # who connects there comes to this machine itself
        return ("127.0.0.1",) if address.version == 4 else ("::1",)
    return (str(address),)
