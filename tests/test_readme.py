"""What the README tells a stranger to do works."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from lookup.stores.sqlite import SqliteStore
from proxy.cli import main

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_program_that_places_a_user_places_that_user(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    lines = [line.removeprefix("   ") for line in program.splitlines()]
    subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True
    )

    async def placed() -> str:
        store = await SqliteStore.open(tmp_path / "home.sqlite")
        try:
            return (await store.read(["user:42"]))["user:42"].cell
        finally:
            await store.close()

    assert asyncio.run(placed()) == "eu-west-1-cell-01"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z-]+)", README))))
def test_every_make_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("words", sorted(set(re.findall(r"homecell ((?:cells )?[a-z-]+)", README))))
def test_every_command_that_is_named_exists(words: str) -> None:
    assert CliRunner().invoke(main, [*words.split(), "--help"]).exit_code == 0
