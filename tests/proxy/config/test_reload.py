"""What a running process takes of files that have changed."""

from __future__ import annotations

import pytest

from proxy.config import ReloadRefusedError, load_changed
from tests.proxy.config.site import Site

EU_1 = "  - name: eu-1\n"
LOG = "access_log: access.log\n"


def test_files_that_say_the_same_change_nothing(site: Site) -> None:
    running = site.load()
    site.spoil((EU_1, f"# the first one\n{EU_1}"))
    assert load_changed(running) is None


@pytest.mark.parametrize(
    "change",
    [
        (EU_1, f"{EU_1}    weight: 0\n"),
        (EU_1, f"{EU_1}    capacity: 10\n"),
        (EU_1, f"{EU_1}    tenants: [acme]\n"),
        (LOG, f"{LOG}placement: {{share_warning: 0.5, share_cap: 0.6}}\n"),
    ],
)
def test_who_is_placed_where_is_taken(site: Site, change: tuple[str, str]) -> None:
    running = site.load()
    site.spoil(change)
    changed = load_changed(running)
    assert changed is not None
    assert changed.settings == site.load() != running
    assert load_changed(changed.settings) is None


CELLS = "the cells, their order, jurisdictions, regions or endpoints"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("  workers: 2\n", "  workers: 3\n"), "`edge`"),
        (("  - prefix: /\n", "  - prefix: /a\n"), "`routes`"),
        ((LOG, f"{LOG}placement: {{first_sight: true}}\n"), "`placement.first_sight`"),
        ((EU_1, "  - name: eu-9\n"), CELLS),
        (("127.0.0.1:8101", "127.0.0.1:8109"), CELLS),
    ],
)
def test_with_anything_else_nothing_is_taken(site: Site, change: tuple[str, str], what: str) -> None:
    running = site.load()
    site.spoil(change, ("region: eu-west\n", "region: eu-west\n    weight: 0\n"))
    with pytest.raises(ReloadRefusedError) as refused:
        load_changed(running)
    assert str(refused.value) == f"only a restart takes what has changed: {what}"


def test_of_a_mistake_it_is_told_where_it_is(site: Site) -> None:
    running = site.load()
    site.spoil((EU_1, f"{EU_1}    weight: -1\n"))
    with pytest.raises(ReloadRefusedError, match=r"cells\.yaml:3: cells\[0\]\.weight "):
        load_changed(running)
