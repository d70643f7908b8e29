"""No text of the repository names the machine, registries or tools that it was made with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent

# Written with a bracketed letter so that the patterns do not match themselves.
BANNED: Final = re.compile(
    r"/[w]ork/|/[r]oot/|/[t]mp/|/[h]ome/[a-z]+/|[p]ypi\.org|[p]ythonhosted|[i]ndex-url|[f]ind-links"
    r"|[r]egistry\.npmjs|[r]epo\.maven|(?i:\b(?:[c]laude|[c]hatgpt|[c]opilot|AI [a]ssistant)\b)"
)
TEXT_SUFFIXES: Final = frozenset(
    {".py", ".md", ".toml", ".txt", ".in", ".yaml", ".yml", ".lua", ".html", ".json", ""}
)


def repository_texts() -> Iterator[Path]:
    folders = ("proxy", "lookup", "bench", "tests", "configs", "docs", "requirements", ".ci", ".github")
    candidates = [*ROOT.iterdir(), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    for path in candidates:
        if path.is_file() and path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts:
            yield path


def banned_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if BANNED.search(line)]


def test_no_file_names_a_machine_path_a_registry_or_a_tool_of_the_trade() -> None:
    found = {
        str(path.relative_to(ROOT)): banned_lines(path.read_text("utf-8")) for path in repository_texts()
    }
    assert "Makefile" in found
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line", ["cd /" + "work/x", "--index" + "-url https://x", "https://py" + "pi.org/simple"]
)
def test_a_banned_line_is_found(line: str) -> None:
    assert banned_lines(f"fine\n{line}\n") == [line]
