"""Files that are no config at all, hostile YAML, and how plain values are read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from proxy.config.document import MAX_FILE_BYTES, UnreadableError, key_text, parse_document, read_document
from tests.proxy.config.site import Site

FILE = Path("x.yaml")
CHECK = "check the indentation, brackets and quotes on this line and the one before"


def refusal(text: str) -> str:
    with pytest.raises(UnreadableError) as caught:
        parse_document(FILE, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"", "edge.yaml: is empty; start from configs/demo.yaml"),
        (b"\n  \n", "edge.yaml: is empty; start from configs/demo.yaml"),
        (b"edge:\n\0", "edge.yaml: is binary, not text; name a YAML file in UTF-8"),
        (b"edge:\n  name: \xff\n", "edge.yaml:2: is not UTF-8 from here on; save the file as UTF-8"),
        (b"# nothing\n", "edge.yaml: is not a mapping; write `key: value` lines"),
        (b"just words\n", "edge.yaml:1: is not a mapping; write `key: value` lines"),
        (b"- a\n- b\n", "edge.yaml:1: is not a mapping; write `key: value` lines"),
        (b"# " + b"x" * MAX_FILE_BYTES, "edge.yaml: is larger than 4 MiB; name a config file"),
        (
            b"a: \x07\n",
            "edge.yaml: is not YAML: it holds a character that YAML does not allow; "
            "remove control characters",
        ),
    ],
)
def test_a_file_that_is_no_config_is_refused(site: Site, content: bytes, mistake: str) -> None:
    site.edge.write_bytes(content)
    assert site.mistakes() == [mistake]


def test_a_file_that_is_not_there_is_named(site: Site) -> None:
    site.edge.unlink()
    assert site.mistakes() == ["edge.yaml: does not exist; name a config file"]
    site.edge.mkdir()
    assert site.mistakes() == ["edge.yaml: is a folder or a special file; name a config file"]


def test_a_broken_cells_file_leaves_the_mistakes_of_the_config_known(site: Site) -> None:
    site.spoil(("  workers: 2", "  workers: 0"))
    site.cells.write_text("cells: [\n")
    first, second = site.mistakes()
    assert first == "edge.yaml:6: edge.workers is 0; it must be at least 1"
    assert second.startswith("cells.yaml:2: is not valid YAML")


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("a: [1,\n", "x.yaml:2: is not valid YAML"),
        ("a: b: c\n", 'put the value into quotes if it holds ": ", or mend the indentation'),
        ("a:\n\tb: 1\n", "x.yaml:2: is not valid YAML"),
        ("a:\n\tb: 1\n", "indent with spaces, not tabs"),
        ('a: "open\n', CHECK),
        (
            "a: 1\n---\nb: 2\n",
            "x.yaml:3: has a second document; keep one document, without `---` in the middle",
        ),
        (
            "a: !!python/object/apply:os.system [x]\n",
            "x.yaml:1: has the tag `tag:yaml.org,2002:python/object/apply:",
        ),
        ("a: !include b\n", "x.yaml:1: has the tag `!include`; remove the tag; only plain values are read"),
        ("? [a]\n: 1\n", "x.yaml:1: has a key that is not plain text; write `key: value`"),
        ("a: *b\n", "x.yaml:1: has the alias `*b`, which has no anchor; write the value out"),
        ("a: &a [*a]\n", "x.yaml:1: has the alias `*a`, which stands for itself; write the value out"),
        ("a: " + "[" * 50 + "]" * 50, "x.yaml:1: is nested more than 40 deep; no key is nested that deep"),
        ("a: " + "[" * 90_000, "x.yaml:1: is nested more than 40 deep"),
    ],
)
def test_yaml_that_is_broken_or_hostile_is_refused_with_its_line(text: str, refused: str) -> None:
    assert refused in refusal(text)


def test_aliases_that_explode_are_refused_at_once() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    begun_s = time.process_time()
    assert "holds more than 200,000 values; write fewer, or fewer aliases" in refusal("\n".join(levels))
    assert time.process_time() - begun_s < 1


def test_an_alias_stands_for_its_value(site: Site) -> None:
    site.spoil(("id: k1", "id: &name k1"), ("id: c1", "id: *name"))
    assert site.load().routing_cookie.keys[0].id == "k1"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("0.05", 0.05),
        ("1e3", 1000.0),
        ("true", True),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("9" * 400, float("inf")),
    ],
)
def test_plain_values_are_read_without_surprises(written: str, value: object) -> None:
    root, _ = parse_document(FILE, f"key: {written}\n")
    assert root.plain() == {"key": value}


def test_lines_are_those_of_the_keys() -> None:
    root, _ = parse_document(FILE, "a:\n  b:\n    - 1\n    - c: 2\n")
    assert root.line_of(("a", "b")) == 2
    assert root.line_of(("a", "b", 1, "c")) == 4
    assert root.line_of(("a", "missing")) == 1


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    root, _ = read_document(file)
    assert root.plain() == {"a": 1}


def test_the_first_of_two_values_of_a_key_counts_for_further_checks() -> None:
    root, duplicates = parse_document(FILE, "a: 1\na: 2\n")
    assert root.plain() == {"a": 1}
    assert [str(found) for found in duplicates] == [
        "x.yaml:2: a is given twice, first on line 1; keep one of them"
    ]


def test_a_key_path_is_written_as_people_write_it() -> None:
    assert key_text(("routes", 0, "static", "status")) == "routes[0].static.status"


def test_a_finding_cannot_steer_the_terminal(site: Site) -> None:
    site.spoil(("  workers: 2", '  "\\e[31mred": 2'))
    (mistake,) = site.mistakes()
    assert mistake.startswith(r"edge.yaml:6: edge.\x1b[31mred is not a known key; ")
