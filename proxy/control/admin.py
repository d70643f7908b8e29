"""The admin endpoint: what operators, load balancers and Prometheus may ask of this edge; it only reads."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from lookup.strict_parser import MEND, LenientParserError, insist_on_c_parser
from lookup.web_log import is_of_ours
from proxy.control.status import EdgeStatus, Json, flags_body, heavy_body, ready_body
from proxy.kernel.port_holder import cannot_listen
from proxy.model import Endpoint
from proxy.observe.exporter import Reading, render
from proxy.observe.heavy import Heavy

_PROBLEM_TYPE: Final = "https://homecell.example/problems/"
_SHUTDOWN_S: Final = 1.0
_HEAVIEST: Final = 20
_log: Final = logging.getLogger("homecell.admin")
_log.addFilter(is_of_ours)
_PATHS: Final = {
    "/-/live": "200 while the supervisor runs",
    "/-/ready": "200 when a worker serves and knows the flags; else 503. JSON: each worker, age of the feed",
    "/-/flags": "JSON: this edge, its store, its cells, those that fail; each worker's version of each flag",
    "/-/heavy": "JSON: the users who ask most, by cell; only for who asks from this machine",
    "/metrics": "Prometheus (or, by Accept, OpenMetrics) text, summed over the workers",
}


class View(Protocol):
    """What the endpoint shows."""

    def status(self) -> EdgeStatus: ...

    def reading(self) -> Reading: ...

    def heaviest(self, most: int) -> list[Heavy]: ...


class AdminError(Exception):
    """The admin endpoint can't be opened; the message says why."""


class Admin:
    """The endpoint, from `start` to `close`."""

    def __init__(self, view: View) -> None:
        self._view = view
        application = web.Application(middlewares=[_problems])
        answers: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = {
            "/": self._index,
            "/-/live": self._live,
            "/-/ready": self._ready,
            "/-/flags": self._flags,
            "/-/heavy": self._heavy,
            "/metrics": self._metrics,
        }
        application.add_routes([web.get(path, answer) for path, answer in answers.items()])
        self._runner = web.AppRunner(application, access_log=None, logger=_log, shutdown_timeout=_SHUTDOWN_S)

    async def start(self, listen: Endpoint) -> None:
        """Listen. Raises AdminError."""
        try:
            insist_on_c_parser()
        except LenientParserError as error:
            raise AdminError(f"{error}: {MEND}") from error
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, listen.host, listen.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise AdminError(cannot_listen("edge.admin", listen.host, listen.port, error)) from error

    async def close(self) -> None:
        """Stop listening; answers under way get a second."""
        await self._runner.cleanup()

    async def _index(self, _: web.Request) -> web.Response:
        lines = [f"{path:10} {text}" for path, text in _PATHS.items()]
        return web.Response(text="\n".join(["Home Cell edge proxy, admin endpoint", "", *lines, ""]))

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def _ready(self, _: web.Request) -> web.Response:
        status = self._view.status()
        return _json(ready_body(status), 200 if status.ready() else 503)

    async def _flags(self, _: web.Request) -> web.Response:
        return _json(flags_body(self._view.status()), 200)

    async def _heavy(self, request: web.Request) -> web.Response:
        if not _is_local(request):
            raise web.HTTPForbidden(reason="Only From This Machine")
        return _json(heavy_body(self._view.status().edge, self._view.heaviest(_HEAVIEST)), 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        # A thread: with many cells the text takes long, and a dead worker must not wait for it.
        reading, accept = self._view.reading(), request.headers.get("Accept", "")
        body, content_type = await asyncio.to_thread(render, reading, accept)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _is_local(request: web.Request) -> bool:
    """Whether the request names users to nobody else: the connection is of this machine."""
    try:
        return ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def _json(body: Json, status: int) -> web.Response:
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"}, dumps=_line)


def _line(body: object) -> str:
    """With its end: whoever asks by hand finds the prompt below it."""
    return json.dumps(body) + "\n"


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as problem details (RFC 9457)."""
    try:
        return await handler(request)
    except web.HTTPError as error:
        slug = error.reason.lower().replace(" ", "-")
        problem = {"type": _PROBLEM_TYPE + slug, "title": error.reason, "status": error.status}
        detail = f"{request.method} {request.path}; GET / lists what can be asked"
        response = web.json_response(
            {**problem, "detail": detail},
            status=error.status,
            content_type="application/problem+json",
            dumps=_line,
        )
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
