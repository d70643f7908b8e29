"""The lookup service's HTTP side: paths, credentials, limits, problems. Knows no store's kind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from lookup.ports import StoreUnavailableError
from lookup.service.bodies import form_of
from lookup.service.cells import CellAnswers
from lookup.service.forms import Json
from lookup.service.keys import KeyAnswers, seconds_of, source_of
from lookup.service.meters import ServiceMeters
from lookup.service.moves import MoveAnswers, Reply
from lookup.service.openapi import document, index
from lookup.service.problems import ProblemError, problem_of, problem_response
from lookup.service.stream import Streams
from lookup.service.tokens import Caller, Right, Tokens
from lookup.service.truth import TruthAnswers

MAX_BODY_BYTES: Final = 1024 * 1024
_ANSWER_S: Final = 10.0
"""For anything but streams: a caller has given up long before."""

_COUNT_S: Final = 0.2
"""So long the metrics wait for a first count of the users; it goes on without them."""

_CALLER: Final = web.RequestKey("caller", Caller)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One path and method; `id` names it in the OpenAPI document and in metrics."""

    method: str
    path: str
    id: str
    needs: Right
    answer: Answer
    is_stream: bool = False


class Service:
    """Puts the answers behind paths. `is_ready` says whether the feed is heard."""

    def __init__(
        self,
        keys: KeyAnswers,
        truth: TruthAnswers,
        cells: CellAnswers,
        moves: MoveAnswers,
        streams: Streams,
        tokens: Tokens,
        meters: ServiceMeters,
        is_ready: Callable[[], bool],
    ) -> None:
        self._keys = keys
        self._truth = truth
        self._cells = cells
        self._moves = moves
        self._streams = streams
        self._tokens = tokens
        self._meters = meters
        self._is_ready = is_ready
        self._document, self._text = json.dumps(document()), index()

    def operations(self) -> tuple[Operation, ...]:
        """Everything that can be asked."""
        read, write = Right.READ, Right.WRITE
        return (
            Operation("GET", "/v1/keys/{key}", "getKey", read, self._get_key),
            Operation("POST", "/v1/keys:batch", "getKeys", read, self._get_keys),
            Operation("GET", "/v1/changes", "followChanges", read, self._streams.follow, is_stream=True),
            Operation("GET", "/v1/history", "getHistory", read, self._streams.history, is_stream=True),
            Operation("GET", "/v1/cells", "countCells", read, self._count),
            Operation("GET", "/v1/flags", "getFlags", read, self._flags),
            Operation("POST", "/v1/keys/{key}:place", "placeKey", write, self._place),
            Operation("PUT", "/v1/keys/{key}", "putKey", write, self._put),
            Operation("POST", "/v1/homes:load", "loadHomes", write, self._load),
            Operation("PUT", "/v1/flags/{cell}", "setFlag", write, self._set_flag),
            Operation("POST", "/v1/moves", "beginMove", write, self._begin_move),
            Operation("GET", "/v1/moves", "getOpenMoves", write, self._open_moves),
            Operation("GET", "/v1/moves/{operation}", "getMove", write, self._get_move),
            Operation("POST", "/v1/moves/{operation}:resume", "resumeMove", write, self._resume_move),
            Operation("POST", "/v1/moves/{operation}:abort", "abortMove", write, self._abort_move),
            Operation("GET", "/metrics", "getMetrics", read, self._metrics),
            Operation("GET", "/", "getIndex", Right.NONE, self._index),
            Operation("GET", "/openapi.json", "getDocument", Right.NONE, self._openapi),
            Operation("GET", "/-/live", "isLive", Right.NONE, self._live),
            Operation("GET", "/-/ready", "isReady", Right.NONE, self._ready),
        )

    def application(self) -> web.Application:
        """The application, to be run."""
        application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._unrouted])
        for operation in self.operations():
            application.router.add_route(operation.method, operation.path, self._guarded(operation))
        return application

    def _guarded(self, operation: Operation) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            begun_s = time.perf_counter()
            try:
                request[_CALLER] = self._check_right(request, operation.needs)
                async with asyncio.timeout(None if operation.is_stream else _ANSWER_S):
                    response = await operation.answer(request)
            except Exception as failure:
                response = problem_response(problem_of(failure))
            self._meters.answered(operation.id, response.status, time.perf_counter() - begun_s)
            return response

        return answer

    def _check_right(self, request: web.Request, needs: Right) -> Caller:
        caller = self._tokens.caller(request.headers.get("Authorization", ""))
        if needs is Right.NONE:
            return caller
        if caller.right is Right.NONE:
            detail = "send Authorization: Bearer with a token of the service"
            if "Authorization" in request.headers:
                detail = "what Authorization holds is no token of the service: compare with its tokens_file"
            raise ProblemError("no-credential", detail)
        if caller.right < needs:
            raise ProblemError("not-permitted", "the token may only read; this is for tokens that may write")
        return caller

    @web.middleware
    async def _unrouted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            self._meters.answered("none", error.status, 0.0)
            response = problem_response(problem_of(error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response

    async def _get_key(self, request: web.Request) -> web.Response:
        source = source_of(_flagged(request, "fresh"), _flagged(request, "confirmed"))
        write_takes_s = _seconds(request, "write_takes_s")
        return _json(await self._keys.one(request.match_info["key"], source, write_takes_s))

    async def _get_keys(self, request: web.Request) -> web.Response:
        return _json(await self._keys.many(await form_of(request)))

    async def _count(self, _: web.Request) -> web.Response:
        return _json(await self._cells.cells())

    async def _flags(self, _: web.Request) -> web.Response:
        return _json(await self._truth.flags())

    async def _place(self, request: web.Request) -> web.Response:
        return _json(await self._truth.place(request.match_info["key"], await form_of(request)))

    async def _put(self, request: web.Request) -> web.Response:
        return _json(await self._truth.put(request.match_info["key"], await form_of(request)))

    async def _load(self, request: web.Request) -> web.Response:
        return _json(await self._truth.load(await form_of(request)))

    async def _set_flag(self, request: web.Request) -> web.Response:
        return _json(await self._truth.set_flag(request.match_info["cell"], await form_of(request)))

    async def _begin_move(self, request: web.Request) -> web.Response:
        return _accepted(await self._moves.begin(await form_of(request), request[_CALLER].name))

    async def _open_moves(self, request: web.Request) -> web.Response:
        return _json(await self._moves.unfinished(request.query.get("after", "")))

    async def _get_move(self, request: web.Request) -> web.Response:
        return _json(await self._moves.one(request.match_info["operation"]))

    async def _resume_move(self, request: web.Request) -> web.Response:
        return _accepted(await self._moves.resume(request.match_info["operation"]))

    async def _abort_move(self, request: web.Request) -> web.Response:
        return _json(await self._moves.abort(request.match_info["operation"], await form_of(request)))

    async def _metrics(self, _: web.Request) -> web.Response:
        with contextlib.suppress(
            StoreUnavailableError, TimeoutError
        ):  # the other figures are wanted then, too
            async with asyncio.timeout(_COUNT_S):
                self._meters.cells(await self._cells.figures())
        body = self._meters.text()
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _index(self, _: web.Request) -> web.Response:
        return web.Response(text=self._text)

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.Response(text=self._document, content_type="application/json")

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def _ready(self, _: web.Request) -> web.Response:
        ready = self._is_ready()
        return web.Response(text="ready\n" if ready else "the feed is silent\n", status=200 if ready else 503)


def _flagged(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise ValueError(f"{name} is neither true nor false")
    return value == "true"


def _seconds(request: web.Request, name: str) -> float:
    try:
        return seconds_of(float(request.query.get(name, "0")))
    except ValueError:
        raise ValueError(f"{name} is no number of seconds") from None


def _json(form: Mapping[str, Json], status: int = 200) -> web.Response:
    text = json.dumps(form, ensure_ascii=False, separators=(",", ":")) + "\n"
    fields = {"Cache-Control": "no-store"}
    return web.Response(text=text, status=status, content_type="application/json", headers=fields)


def _accepted(reply: Reply) -> web.Response:
    return _json(reply.form, 202 if reply.goes_on else 200)
