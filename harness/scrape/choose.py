"""Choice of a scraper by name."""

import os
import shutil
from collections.abc import Sequence

from harness.errors import HarnessError, UsageError
from harness.instruments.catalog import pushes
from harness.scrape.builtin.scraper import BuiltinScraper
from harness.scrape.prometheus.scraper import PrometheusScraper
from harness.scrape.prometheus.shared import SharedServer
from harness.scrape.scraper import NoScraper, Scraper, SinkScraper, Target
from harness.views import QUICKSTART_VIEWS, View

__all__ = ["KINDS", "MIN_INTERVAL_NS", "check_scraper", "kind_for", "make_scraper", "make_scrapers"]

KINDS = ("auto", "prometheus", "builtin", "sink", "none")
MIN_INTERVAL_NS = 10_000_000  # Prometheus counts in milliseconds; below ten it would do nothing else
_NOBODY: dict[str, type[NoScraper]] = {"none": NoScraper, "sink": SinkScraper}


def make_scraper(kind: str, interval_ns: int, views: tuple[View, ...] = QUICKSTART_VIEWS) -> Scraper:
    """Return the scraper `kind` (one of `KINDS`), not started yet, that scrapes every `interval_ns` nanoseconds.

    ``auto`` takes the real Prometheus when ``PROMETHEUS_BIN`` is set or `prometheus` is on PATH, and the built-in one
    otherwise; `description` says which and why. `views` are those whose series are checked. Raises `UsageError` for an
    unknown kind and an interval below 10 ms.
    """
    check_scraper(kind, interval_ns)
    if kind in _NOBODY:
        return _NOBODY[kind]()
    why = ""
    if kind == "auto":
        kind, why = _choose()
    if kind == "prometheus":
        return PrometheusScraper(interval_ns, views, why)
    return BuiltinScraper(interval_ns, views, why)


def make_scrapers(
    kind: str, interval_ns: int, views: tuple[View, ...], targets: Sequence[Target], run: str = "run"
) -> list[Scraper]:
    """Return a scraper for each of the `targets`, not started yet; see `make_scraper`.

    The real Prometheus is one server for all of them, and the built-in scraper a process for each, whose scrapes are
    spread over the interval as Prometheus spreads its own. `run` labels what Prometheus stores.
    """
    if len(targets) == 1:
        return [make_scraper(kind, interval_ns, views)]
    check_scraper(kind, interval_ns)
    why = ""
    if kind == "auto":
        kind, why = _choose()
    if kind in _NOBODY:
        return [_NOBODY[kind]() for _ in targets]
    if kind == "prometheus":
        shared = SharedServer(targets, run)
        return [PrometheusScraper(interval_ns, views, why, shared=shared) for _ in targets]
    return [
        BuiltinScraper(interval_ns, views, why, offset_ns=number * interval_ns // len(targets))
        for number in range(len(targets))
    ]


def check_scraper(kind: str, interval_ns: int) -> None:
    """Raise `UsageError` for an unknown kind and an interval below 10 ms."""
    if kind not in KINDS:
        raise UsageError(f"there is no {kind!r}; choose one of {', '.join(KINDS)}", field="scraper")
    if interval_ns < MIN_INTERVAL_NS:
        raise UsageError("is too short; write 10ms or more, such as 1s", field="scrape_interval")


def kind_for(kind: str, instrument: str) -> str:
    """Return the kind of scraper for an instrument: ``sink`` in place of ``auto`` for one that pushes its values.

    Raises `UsageError` where they do not go together.
    """
    if _pushes(instrument):
        if kind in {"prometheus", "builtin"}:
            text = f"{instrument} pushes its values and is not scraped; choose sink, none or auto"
            raise UsageError(text, field="scraper")
        return "sink" if kind == "auto" else kind
    if kind == "sink":
        raise UsageError(f"{instrument} pushes nothing to a sink; choose another, or auto", field="scraper")
    return kind


def _pushes(instrument: str) -> bool:
    try:
        return pushes(instrument)
    except HarnessError:
        return False  # said by whoever builds it, which may be another machine


def _choose() -> tuple[str, str]:
    if os.environ.get("PROMETHEUS_BIN"):
        return "prometheus", "auto: PROMETHEUS_BIN is set"
    if shutil.which("prometheus"):
        return "prometheus", "auto: found on PATH"
    return "builtin", "auto: no prometheus on PATH and PROMETHEUS_BIN is not set"
