"""The one build choice that pyproject.toml can't express: compiling the hot modules with mypyc.

`HOMECELL_COMPILE=1 pip install .` compiles HOT_MODULES; without it, or where the compiler fails, the same
files run interpreted.
"""

import os

from setuptools import setup

HOT_MODULES: tuple[str, ...] = (
    "lookup/aliases.py",
    "lookup/assignment.py",
    "lookup/circuit.py",
    "lookup/confirm.py",
    "lookup/fence.py",
    "lookup/flight.py",
    "lookup/flights.py",
    "lookup/hedging.py",
    "lookup/last_resort.py",
    "lookup/memory.py",
    "lookup/moved.py",
    "lookup/redis_value.py",
    "lookup/resolution.py",
    "lookup/resolver.py",
    "lookup/tier_reader.py",
    "proxy/forward/closing.py",
    "proxy/forward/downstream.py",
    "proxy/forward/edge.py",
    "proxy/forward/exchange.py",
    "proxy/forward/journey.py",
    "proxy/forward/link.py",
    "proxy/forward/not_mine.py",
    "proxy/forward/outbox.py",
    "proxy/forward/own_answers.py",
    "proxy/forward/pool.py",
    "proxy/forward/reading.py",
    "proxy/forward/reply_flow.py",
    "proxy/forward/request_body.py",
    "proxy/forward/request_flow.py",
    "proxy/forward/snapshot.py",
    "proxy/forward/untaken.py",
    "proxy/forward/upstream.py",
    "proxy/forward/wheel.py",
    "proxy/observe/access_log.py",
    "proxy/observe/layout.py",
    "proxy/observe/meters.py",
    "proxy/observe/samples.py",
    "proxy/rooms/cookies.py",
    "proxy/rooms/identify.py",
    "proxy/rooms/identity.py",
    "proxy/rooms/routes.py",
    "proxy/rooms/verified.py",
    "proxy/wire/chunked.py",
    "proxy/wire/dates.py",
    "proxy/wire/fields.py",
    "proxy/wire/framing.py",
    "proxy/wire/ids.py",
    "proxy/wire/not_mine.py",
    "proxy/wire/reply.py",
    "proxy/wire/reply_plan.py",
    "proxy/wire/request.py",
    "proxy/wire/request_checks.py",
    "proxy/wire/request_head.py",
    "proxy/wire/request_plan.py",
    "proxy/wire/rewrite.py",
    "proxy/wire/start_line.py",
    "proxy/wire/unfinished.py",
)
"""Source files that are compiled together, in one extension."""

extensions = []
if os.environ.get("HOMECELL_COMPILE") == "1":
    from mypyc.build import mypycify

    extensions = mypycify(list(HOT_MODULES), opt_level="3", group_name="homecell")
    for extension in extensions:
        extension.optional = True

setup(ext_modules=extensions)
