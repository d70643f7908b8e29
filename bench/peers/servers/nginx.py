"""nginx in two parts: the origin behind every proxy, and a peer that forwards without identity or lookup."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from bench.peers.launch import Launcher, free_port
from bench.peers.servers import MissingError, Running
from bench.peers.traffic import BenchCell

FOR_EVER: Final = 1_000_000_000


def find() -> str:
    """The nginx program; raises MissingError."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise MissingError("apt-get install nginx-light")
    return found


def start_origin(launcher: Launcher, cells: tuple[BenchCell, ...]) -> int:
    """The origin: a port per cell, 107 bytes of JSON that name the cell, a new field value in each reply."""
    servers = "\n".join(
        f"""server {{
            listen 127.0.0.1:{cell.port} backlog=1024;
            location / {{
                default_type application/json;
                add_header X-Served-As $request_id;
                return 200 '{cell.reply_body.decode()}';
            }}
        }}"""
        for cell in cells
    )
    config = _write(launcher.folder / "origin", servers)
    return launcher.start("origin", _command(config), launcher.load_core, [cell.port for cell in cells])


def start_peer(launcher: Launcher, origin_port: int) -> Running:
    """nginx as a bare forwarder to one port; bodies are streamed, not spooled."""
    port = free_port()
    servers = f"""upstream origin {{
            server 127.0.0.1:{origin_port};
            keepalive 128; keepalive_requests {FOR_EVER};
        }}
        server {{
            listen 127.0.0.1:{port} backlog=1024;
            location / {{
                proxy_pass http://origin;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_set_header Host $host;
                proxy_request_buffering off;
                proxy_buffer_size 64k;
                proxy_buffers 16 64k;
                proxy_busy_buffers_size 128k;
                proxy_max_temp_file_size 0;
                client_max_body_size 0;
                client_body_buffer_size 64k;
            }}
        }}"""
    config = _write(launcher.folder / "nginx-peer", servers)
    return Running(port, launcher.start("nginx", _command(config), launcher.proxy_core, [port]))


def _command(config: Path) -> list[str | Path]:
    return [find(), "-p", config.parent, "-c", config]


def _write(folder: Path, servers: str) -> Path:
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    spools = "\n".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"""{user}
        daemon off; worker_processes 1; pid {folder / "nginx.pid"}; error_log stderr warn;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; keepalive_requests {FOR_EVER}; keepalive_timeout 600s; tcp_nodelay on;
            {spools}
            {servers}
        }}
        """
    )
    return config
