"""Residency rules held against edge, cells and one another: could they break residency, or serve nobody?"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.config.document import Key, KeyPath
from proxy.config.findings import Finding, choose
from proxy.config.inventory import Inventory
from proxy.config.models import ConfigFile
from proxy.config.shape import Shape
from proxy.config.values import split_url

Rules = dict[str, frozenset[str]]
"""For each jurisdiction of users, the jurisdictions that may carry their traffic."""


def check_residency(
    config: Shape[ConfigFile],
    inventory: Shape[Inventory] | None,
    mistakes: list[Finding],
    warnings: list[Finding],
) -> None:
    """Adds what is wrong; says nothing about jurisdictions while the rules themselves cannot be read."""
    rules = _rules(config)
    if not rules:
        return
    unknown = _unknown_names(config, inventory, rules)
    contradicting = _contradicting_urls(config, rules)
    mistakes += [*unknown, *contradicting]
    if not contradicting:
        warnings += _shared_urls(config, rules)
    if inventory is None or unknown or _is_doubtful((*config.mistakes, *inventory.mistakes)):
        return
    mistakes += _unreachable_cells(inventory, rules)
    cells = {text for path in inventory.keys(("cells",)) if (text := inventory.text((*path, "jurisdiction")))}
    mistakes += _idle_edge(config, rules, cells)
    for name, allowed in rules.items():
        if not allowed & cells:
            what = "allows no jurisdiction that has a cell: its users cannot be served"
            warnings.append(config.finding(("residency", name), what, "add a cell, or remove the rule"))


def _is_doubtful(mistakes: Iterable[Finding]) -> bool:
    """Whether a mistake leaves open who may reach whom."""
    return any(mistake.key.startswith(("residency", "edge.jurisdiction", "cells")) for mistake in mistakes)


def _rules(config: Shape[ConfigFile]) -> Rules:
    rules: Rules = {}
    for path in config.keys(("residency",)):
        allowed = [config.text(place) for place in config.keys((*path, "allow"))]
        rules[str(path[-1])] = frozenset(name for name in allowed if name is not None)
    return rules


def _unknown_names(
    config: Shape[ConfigFile], inventory: Shape[Inventory] | None, rules: Rules
) -> list[Finding]:
    places: list[tuple[Shape[ConfigFile] | Shape[Inventory], KeyPath]] = [(config, ("edge", "jurisdiction"))]
    places += [
        (config, place) for path in config.keys(("residency",)) for place in config.keys((*path, "allow"))
    ]
    if inventory is not None:
        places += [(inventory, (*path, "jurisdiction")) for path in inventory.keys(("cells",))]
    found = []
    for shape, path in places:
        name = shape.text(path)
        if name is not None and name not in rules:
            what = f"is `{name}`, a jurisdiction without a rule below `residency`"
            found.append(shape.finding(path, what, choose(name, rules)))
    return found


def _contradicting_urls(config: Shape[ConfigFile], rules: Rules) -> list[Finding]:
    """One address is one edge in one jurisdiction: it cannot be the right one for users who share none."""
    found = []
    rules = {name: allowed for name, allowed in rules.items() if allowed}  # the rest can't be read
    users: dict[str, list[str]] = {}
    own = config.endpoint(("edge", "listen"))
    edge = config.text(("edge", "jurisdiction"))
    for name, allowed in rules.items():
        path: tuple[Key, ...] = ("residency", name, "edge_url")
        parts = split_url(config.text(path) or "")
        if parts is None:
            continue
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if own and edge in rules and edge not in allowed and (parts.hostname, port) == (own.host, own.port):
            what = f"is this edge, which is in `{edge}` and may not serve them"
            found.append(config.finding(path, what, "name an edge in an allowed jurisdiction"))
        others = users.setdefault(f"{parts.hostname}:{port}", [])
        for other in others:
            if not allowed & rules[other]:
                what = f"is the edge of `{other}` too, and no jurisdiction may serve both"
                found.append(config.finding(path, what, "name an edge in an allowed jurisdiction"))
        others.append(name)
    return found


def _shared_urls(config: Shape[ConfigFile], rules: Rules) -> list[Finding]:
    """Allowed where one jurisdiction may serve both; more often one of them was copied and not changed."""
    found = []
    first_with: dict[str, str] = {}
    for name in rules:
        path: tuple[Key, ...] = ("residency", name, "edge_url")
        url = (config.text(path) or "").removesuffix("/").lower()
        if url in first_with:
            what = f"is the edge of `{first_with[url]}` too"
            mend = "name an edge of its own, unless that one serves both"
            found.append(config.finding(path, what, mend))
        elif url:
            first_with[url] = name
    return found


def _unreachable_cells(inventory: Shape[Inventory], rules: Rules) -> list[Finding]:
    allowed_somewhere = frozenset[str]().union(*rules.values())
    found = []
    for path in inventory.keys(("cells",)):
        jurisdiction = inventory.text((*path, "jurisdiction"))
        if jurisdiction is not None and jurisdiction not in allowed_somewhere:
            what = f"is `{jurisdiction}`, which no residency rule allows: nobody could reach the cell"
            mend = f"add `{jurisdiction}` to the `allow` of its users, or remove the cell"
            found.append(inventory.finding((*path, "jurisdiction"), what, mend))
    return found


def _idle_edge(config: Shape[ConfigFile], rules: Rules, cells: set[str]) -> list[Finding]:
    path = ("edge", "jurisdiction")
    edge = config.text(path)
    if edge is None or any(edge in allowed and allowed & cells for allowed in rules.values()):
        return []
    what = f"is `{edge}`, from which no cell may be reached: the edge would serve nobody"
    return [config.finding(path, what, f"allow `{edge}` where a cell is, or correct it")]
