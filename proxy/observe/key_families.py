"""What a scrape shows of the keys that verify tokens: how many, what is wrong with their file, since when."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from proxy.observe.token_keys import TokenKeyState


def key_families(keys: TokenKeyState) -> Iterator[Metric]:
    """Of the worker with the fewest keys and the most mistakes."""
    yield GaugeMetricFamily("homecell_token_keys", "Keys that tokens are checked against.", keys.in_force)
    yield GaugeMetricFamily(
        "homecell_token_keys_refused", "Entries of the JWK Set file that are left out.", keys.refused
    )
    yield GaugeMetricFamily(
        "homecell_token_keys_unusable",
        "1: the JWK Set file can't be read or used, and the keys of before stay in force; else 0.",
        float(keys.unusable),
    )
    if keys.age_s is not None:
        yield GaugeMetricFamily(
            "homecell_token_keys_age_seconds", "Since the JWK Set file was last found good.", keys.age_s
        )
