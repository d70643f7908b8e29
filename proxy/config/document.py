"""YAML text → a tree that knows its lines. Refuses what is ambiguous or hostile; knows nothing of the keys.

Plain scalars are read by the JSON-like core of YAML 1.2: `no` is text and `1:30` is text, so that a
jurisdiction called `no` and a time of day stay what was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from proxy.config.findings import Finding

MAX_FILE_BYTES: Final = 4 << 20
_MAX_DEPTH: Final = 40
_MAX_NODES: Final = 200_000  # aliases count as what they stand for

Key = str | int
KeyPath = tuple[Key, ...]

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}


@dataclass(slots=True)
class Node:
    """A value and its line: `members` of a mapping or list, by key or position; else `scalar`."""

    line: int
    kind: type[dict[str, object]] | type[list[object]] | None = None
    scalar: object = None
    members: dict[Key, Node] = field(default_factory=dict)
    key_lines: dict[Key, int] = field(default_factory=dict)
    weight: int = 1

    def plain(self) -> object:
        """The tree as dicts, lists and scalars."""
        if self.kind is dict:
            return {key: member.plain() for key, member in self.members.items()}
        if self.kind is list:
            return [member.plain() for member in self.members.values()]
        return self.scalar

    def line_of(self, path: KeyPath) -> int:
        """The line of the key at the path, or of its nearest ancestor that is written down."""
        node, line = self, self.line
        for key in path:
            if key not in node.members:
                break
            line = node.key_lines.get(key, node.members[key].line)
            node = node.members[key]
        return line


class UnreadableError(Exception):
    """A file of which nothing can be used; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def read_document(file: Path) -> tuple[Node, list[Finding]]:
    """The file's tree and its duplicate keys. Raises UnreadableError."""
    return parse_document(file, read_text(file))


def parse_document(file: Path, text: str) -> tuple[Node, list[Finding]]:
    """As read_document, of text that was read before."""
    try:
        return _Composer(file, text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        written = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
        raise UnreadableError(_syntax_finding(file, line, written, error)) from error
    except yaml.YAMLError as error:
        what = "is not YAML: it holds a character that YAML does not allow"
        raise UnreadableError(Finding(file, 0, "", what, "remove control characters")) from error


def read_text(file: Path) -> str:
    """What the file holds, if it may be a config at all. Raises UnreadableError."""

    def refuse(what: str, mend: str, cause: Exception | None = None) -> UnreadableError:
        error = UnreadableError(Finding(file, 0, "", what, mend))
        error.__cause__ = cause
        return error

    try:
        if not file.is_file():
            what = "is a folder or a special file" if file.exists() else "does not exist"
            raise refuse(what, "name a config file")
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        detail = error.strerror if isinstance(error, OSError) and error.strerror else "bad name"
        raise refuse(f"cannot be read ({detail})", "check the file's name and permissions", error) from error
    if len(raw) > MAX_FILE_BYTES:
        raise refuse(f"is larger than {MAX_FILE_BYTES >> 20} MiB", "name a config file")
    if b"\0" in raw:
        raise refuse("is binary, not text", "name a YAML file in UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        finding = Finding(file, line, "", "is not UTF-8 from here on", "save the file as UTF-8")
        raise UnreadableError(finding) from error
    if not text.strip():
        raise refuse("is empty", "start from configs/demo.yaml")
    return text


def _syntax_finding(file: Path, line: int, written: str, error: yaml.MarkedYAMLError) -> Finding:
    problem = error.problem or "cannot be read"
    context = f" {error.context}" if error.context else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        mend = "indent with spaces, not tabs"
    elif "mapping values are not allowed" in problem:
        mend = 'put the value into quotes if it holds ": ", or mend the indentation'
    else:
        mend = "check the indentation, brackets and quotes on this line and the one before"
    return Finding(file, line, "", f"is not valid YAML:{context} {problem}", mend)


class _Composer:
    """Events of the YAML parser → nodes, in one pass; keeps count so that aliases cannot explode."""

    def __init__(self, file: Path, text: str) -> None:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # typed stubs have no event interface
        self._events = yaml.parse(text, Loader=loader)
        self._file = file
        self._anchors: dict[str, Node | None] = {}
        self._findings: list[Finding] = []
        self._nodes = 0

    def document(self) -> tuple[Node, list[Finding]]:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                if root is not None:
                    self._refuse(
                        event, "has a second document", "keep one document, without `---` in the middle"
                    )
                root = self._node(event, 0, ())
        if root is None or root.kind is not dict:
            finding = Finding(
                self._file, root.line if root else 0, "", "is not a mapping", "write `key: value` lines"
            )
            raise UnreadableError(finding)
        return root, self._findings

    def _node(self, event: Any, depth: int, path: KeyPath) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:str"):
            self._refuse(event, f"has the tag `{event.tag}`", "remove the tag; only plain values are read")
        if depth > _MAX_DEPTH:
            self._refuse(event, f"is nested more than {_MAX_DEPTH} deep", "no key is nested that deep")
        self._count(event, 1)
        before = self._nodes
        if event.anchor:
            self._anchors[event.anchor] = None
        node = Node(line)
        if isinstance(event, yaml.ScalarEvent):
            node.scalar = _scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            self._fill_list(node, depth, path)
        else:
            self._fill_mapping(node, depth, path)
        node.weight = self._nodes - before + 1
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            problem = "stands for itself" if event.anchor in self._anchors else "has no anchor"
            self._refuse(event, f"has the alias `*{event.anchor}`, which {problem}", "write the value out")
            raise AssertionError
        self._count(event, node.weight)
        return node

    def _fill_list(self, node: Node, depth: int, path: KeyPath) -> None:
        node.kind = list
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            position = len(node.members)
            node.members[position] = self._node(event, depth + 1, (*path, position))

    def _fill_mapping(self, node: Node, depth: int, path: KeyPath) -> None:
        node.kind = dict
        event: Any
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "has a key that is not plain text", "write `key: value`")
            key, line = event.value, event.start_mark.line + 1
            self._count(event, 1)
            member = self._node(next(self._events), depth + 1, (*path, key))
            if key in node.members:
                what = f"is given twice, first on line {node.key_lines[key]}"
                self._findings.append(
                    Finding(self._file, line, key_text((*path, key)), what, "keep one of them")
                )
                continue
            node.members[key] = member
            node.key_lines[key] = line

    def _count(self, event: Any, weight: int) -> None:
        self._nodes += weight
        if self._nodes > _MAX_NODES:
            self._refuse(event, f"holds more than {_MAX_NODES:,} values", "write fewer, or fewer aliases")

    def _refuse(self, event: Any, what: str, mend: str) -> None:
        raise UnreadableError(Finding(self._file, event.start_mark.line + 1, "", what, mend))


def _scalar(text: str) -> object:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def key_text(path: KeyPath) -> str:
    """A path as people write it: `routes[0].static.status`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if text else key
    return text if len(text) <= 200 else text[:200] + "..."
