"""A sound config changed at random is loaded or refused with mistakes that can be acted on; nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.config import ConfigError, Finding, load
from tests.proxy.config.site import CELLS, EDGE, Site

VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "~",
            "true",
            "no",
            "0",
            "-1",
            "1.5",
            ".nan",
            ".inf",
            "1e400",
            "9" * 30,
            "[]",
            "{}",
            "[[]]",
            "{a: {}}",
            "[~]",
            "[1, a, {b: c}]",
            '""',
            '" "',
            '"\\0"',
            '"\\uD800"',
            "&x 1",
            "*x",
            "!!int 1",
            "!t x",
            "eu",
            "/",
            "//",
            ".",
            "..",
            "keys",
            '"[::1]:80"',
            '"host:80"',
            '"0.0.0.0:8080"',
            '"[::]:8080"',
            '"http://x"',
            '"http://[::1"',
            "'a\tb'",
            "|\n    x",
            "- a",
            "? a",
            "<<",
            "{<<: *x}",
            "x" * 5000,
            "é",
            "\u202e",
        ]
    ),
    st.text(max_size=20),
    st.integers().map(str),
    st.floats().map(str),
)


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    """The text with some values replaced, lines dropped, doubled, indented or broken."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        kind = draw(st.sampled_from(["value", "key", "drop", "double", "indent", "insert", "swap"]))
        if kind == "value" and ":" in line:
            lines[at] = f"{line.partition(':')[0]}: {draw(VALUES)}"
        elif kind == "key" and ":" in line:
            lines[at] = line.replace(line.partition(":")[0].strip(), draw(VALUES), 1)
        elif kind == "drop":
            lines[at] = ""
        elif kind == "double":
            lines.insert(at, line)
        elif kind == "indent":
            lines[at] = " " * draw(st.integers(0, 6)) + line.lstrip()
        elif kind == "insert":
            place = draw(st.integers(0, len(line)))
            lines[at] = line[:place] + draw(st.text(max_size=3)) + line[place:]
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Site:
    return Site(tmp_path_factory.mktemp("spare") / "site", keys)


def judge(site: Site, edge: bytes, cells: bytes) -> None:
    site.edge.write_bytes(edge)
    site.cells.write_bytes(cells)
    secret = (site.folder / "keys/hs256.secret").read_text()
    for mistake in mistakes(site.edge):
        assert mistake.what
        assert mistake.mend
        assert str(mistake).isprintable()
        assert 0 <= mistake.line <= max(edge.count(b"\n"), cells.count(b"\n")) + 2
        assert secret not in str(mistake)


def mistakes(file: Path) -> tuple[Finding, ...]:
    try:
        load(file)
    except ConfigError as error:
        assert error.mistakes, "refused without a reason"  # noqa: PT017
        return error.mistakes
    return ()


@pytest.mark.slow
@given(edge=spoilt(EDGE), cells=spoilt(CELLS))
@example(edge=EDGE.replace("workers: 2", "workers: \ud800"), cells=CELLS)
def test_a_config_changed_at_random_is_loaded_or_refused_in_words(spare: Site, edge: str, cells: str) -> None:
    judge(spare, edge.encode("utf-8", "surrogatepass"), cells.encode("utf-8", "surrogatepass"))


@given(noise=st.binary(max_size=200), at=st.integers(0, len(EDGE)))
def test_bytes_put_into_a_config_are_loaded_or_refused_in_words(spare: Site, noise: bytes, at: int) -> None:
    raw = EDGE.encode()
    judge(spare, raw[:at] + noise + raw[at:], CELLS.encode())
