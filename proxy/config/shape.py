"""A document held against the models: complaints as findings with lines, and what is sound besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from proxy.config.document import KeyPath, Node, key_text
from proxy.config.findings import Finding, choose, nearest
from proxy.config.values import OWN_MISTAKE, file_path, parse_endpoint, shown
from proxy.model import Endpoint

ModelT = TypeVar("ModelT", bound=BaseModel)

_KINDS: Final = {
    "int_type": ("a whole number", "write a number such as 10, without quotes"),
    "int_from_float": ("a whole number", "write a number such as 10, without quotes"),
    "float_type": ("a number", "write a number such as 10 or 0.5, without quotes or unit"),
    "bool_type": ("a truth value", "write true or false, without quotes"),
    "string_type": ("text", "put it into quotes"),
    "tuple_type": ("a list", "write it in brackets: [...]"),
    "dict_type": ("a mapping", "write `key: value` lines below it"),
    "model_type": ("a mapping", "write `key: value` lines below it"),
}


class Shape(Generic[ModelT]):
    """What one document says, as far as it is sound.

    model     the validated whole, None when there is any mistake of shape
    mistakes  every mistake of shape
    get(path) the value at a path, defaults filled in; None when it or what it stands in is wrong or absent,
              so that values can be compared with one another in spite of mistakes elsewhere
    """

    def __init__(self, model: type[ModelT], file: Path, root: Node) -> None:
        self.file = file
        self.root = root
        self.mistakes: list[Finding] = []
        self.model: ModelT | None = None
        self._bad: set[KeyPath] = set()
        self._plain = _completed(model, root.plain())
        try:
            self.model = model.model_validate(self._plain, context=file.parent)
        except ValidationError as error:
            self._translate(model, error)

    def get(self, path: KeyPath) -> object:
        value: object = self._plain
        for depth, key in enumerate(path):
            if path[: depth + 1] in self._bad:
                return None
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, Sequence) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def is_wrong(self, path: KeyPath) -> bool:
        """Whether the value itself, or something it stands in, was complained of."""
        return any(path[: depth + 1] in self._bad for depth in range(len(path)))

    def text(self, path: KeyPath) -> str | None:
        value = self.get(path)
        return value if isinstance(value, str) else None

    def number(self, path: KeyPath) -> float | None:
        value = self.get(path)
        return value if isinstance(value, int | float) else None

    def path(self, path: KeyPath) -> Path | None:
        """The file that a value names, relative to the document's folder as the models have it."""
        value = self.get(path)
        return file_path(value, self.file.parent) if isinstance(value, str) else None

    def endpoint(self, path: KeyPath) -> Endpoint | None:
        value = self.text(path)
        return parse_endpoint(value) if value else None

    def keys(self, path: KeyPath) -> list[KeyPath]:
        """The paths of the members of a mapping or list, none when it is not one."""
        value = self.get(path)
        if isinstance(value, dict):
            return [(*path, key) for key in value if isinstance(key, str) and (*path, key) not in self._bad]
        if isinstance(value, list | tuple):
            return [(*path, position) for position in range(len(value))]
        return []

    def finding(self, path: KeyPath, what: str, mend: str) -> Finding:
        """A finding at that key, at its line or at that of what it stands in."""
        return Finding(self.file, self.root.line_of(path), key_text(path), what, mend)

    def _translate(self, model: type[BaseModel], error: ValidationError) -> None:
        details = [detail for detail in error.errors(include_url=False) if not _is_echo(detail)]
        for detail in details:
            self._bad.add(_value_path(detail["loc"]))
        meant = {
            near
            for d in details
            if d["type"] == "extra_forbidden" and (near := self._near_key(model, d["loc"]))
        }
        for detail in details:
            path = _value_path(detail["loc"])
            if detail["type"] == "extra_forbidden":
                self.mistakes.append(
                    self.finding(path, "is not a known key", self._unknown_key_mend(model, path))
                )
            elif detail["type"] != "missing":
                self.mistakes.append(self.finding(path, *_complaint(detail)))
            elif path not in meant:  # else the misspelt key says it already
                self.mistakes.append(self.finding(path, "is missing", _missing_mend(model, path)))

    def _near_key(self, model: type[BaseModel], loc: KeyPath) -> KeyPath | None:
        owner = _model_at(model, loc[:-1])
        near = nearest(str(loc[-1]), owner.model_fields) if owner else None
        return (*loc[:-1], near) if near else None

    def _unknown_key_mend(self, model: type[BaseModel], path: KeyPath) -> str:
        word = str(path[-1])
        near = self._near_key(model, path)
        if near is not None:
            return f"did you mean `{near[-1]}`?"
        elsewhere = [place for place in _all_keys(model) if place[-1] == word]
        if elsewhere:
            return f"it belongs at `{key_text(elsewhere[0])}`"
        owner = _model_at(model, path[:-1])
        return choose(word, owner.model_fields if owner else ())


def _value_path(loc: tuple[int | str, ...]) -> KeyPath:
    return tuple(key for key in loc if key != "[key]")


def _is_echo(detail: Mapping[str, Any]) -> bool:
    """pydantic calls a list too short when entries of it are wrong; the entries' own mistakes say enough."""
    return bool(detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"])


def _complaint(detail: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong with a value, and the mend; the value is shown unless it may be a secret."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == OWN_MISTAKE:
        return context["what"], context["mend"]
    if kind in _KINDS:
        wanted, mend = _KINDS[kind]
        return f"is {_kind_of(value)}, not {wanted}", mend
    if kind == "literal_error":
        options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(",")]
        return f"is {shown(value)}", _choice_mend(value, options)
    if kind == "finite_number":
        return "is not a finite number", "write a number such as 10 or 0.5"
    if kind in ("too_short", "too_long"):
        few = kind == "too_short"
        bound = context["min_length"] if few else context["max_length"]
        return f"has {context['actual_length']} entries", f"give at {'least' if few else 'most'} {bound}"
    if kind == "string_too_long":
        return "is too long", f"use at most {context['max_length']} characters"
    for bound, phrase in (("gt", "more than"), ("ge", "at least"), ("lt", "less than"), ("le", "at most")):
        if bound in context:
            return f"is {shown(value)}", f"it must be {phrase} {_plain_number(context[bound])}"
    return f"is wrong: {detail['msg']}", "see the reference of the config"


def _choice_mend(value: object, options: Sequence[str]) -> str:
    near = nearest(value, options) if isinstance(value, str) else None
    listed = ", ".join(options)
    if near is None:
        return f"known: {listed}"
    return f"did you mean `{near}`?" + (f" Known: {listed}" if len(options) > 1 else "")


def _plain_number(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number}"


def _kind_of(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return f"the number {value}"


def _missing_mend(model: type[BaseModel], path: KeyPath) -> str:
    owner = _model_at(model, path[:-1])
    field = owner.model_fields.get(str(path[-1])) if owner else None
    described = field.description if field else None
    inner = _inner_model(field) if field else None
    described = described or (inner.__doc__ if inner else None)
    purpose = f" ({described.split('. ')[0].rstrip('.')})" if described else ""
    return f"add `{path[-1]}: ...`{purpose}"


def _inner_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model that the field holds: itself, optionally, or as the entries of a list or mapping."""
    return model_in(field.annotation)


def model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple, dict):
        for argument in get_args(annotation):
            found = model_in(argument)
            if found is not None:
                return found
    return None


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model whose keys stand at the path, which may go through entries of lists and mappings."""
    current: type[BaseModel] | None = model
    inside_mapping = False
    for key in path:
        if current is None:
            return None
        if isinstance(key, int) or inside_mapping:
            inside_mapping = False
            continue
        field = current.model_fields.get(key)
        if field is None:
            return None
        inside_mapping = get_origin(field.annotation) is dict
        current = _inner_model(field)
    return current


def _all_keys(model: type[BaseModel], above: KeyPath = ()) -> list[KeyPath]:
    found: list[KeyPath] = []
    for name, field in model.model_fields.items():
        found.append((*above, name))
        inner = _inner_model(field)
        if inner is not None:
            found += _all_keys(inner, (*above, name))
    return found


def _completed(model: type[BaseModel], value: object) -> object:
    """The value with the defaults of its model filled in wherever a key is absent."""
    if not isinstance(value, dict):
        return value
    complete = dict(value)
    for name, field in model.model_fields.items():
        inner = _inner_model(field)
        if name not in complete:
            if field.is_required():
                continue
            default = field.get_default(call_default_factory=True, validated_data={})
            complete[name] = default.model_dump() if isinstance(default, BaseModel) else default
        elif inner is not None:
            complete[name] = _completed_member(field, inner, complete[name])
    return complete


def _completed_member(field: FieldInfo, inner: type[BaseModel], value: object) -> object:
    if isinstance(value, list):
        return [_completed(inner, entry) for entry in value]
    if get_origin(field.annotation) is dict and isinstance(value, dict):
        return {key: _completed(inner, entry) for key, entry in value.items()}
    return _completed(inner, value)
