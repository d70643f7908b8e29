"""Who may import whom. docs/architecture.md gives the reasons."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("proxy", "lookup", "bench", "tests")

VALUES: Final = ("lookup.assignment", "lookup.resolution", "lookup.flags", "lookup.keys")
VOCABULARY: Final = ("proxy.model", "proxy.errors")

PARTS: Final = (
    *VOCABULARY,
    "proxy.wire",
    "proxy.rooms",
    "proxy.cells",
    "proxy.forward",
    "proxy.control",
    "proxy.observe",
    "proxy.config",
    "proxy.kernel",
    "lookup",
)
"""What the composition root puts together."""

ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "lookup": (),
    "proxy": (),
    "proxy.model": (),
    "proxy.errors": (),
    "proxy.kernel": (),
    "proxy.config": (*VOCABULARY, "proxy.rooms.keys", "proxy.rooms.jwks"),
    "proxy.wire": (*VOCABULARY, *VALUES),
    "proxy.rooms": (*VOCABULARY, *VALUES),
    "proxy.cells": (*VOCABULARY, *VALUES),
    "proxy.observe": (*VOCABULARY, *VALUES, "lookup.observer"),
    "proxy.forward": (
        *VOCABULARY,
        "proxy.wire",
        "proxy.rooms",
        "proxy.cells",
        "proxy.kernel",
        "proxy.observe.meters",
        "proxy.observe.access_log",
        "proxy.observe.samples",
        "lookup.ports",
        "lookup.assignment",
        "lookup.confirm",
        "lookup.fence",
        "lookup.flight",
        "lookup.resolution",
        "lookup.resolver",
    ),
    "proxy.control": (*VOCABULARY, "proxy.kernel", "proxy.cells", "proxy.observe", "proxy.config", "lookup"),
    "proxy.app": (
        "proxy.wiring",
        "proxy.tiers",
        "proxy.lookups",
        "proxy.metered_lookups",
        "proxy.running_edge",
        "proxy.flag_switch",
        "proxy.census",
        "proxy.key_watch",
        *PARTS,
    ),
    "proxy.lookups": ("proxy.wiring", "proxy.tiers", *PARTS),
    "proxy.tiers": PARTS,
    "proxy.running_edge": ("proxy.tiers", "proxy.flag_switch", "proxy.census", "proxy.key_watch", *PARTS),
    "proxy.wiring": PARTS,
    "proxy.flag_switch": PARTS,
    "proxy.census": PARTS,
    "proxy.key_watch": PARTS,
    "proxy.metered_lookups": PARTS,
    "proxy.worker": (*VOCABULARY, "proxy.app", "proxy.config", "proxy.control", "proxy.observe", "lookup"),
    "proxy.workers": (
        *VOCABULARY,
        "proxy.config",
        "proxy.control",
        "proxy.kernel",
        "proxy.observe",
        "lookup",
    ),
    "proxy.cli": ("proxy", "lookup"),
    "bench": ("proxy", "lookup"),
    "tests": ("proxy", "lookup", "bench"),
}
"""For each part of the tree, what it may import of the rest; its own inside is always allowed."""

SEEN_ONLY_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "lookup.stores": (
        "lookup.stores",
        "proxy.tiers",
        "proxy.cli",
        "proxy.worker",
        "proxy.workers",
        "bench",
        "tests",
    ),
    "proxy.rooms.mint": ("proxy.cli", "bench", "tests"),
}
"""What is kept from most: concrete stores, and the signing of tokens."""

WORKER_ENTRY: Final = "proxy.worker"
KEPT_OUT_OF_WORKERS: Final = ("aiohttp", "click", "rich")


class Import(NamedTuple):
    """One imported module; `at_start` says that it is imported when the importing module is."""

    module: str
    line: int
    at_start: bool


def within(module: str, part: str) -> bool:
    return module == part or module.startswith(part + ".")


def rule_of(module: str) -> str | None:
    """The longest part with a rule that holds the module; `proxy` stands for its __init__ only."""
    for part in sorted(ALLOWED, key=len, reverse=True):
        if within(module, part) and (part != "proxy" or module == "proxy"):
            return part
    return None


def imports(module: str, source: str, known: frozenset[str], is_package: bool = False) -> Iterator[Import]:
    """Every import of the source, `from package import module` resolved to the module."""
    for node, at_start in _statements(ast.parse(source), at_start=True):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = _absolute(module, node, is_package)
            names = [f"{base}.{a.name}" if f"{base}.{a.name}" in known else base for a in node.names]
        for name in names:
            yield Import(name, node.lineno, at_start)


def _statements(node: ast.AST, at_start: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """The import statements below the node, and whether each runs when the module is imported."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node, at_start
    elif not isinstance(node, ast.expr):
        runs = (
            at_start
            and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and not _is_type_checking(node)
        )
        for child in ast.iter_child_nodes(node):
            yield from _statements(child, runs)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _absolute(module: str, node: ast.ImportFrom, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, node.module] if node.module else base)


def violations(tree: Mapping[str, str], packages: frozenset[str] = frozenset()) -> list[str]:
    """What breaks the rules in a tree of module name -> source; `packages` says which are packages."""
    known = frozenset(tree)
    found = []
    for module, source in tree.items():
        part = rule_of(module)
        if part is None:
            found.append(f"{module} has no rule: give it a place in ALLOWED")
            continue
        for imported in imports(module, source, known, module in packages):
            if imported.module.split(".")[0] not in PACKAGES:
                continue
            if not any(within(imported.module, allowed) for allowed in (part, *ALLOWED[part])):
                found.append(f"{module}:{imported.line} must not import {imported.module}")
            for kept, seers in SEEN_ONLY_BY.items():
                if within(imported.module, kept) and not any(within(module, seer) for seer in seers):
                    found.append(f"{module}:{imported.line} must not see {imported.module}")
    return found


def chain_to(tree: Mapping[str, str], start: str, target: str, packages: frozenset[str]) -> list[str]:
    """The modules by which `start` comes to import `target` when it starts; empty when it does not."""
    known = frozenset(tree)
    pending, seen = [[start]], {start}
    while pending:
        path = pending.pop()
        for imported in imports(path[-1], tree[path[-1]], known, path[-1] in packages):
            if not imported.at_start:
                continue
            if within(imported.module, target):
                return [*path, imported.module]
            if imported.module in known and imported.module not in seen:
                seen.add(imported.module)
                pending.append([*path, imported.module])
    return []


def read_tree() -> tuple[dict[str, str], frozenset[str]]:
    tree, packages = {}, set()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
                packages.add(".".join(parts))
            tree[".".join(parts)] = path.read_text(encoding="utf-8")
    return tree, frozenset(packages)


def test_every_import_in_the_tree_follows_the_rules() -> None:
    tree, packages = read_tree()
    assert "proxy.model" in tree
    assert violations(tree, packages) == []


@pytest.mark.parametrize("unwanted", KEPT_OUT_OF_WORKERS)
def test_a_worker_starts_without_importing_what_only_the_control_plane_needs(unwanted: str) -> None:
    tree, packages = read_tree()
    assert chain_to(tree, WORKER_ENTRY, unwanted, packages) == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("lookup.resolver", "import proxy.model", "lookup.resolver:1 must not import proxy.model"),
        (
            "proxy.wire.head",
            "from proxy.rooms import jwks",
            "proxy.wire.head:1 must not import proxy.rooms.jwks",
        ),
        (
            "proxy.rooms.jwks",
            "from ..cells import flags",
            "proxy.rooms.jwks:1 must not import proxy.cells.flags",
        ),
        (
            "proxy.cells.flags",
            "import lookup.ports",
            "proxy.cells.flags:1 must not import lookup.ports",
        ),
        ("proxy.forward.journey", "import proxy.app", "proxy.forward.journey:1 must not import proxy.app"),
        (
            "proxy.control.admin",
            "def start():\n    from lookup.stores import sqlite",
            "proxy.control.admin:2 must not see lookup.stores.sqlite",
        ),
        ("proxy.app", "import proxy.rooms.mint", "proxy.app:1 must not see proxy.rooms.mint"),
        ("proxy.app", "import bench.demo", "proxy.app:1 must not import bench.demo"),
        ("proxy.cli", "from tests import fakes", "proxy.cli:1 must not import tests"),
        ("proxy.surprise", "", "proxy.surprise has no rule: give it a place in ALLOWED"),
    ],
)
def test_a_forbidden_import_is_named_with_its_line(module: str, source: str, complaint: str) -> None:
    rest = {"proxy.rooms": "", "proxy.rooms.jwks": "", "proxy.cells.flags": "", "lookup.stores.sqlite": ""}
    assert violations({**rest, module: source}) == [complaint]


def test_a_forbidden_import_by_way_of_others_is_found_unless_it_is_deferred() -> None:
    tree = {
        "proxy.worker": "import proxy.app",
        "proxy.app": "from proxy.control import admin",
        "proxy.control.admin": "from aiohttp import web",
    }
    assert chain_to(tree, "proxy.worker", "aiohttp", frozenset()) == [*tree, "aiohttp"]
    tree["proxy.app"] = "def start():\n    from proxy.control import admin"
    assert chain_to(tree, "proxy.worker", "aiohttp", frozenset()) == []
