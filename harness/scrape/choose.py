"""Which scraper to take, by name."""

import os
import shutil

from harness.errors import UsageError
from harness.scrape.builtin.scraper import BuiltinScraper
from harness.scrape.prometheus.scraper import PrometheusScraper
from harness.scrape.scraper import NoScraper, Scraper
from harness.views import QUICKSTART_VIEWS, View

__all__ = ["KINDS", "MIN_INTERVAL_NS", "make_scraper"]

KINDS = ("auto", "prometheus", "builtin", "none")
MIN_INTERVAL_NS = 10_000_000  # Prometheus counts in milliseconds; below ten it would do nothing else


def make_scraper(kind: str, interval_ns: int, views: tuple[View, ...] = QUICKSTART_VIEWS) -> Scraper:
    """Return the scraper `kind` (one of `KINDS`), not started yet, that scrapes every `interval_ns` nanoseconds.

    ``auto`` takes the real Prometheus when ``PROMETHEUS_BIN`` is set or `prometheus` is on PATH, and the built-in one
    otherwise; `description` says which and why. `views` tells which series are checked. Raises `UsageError` for an
    unknown kind and an interval below 10 ms.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no {kind!r}; choose one of {', '.join(KINDS)}", field="scraper")
    if interval_ns < MIN_INTERVAL_NS:
        raise UsageError("is too short; write 10ms or more, such as 1s", field="scrape_interval")
    if kind == "none":
        return NoScraper()
    why = ""
    if kind == "auto":
        kind, why = _choose()
    if kind == "prometheus":
        return PrometheusScraper(interval_ns, views, why)
    return BuiltinScraper(interval_ns, views, why)


def _choose() -> tuple[str, str]:
    if os.environ.get("PROMETHEUS_BIN"):
        return "prometheus", "auto: PROMETHEUS_BIN is set"
    if shutil.which("prometheus"):
        return "prometheus", "auto: found on PATH"
    return "builtin", "auto: no prometheus on PATH and PROMETHEUS_BIN is not set"
