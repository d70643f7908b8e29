"""The page about the access log names each field that a line has, in its order, with its type and words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from lookup.resolution import TIER_LABELS
from proxy.model import SOURCE_LABELS
from proxy.observe import layout
from proxy.observe.access_log import ESCAPED_TARGET_LIMIT, ID_LIMIT, TARGET_LIMIT, TEXT_LIMIT, AccessLog
from proxy.observe.meters import Meters
from tests.proxy.observe.test_access_log import record

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "access-log.md"
TYPES: Final = {str: "string", int: "integer", float: "number"}


def rows() -> dict[str, tuple[str, str]]:
    """By field: its type, and its meaning."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \| (\w+) \|[^|]*\| (.*) \|$", text, re.MULTILINE)
    return {name: (kind, meaning) for name, kind, meaning in found}


def test_the_page_lists_the_fields_of_a_line_with_their_types() -> None:
    log = AccessLog("/dev/null", "edge", 0, Meters(memoryview(bytearray(8 * layout.row_length(1))).cast("q")))
    line = json.loads(log.format([record()])[0])
    log.close()
    assert [(name, kind) for name, (kind, _) in rows().items()] == [
        (name, TYPES[type(value)]) for name, value in line.items()
    ]


def test_the_page_names_each_tier_and_each_source_and_the_limits() -> None:
    for field, words in (("tier", (*TIER_LABELS, "none")), ("source", SOURCE_LABELS)):
        assert all(f"`{word}`" in rows()[field][1] for word in words)
    assert f"{TARGET_LIMIT:,} bytes, at {ESCAPED_TARGET_LIMIT} " in rows()["path"][1]
    assert f"{TEXT_LIMIT} bytes" in rows()["method"][1]
    assert f"{ID_LIMIT} bytes" in rows()["request_id"][1]
