"""The reference in docs is the one that the models make, and it leaves no key out."""

from __future__ import annotations

from pathlib import Path

from proxy.config.document import read_document
from proxy.config.reference import reference_page

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_in_docs_is_current() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    mend = "write it anew: homecell check-config --reference > docs/configuration.md"
    assert page == reference_page(), mend


def test_every_key_of_the_demo_is_in_the_reference() -> None:
    page = reference_page()
    root, _ = read_document(ROOT / "configs/demo.yaml")
    for name, node in root.members.items():
        assert f"`{name}" in page
        keys = [key for key in node.members if isinstance(key, str) and name != "residency"]
        assert [key for key in keys if f"`{key}`" not in page and f".{key}" not in page] == []


def test_every_key_has_a_meaning() -> None:
    rows = [line for line in reference_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.endswith("|  |")] == []


def test_a_default_that_one_may_ask_about_says_its_reason() -> None:
    page = reference_page()
    (row,) = [line for line in page.splitlines() if line.startswith("| `hard_stale_s`")]
    assert row == (
        "| `hard_stale_s` | seconds, > 0, ≤ 86,400 | 86,400 | Age up to which an answer may still serve safe "
        "methods when no tier answers. Default: one day, the longest outage of a store that should go "
        "unnoticed; and at most that, because no move of before is remembered, so that an older answer could "
        "name a home that the user has left. |"
    )
