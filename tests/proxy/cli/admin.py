"""An admin port for tests: answers /-/flags with what it is told to, one answer after the other."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def admin_port(*answers: object, status: int = 200) -> Iterator[int]:
    """The port of a server that gives these answers in turn, and the last one for ever."""
    waiting = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status if self.path == "/-/flags" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of the base
            """Tests stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def worker(slot: int, flags: dict[str, int], applied_ms: int = 0, ready: bool = True) -> dict[str, object]:
    """One worker as the admin port tells of it."""
    return {"slot": slot, "pid": 100 + slot, "ready": ready, "flags": flags, "applied_ms": applied_ms}
