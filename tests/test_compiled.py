"""Whether the tests run on what they are meant to: the sources, or the modules that mypyc compiled; and what
else belongs into the package.
"""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
COMPILED: Final = bool(os.environ.get("HOMECELL_COMPILED"))


def hot_modules() -> tuple[str, ...]:
    """HOT_MODULES of setup.py, as module names."""
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            files: tuple[str, ...] = ast.literal_eval(node.value)
            return tuple(file.removesuffix(".py").replace("/", ".") for file in files)
    raise AssertionError("setup.py has no HOT_MODULES")


@pytest.mark.parametrize("name", hot_modules())
def test_a_hot_module_is_compiled_exactly_when_it_should_be(name: str) -> None:
    loaded_from = Path(importlib.import_module(name).__file__ or "")
    assert (loaded_from.suffix == ".so") is COMPILED
    assert loaded_from.is_relative_to(ROOT)


@pytest.mark.parametrize("name", hot_modules())
def test_the_source_of_a_hot_module_is_beside_it(name: str) -> None:
    assert (ROOT / name.replace(".", "/")).with_suffix(".py").exists()


def test_programs_that_use_the_client_are_checked_against_its_types() -> None:
    """By this file in the installed package (PEP 561): without it type checkers take all for untyped."""
    assert Path(importlib.import_module("lookup").__file__ or "").with_name("py.typed").exists()
