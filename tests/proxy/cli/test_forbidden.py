"""An edge whose store is a lookup service that does not let it write: a mistake of its config."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site


class _Refuses(BaseHTTPRequestHandler):
    status = 403

    def do_GET(self) -> None:
        self._refuse()

    def do_PUT(self) -> None:
        self._refuse()

    def do_POST(self) -> None:
        self._refuse()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        del format, args

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"detail": "The token does not permit this"}'
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _service() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Refuses)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "arguments",
    [["cells", "flag", "eu-1", "serving"], ["users", "place", "user:9", "--cell", "eu-1"]],
    ids=" ".join,
)
def test_a_token_that_does_not_permit_it_is_a_mistake_of_the_config(
    homecell: Homecell, site: Site, arguments: list[str]
) -> None:
    (site.folder / "lookup.token").write_text("r" * 32 + "\n")
    with _service() as port:
        remote = f'{{kind: remote, url: "http://127.0.0.1:{port}", token_file: lookup.token}}'
        site.spoil(("{kind: sqlite, path: home.sqlite}", remote))
        result = homecell(*arguments)
    assert result.exit_code == 2
    assert "403 The token does not permit this" in result.stderr
    assert "give this client a token of the service that permits it" in result.stderr
