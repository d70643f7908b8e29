"""Files of this repository that the documentation names are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
FOLDERS: Final = "proxy|lookup|bench|tests|docs|configs|requirements"
_NAMED: Final = re.compile(rf"(?<![\w./*-])(?:{FOLDERS})/[\w./*-]*\w")
_LINKED: Final = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def lost(document: Path) -> list[str]:
    """What it names from the root (`*` for any name) or links to, and is not there."""
    text = document.read_text(encoding="utf-8")
    named = [name for name in _NAMED.findall(text) if not any(ROOT.glob(name))]
    return named + [link for link in _LINKED.findall(text) if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    assert lost(document) == []
