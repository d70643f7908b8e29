"""The reference of all keys as Markdown, made from the models, so that it says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import NoneType
from typing import Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from proxy.config.inventory import Inventory
from proxy.config.location import FALLBACK, VARIABLE
from proxy.config.models import ConfigFile
from proxy.config.shape import model_in

_HEAD: Final = f"""# Config reference

Made from the code by `homecell check-config --reference`; do not edit it.

An edge has one config file and, named in it, one cells file, which all edges share. Both are YAML.
`homecell check-config FILE` reports every mistake of both at once, with line, key and mend.
`configs/demo.yaml` is an example of every key of an edge with an embedded store, `configs/cassandra.yaml` of
one on Cassandra and Redis. Commands that are not told a config use the one that `{VARIABLE}` names, else
`{FALLBACK}`.

- Paths are relative to the file that names them. Unknown keys, keys given twice and tags are refused.
- Names of keys end with their unit: `_s` seconds (fractions are allowed), `_bytes` bytes.
- Only `true` and `false` are truth values: `no` is the text "no".
- Secrets stand in files of their own, readable by their owner only, and are never printed.
- A limit says whether it holds per worker or for the edge.
"""

_TYPES: Final = {
    "str": "text",
    "bool": "`true` or `false`",
    "int": "whole number",
    "float": "number",
    "Path": "path",
    "Endpoint": "host:port",
}


def reference_page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_section("Config file", ConfigFile), *_section("Cells file", Inventory)])


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    """A top-level heading with a table of its plain keys, and below it a table per section."""
    yield f"## {title}\n"
    yield f"{_first_paragraph(model)}\n"
    plain = {name: field for name, field in model.model_fields.items() if model_in(field.annotation) is None}
    yield from _table(plain)
    yield from _sections(model, "")


def _sections(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None:
            continue
        path = f"{above}{name}{_entries(field)}"
        yield f"### `{path}`\n"
        needed = "Required." if field.is_required() else "May be left out."
        told = " ".join(
            [_first_paragraph(inner), *([field.description] if field.description else []), needed]
        )
        yield f"{told}\n"
        yield from _table(
            {key: entry for key, entry in inner.model_fields.items() if model_in(entry.annotation) is None}
        )
        yield from _sections(inner, f"{path}.")


def _entries(field: FieldInfo) -> str:
    origin = get_origin(field.annotation)
    return "[]" if origin is tuple else ".NAME" if origin is dict else ""


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _table(fields: dict[str, FieldInfo]) -> Iterator[str]:
    if not fields:
        return
    yield "| key | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, field in fields.items():
        yield f"| `{name}` | {_kind(name, field)} | {_default(field)} | {_meaning(field)} |"
    yield ""


def _kind(name: str, field: FieldInfo) -> str:
    text = _type_text(field.annotation)
    if name.endswith("_s"):
        text = "seconds"
    elif name.endswith("_bytes"):
        text = "bytes"
    bounds = [
        f"{sign} {_number(getattr(rule, bound))}"
        for rule in field.metadata
        for bound, sign in (("gt", ">"), ("ge", "≥"), ("le", "≤"))
        if hasattr(rule, bound)
    ]
    return ", ".join([text, *bounds])


def _type_text(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{option}`" for option in arguments)
    if origin is tuple:
        return f"list ({_type_text(arguments[0])})"
    if origin is dict:
        return f"mapping ({_type_text(arguments[0])}: {_type_text(arguments[1])})"
    if hasattr(annotation, "__metadata__"):
        return _type_text(arguments[0])
    options = [option for option in arguments if option is not NoneType]
    if options:
        texts = {_type_text(option) for option in options}
        return "network" if any("Network" in text for text in texts) else " or ".join(sorted(texts))
    name = getattr(annotation, "__name__", str(annotation))
    return _TYPES.get(name, name)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: object = field.get_default()
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{entry}`" for entry in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return _number(value) if isinstance(value, int | float) else f"`{value}`"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and value >= 10_000 else str(value)


def _meaning(field: FieldInfo) -> str:
    return re.sub(r"\s+", " ", field.description or "").replace("|", "\\|")
