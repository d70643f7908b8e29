"""Values that are sound alone and do not go together: the line, key, fault and mend of each pair."""

from __future__ import annotations

import pytest

from tests.proxy.config.site import Site

RELATIONS = [
    (
        "refresh_s: 60",
        "refresh_s: 300",
        "edge.yaml:27: lookup.expiry_s is 300, not above `refresh_s` (300); "
        "make it more than 300, or lower `refresh_s`",
    ),
    (
        "expiry_s: 300",
        "expiry_s: 90000",
        "edge.yaml:28: lookup.hard_stale_s is 86400, not above `expiry_s` (90000); "
        "make it more than 90000, or lower `expiry_s`",
    ),
    (
        "request_timeout_s: 3",
        "request_timeout_s: 0.5",
        "edge.yaml:36: limits.request_timeout_s is 0.5, not above `connect_timeout_s` (1); "
        "make it more than 1, or lower `connect_timeout_s`",
    ),
    (
        "  refresh_s: 60",
        "  deadline_s: 3",
        "edge.yaml:36: limits.request_timeout_s is 3, not above `lookup.deadline_s` (3); "
        "make it more than 3, or lower `lookup.deadline_s`",
    ),
    (
        "127.0.0.1:9080",
        "127.0.0.1:8080",
        "edge.yaml:5: edge.admin is the address of `edge.listen`; choose another port",
    ),
    (
        "access_log: access.log",
        "access_log: access.log\nplacement: {share_cap: 0.5}",
        "edge.yaml:38: placement.share_cap is 0.5, which 2 cells can't keep: one of them has 50% of the "
        "users at least; raise it, remove it, or add cells",
    ),
    (
        "store: {kind: sqlite, path: home.sqlite}",
        "store: {kind: sqlite}",
        "edge.yaml:8: store.path is missing; add it: a sqlite store needs it",
    ),
    (
        "store: {kind: sqlite, path: home.sqlite}",
        'store: {kind: remote, url: "http://127.0.0.1:8090"}',
        "edge.yaml:8: store.token_file is missing; add it: a remote store needs it",
    ),
    (
        "store: {kind: sqlite, path: home.sqlite}",
        'store: {kind: remote, url: "http://127.0.0.1:8090", token_file: keys/cookie-1.secret, path: x}',
        "edge.yaml:8: store.path does not go with kind remote; remove it",
    ),
    (
        "store: {kind: sqlite, path: home.sqlite}",
        'store: {kind: remote, url: "http://127.0.0.1:8090", token_file: none}',
        "edge.yaml:8: store.token_file is none, which is no file; make it: one token of the service",
    ),
    ("home.sqlite", "keys", "edge.yaml:8: store.path is a folder; name a file in it, e.g. home.sqlite"),
    (
        "cells_file: cells.yaml",
        "cells_file: none.yaml",
        "edge.yaml:7: cells_file is none.yaml, which does not exist; make it, or correct the path",
    ),
    (
        "jurisdiction: eu\n  listen",
        "jurisdiction: ue\n  listen",
        "edge.yaml:3: edge.jurisdiction is `ue`, a jurisdiction without a rule below `residency`; did "
        "you mean `eu`?",
    ),
    (
        "allow: [us, eu]",
        "allow: [us, uk]",
        "edge.yaml:11: residency.us.allow[1] is `uk`, a jurisdiction without a rule below `residency`; "
        "known: eu, us",
    ),
    (
        "jurisdiction: us\n    region",
        "jurisdiction: su\n    region",
        "cells.yaml:7: cells[1].jurisdiction is `su`, a jurisdiction without a rule below `residency`; "
        "did you mean `us`?",
    ),
    (
        "allow: [us, eu]",
        "allow: [eu]",
        "cells.yaml:7: cells[1].jurisdiction is `us`, which no residency rule allows: nobody could reach "
        "the cell; "
        "add `us` to the `allow` of its users, or remove the cell",
    ),
    (
        "name: us-1",
        "name: eu-1",
        "cells.yaml:6: cells[1].name is `eu-1` again, first on line 2; give each cell its own name",
    ),
    (
        "cell.example:8102",
        "127.0.0.1:8101",
        "cells.yaml:9: cells[1].endpoints[1] is `127.0.0.1:8101` again, first on line 5; "
        "give each cell its own endpoints",
    ),
    (
        "cell.example:8102",
        "localhost:8101",
        "cells.yaml:9: cells[1].endpoints[1] is `127.0.0.1:8101` again, first on line 5; "
        "give each cell its own endpoints",
    ),
    (
        "cell.example:8102",
        "[::ffff:127.0.0.1]:8101",
        "cells.yaml:9: cells[1].endpoints[1] is `127.0.0.1:8101` again, first on line 5; "
        "give each cell its own endpoints",
    ),
    (
        "name: us-1",
        "name: none",
        "cells.yaml:6: cells[1].name is `none`, which logs and metrics say where there is no cell; "
        "choose another name",
    ),
    (
        "access_log: access.log",
        "access_log: /dev/stderr",
        "edge.yaml:37: access_log is standard error, where the edge's own messages would tear its lines; "
        "use `/dev/stdout`, or a file",
    ),
    (
        "access_log: access.log",
        "access_log: keys",
        "edge.yaml:37: access_log is a folder; name a file in it, e.g. access.log",
    ),
    (
        "access_log: access.log",
        "access_log: logs/access.log",
        "edge.yaml:37: access_log is in logs, which is no folder; make the folder, or correct the path",
    ),
    (
        "access_log: access.log",
        "access_log: home.sqlite",
        "edge.yaml:37: access_log is the file of `store.path`; give the log a file of its own",
    ),
    (
        "access_log: access.log",
        "access_log: keys/../keys/cookie-1.secret",
        "edge.yaml:37: access_log is the file of `routing_cookie.keys[0].secret_file`; "
        "give the log a file of its own",
    ),
    (
        "access_log: access.log",
        "access_log: edge.yaml",
        "edge.yaml:37: access_log is the file of this config; give the log a file of its own",
    ),
    (
        "cell.example:8102",
        "127.0.0.1:8080",
        "cells.yaml:9: cells[1].endpoints[1] is this edge's own `edge.listen`: requests would go round "
        "in a circle; "
        "name the cell's address",
    ),
    (
        "prefix: /\n",
        "prefix: /status\n",
        "edge.yaml:33: routes[1].prefix is `/status` again, first on line 30; keep one route for each prefix",
    ),
    (
        '    static: {status: 200, body: "{}"}\n',
        "",
        "edge.yaml:31: routes[0].fallback is `static` and the route has no static reply; "
        "add `static: {status: 200, body: ...}` to the route, or use `fail`",
    ),
    (
        "    fallback: static\n",
        "",
        "edge.yaml:31: routes[0].static is never used: the route's fallback is `fail`; "
        "set `fallback: static`, or remove it",
    ),
    (
        "status: 200",
        "status: 204",
        "edge.yaml:32: routes[0].static.body goes with status 204, which has no body; "
        "use another status, or an empty body",
    ),
    (
        "order: [bearer, session_cookie,",
        "order: [bearer, bearer,",
        "edge.yaml:13: identity.order[1] is `bearer` again; name it once",
    ),
    (
        "routing_cookie:\n",
        "routing_cookie:\n  name: session\n",
        "edge.yaml:23: routing_cookie.name is `session`, as `identity.session_cookie`; "
        "give each cookie its own name",
    ),
]


@pytest.mark.parametrize(("old", "new", "mistake"), RELATIONS)
def test_values_that_do_not_go_together_are_named(site: Site, old: str, new: str, mistake: str) -> None:
    site.spoil((old, new))
    assert site.mistakes() == [mistake]


DOUBTFUL = [
    (
        "http://127.0.0.1:8081",
        "http://127.0.0.1:8080/",
        "edge.yaml:11: residency.us.edge_url is the edge of `eu` too; "
        "name an edge of its own, unless that one serves both",
    ),
    (
        "  request_timeout_s: 3",
        "  request_timeout_s: 3\n  drain_timeout_s: 2",
        "edge.yaml:37: limits.drain_timeout_s is 2, below `request_timeout_s` (3): a stop cuts requests that "
        "may go on; make it 3 or more, or lower `request_timeout_s`",
    ),
    (
        "  audience: demo",
        "  audience: demo\n  claims: {user: sub, cell: sub}",
        "edge.yaml:16: identity.claims.cell is `sub`, as `user`: one claim can't say both; "
        "give each its own claim",
    ),
    (
        'admin: "127.0.0.1:9080"',
        'admin: "8.8.8.8:9080"',
        "edge.yaml:5: edge.admin answers on a public address, and asks for no credential; "
        "listen on loopback or a private address",
    ),
]


@pytest.mark.parametrize(("old", "new", "warning"), DOUBTFUL)
def test_values_that_hardly_go_together_are_warned_of(site: Site, old: str, new: str, warning: str) -> None:
    site.spoil((old, new))
    assert site.warnings() == [warning]


def test_an_access_log_that_is_a_link_to_a_key_is_refused(site: Site) -> None:
    (site.folder / "access.log").symlink_to(site.folder / "keys/jwks.json")
    assert site.mistakes() == [
        "edge.yaml:37: access_log is the file of `identity.jwks_file`; give the log a file of its own"
    ]
