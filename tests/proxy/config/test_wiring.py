"""What the settings become."""

from __future__ import annotations

import pytest

from proxy import wiring
from tests.proxy.config.site import Site


@pytest.mark.parametrize(("scheme", "attribute"), [("https", "; Secure"), ("http", "")])
def test_a_routing_cookie_is_for_https_alone_where_clients_come_by_https(
    site: Site, scheme: str, attribute: str
) -> None:
    settings = site.load()
    own = settings.residency[settings.edge.jurisdiction]
    settings.residency[settings.edge.jurisdiction] = own.model_copy(
        update={"edge_url": f"{scheme}://edge.example"}
    )
    cookie = wiring.routing_cookies(settings).set_cookie("user:1", "eu-1", 3, 1_000.0).decode()
    assert cookie.endswith(f"; Path=/; HttpOnly; SameSite=Lax{attribute}")
