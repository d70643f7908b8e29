"""The OpenAPI document: complete, closed in itself, and true of the replies that the service gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final

import pytest

from lookup.flags import Flag
from lookup.moves import Step
from lookup.resolver import build_resolver
from lookup.service.app import Service
from lookup.service.cells import CellAnswers
from lookup.service.keys import KeyAnswers
from lookup.service.meters import ServiceMeters
from lookup.service.moves import MoveAnswers
from lookup.service.openapi import document, index
from lookup.service.run import NO_PLAN
from lookup.service.stream import Streams
from lookup.service.tokens import Right, Tokens
from lookup.service.truth import TruthAnswers
from lookup.settings import LookupSettings
from lookup.writer import place
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeFeed, FakeStore, home
from tests.lookup.service.mover import mover
from tests.lookup.service.site import served
from tests.proxy.workers.stage import until

METHODS: Final = ("get", "put", "post", "delete", "patch")
TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def part(*path: str) -> dict[str, object]:
    """What stands in the document at that path."""
    found: object = document()
    for key in path:
        assert isinstance(found, dict)
        found = found[key]
    assert isinstance(found, dict)
    return found


def test_the_index_has_a_line_for_everything_that_can_be_asked() -> None:
    lines = [line.split(maxsplit=2) for line in index().splitlines()[2:]]
    told = sorted((method, path) for method, path, _ in lines)
    assert told == sorted((method, path) for method, path, _ in operations())


def operations() -> Iterator[tuple[str, str, dict[str, object]]]:
    for path, item in part("paths").items():
        assert isinstance(item, dict)
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def references(form: object) -> Iterator[str]:
    if isinstance(form, dict):
        if isinstance(form.get("$ref"), str):
            yield form["$ref"]
        for member in form.values():
            yield from references(member)
    elif isinstance(form, list | tuple):
        for entry in form:
            yield from references(entry)


def fits(schema: object, value: object) -> bool:
    """Whether the value is as the schema says; knows the keywords that the document uses."""
    assert isinstance(schema, dict)
    if "$ref" in schema:
        return fits(part(*schema["$ref"].removeprefix("#/").split("/")), value)
    for choice in ("oneOf", "anyOf"):
        if choice in schema and not any(fits(option, value) for option in schema[choice]):
            return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    names = schema.get("type", list(TYPES))
    if not any(isinstance(value, TYPES[name]) for name in ([names] if isinstance(names, str) else names)):
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return all(name in value for name in schema.get("required", ())) and all(
            fits(known[name], member) for name, member in value.items() if name in known
        )
    if isinstance(value, list) and "items" in schema:
        return all(fits(schema["items"], entry) for entry in value)
    return True


def schema_of(method: str, path: str, status: str = "200") -> object:
    for found, where, operation in operations():
        if (found, where) == (method, path):
            assert isinstance(operation["responses"], dict)
            (content,) = operation["responses"][status]["content"].values()
            return content["schema"]
    raise AssertionError(f"{method} {path} is not in the document")


@asynchronous
async def test_every_operation_is_in_the_document_and_nothing_else() -> None:
    store, meters = FakeStore(), ServiceMeters(lambda: 0.0)
    feed = FakeFeed()
    cells = CellAnswers(store, NO_PLAN, lambda: NOW_S)
    truth = TruthAnswers(store, cells, NO_PLAN, lambda: NOW_S, 5.0)
    keys = KeyAnswers(build_resolver(store, LookupSettings(), Random(1)), store, meters, lambda: NOW_S)
    moves = MoveAnswers(None, NO_PLAN, lambda: NOW_S)
    service = Service(keys, truth, cells, moves, Streams(feed, meters), Tokens({}), meters, lambda: True)
    served_ones = {(o.method, o.path, o.id, o.needs is Right.NONE) for o in service.operations()}
    documented = {(m, path, o["operationId"], o.get("security") == []) for m, path, o in operations()}
    assert served_ones == documented


def test_every_reference_leads_somewhere() -> None:
    found = set(references(document()))
    assert len(found) > 5
    for reference in found:
        assert part(*reference.removeprefix("#/").split("/"))


def test_every_parameter_of_a_path_is_described() -> None:
    for path, item in part("paths").items():
        assert isinstance(item, dict)
        named = {p["name"] for p in item.get("parameters", ()) if p["in"] == "path"}
        assert named == {piece.partition("}")[0] for piece in path.split("{")[1:]}


def test_the_checker_of_schemas_knows_wrong_from_right() -> None:
    assert fits({"$ref": "#/components/schemas/Problem"}, {"type": "x", "title": "t", "status": 404})
    assert not fits({"$ref": "#/components/schemas/Problem"}, {"type": "x", "title": "t"})
    assert not fits({"$ref": "#/components/schemas/Problem"}, {"type": "x", "title": "t", "status": "404"})
    assert not fits({"type": "array", "items": {"enum": ["a"]}}, ["a", "b"])
    assert not fits({"oneOf": [{"type": "string"}, {"type": "null"}]}, 5)


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", "/v1/keys/{key}", None),
        ("POST", "/v1/keys:batch", {"keys": ["user:1", "user:2"]}),
        ("POST", "/v1/keys:batch", {"keys": ["user:1", "user:2"], "fresh": True}),
        ("POST", "/v1/keys/{key}:place", {"cell": "cell-a", "jurisdiction": "eu"}),
        ("POST", "/v1/homes:load", {"homes": []}),
        ("GET", "/v1/cells", None),
        ("GET", "/v1/flags", None),
        ("PUT", "/v1/flags/{cell}", {"flag": "down", "reason": "fire", "author": "ann"}),
        ("GET", "/openapi.json", None),
    ],
)
def test_replies_are_as_the_document_says(tmp_path: Path, method: str, path: str, form: object) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path) as (store, service):
            await place(store, "user:1", "cell-a", "eu", NOW_S)
            await store.compare_and_set(home("user:1", "cell-b", 2), 1)
            await store.set_flag("cell-a", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
            asked = path.replace("{key}", "user:1").replace("{cell}", "cell-a")
            status, reply = await service.ask(method, asked, form)
            assert status == 200
            assert fits(schema_of(method, path), reply), reply
            _, problem = await service.ask("GET", "/v1/keys/nobody")
            assert fits({"$ref": "#/components/schemas/Problem"}, problem)

    scenario()


@asynchronous
async def test_each_line_of_a_history_is_as_the_document_says(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        await place(store, "user:1", "cell-a", "eu", NOW_S)
        await store.compare_and_set(home("user:1", "cell-b", 2), 1)
        text = await service.text("/v1/history?since_s=0")
        lines = [json.loads(line) for line in text.splitlines()]
        assert lines[1:] == [[["user:1", 2, NOW_S, "cell-a"]]]
        assert all(fits(schema_of("GET", "/v1/history"), line) for line in lines)


@asynchronous
async def test_what_is_told_of_a_move_is_as_the_document_says(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        m.gate.clear()
        order = {"operation": "op-1", "key": "user:1", "target": "cell-b"}
        for method, path, form, status in (
            ("POST", "/v1/moves", order, 202),
            ("GET", "/v1/moves", None, 200),
            ("GET", "/v1/moves/{operation}", None, 200),
            ("POST", "/v1/moves/{operation}:resume", None, 202),
            ("POST", "/v1/moves/{operation}:abort", {"reason": "r"}, 200),
            ("POST", "/v1/moves/{operation}:resume", None, 200),
        ):
            found, reply = await m.service.ask(method, path.replace("{operation}", "op-1"), form)
            assert found == status
            assert fits(schema_of(method, path, str(status)), reply), reply
        await m.lease(await m.store.position(), 1)
        await m.client.moves.begin("op-2", "user:1", "cell-b")
        await until(lambda: m.reached("op-2", Step.FENCING), "it waits for a worker")
        _, waiting = await m.service.ask("GET", "/v1/moves/op-2")
        assert waiting["workers"]
        assert fits(schema_of("GET", "/v1/moves/{operation}"), waiting), waiting
