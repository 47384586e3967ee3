"""Sums over the samples of a Prometheus text page."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Metrics:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    @classmethod
    def of(cls, url: str) -> Metrics:
        """Scrapes `url`."""
        answer = httpx.get(url, timeout=10)
        answer.raise_for_status()
        return cls(answer.text)

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples called `name` that carry all `labels`; 0 where there is none."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name
            and all(sample.labels.get(key) == value for key, value in labels.items())
        )

    def names(self) -> set[str]:
        """All sample names."""
        return {sample.name for sample in self.samples}
