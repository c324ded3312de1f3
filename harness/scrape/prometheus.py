"""The real Prometheus as a scraper: what it stored is asked for through its HTTP API."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from harness.errors import ScraperError
from harness.scrape.checks import Checker, sample_names
from harness.scrape.exposition import Sample
from harness.scrape.findings import Finding
from harness.scrape.scraper import Scrape, ScrapeStats, Target, failures
from harness.scrape.server import PrometheusServer, default_config, derived_config
from harness.views import QUICKSTART_VIEWS, View

__all__ = ["PrometheusScraper"]

PATIENCE_S = 20.0
NEWS_S = 1.0  # within which the keeper tells that the server is gone
# Samples of one answer; more would make the JSON, and our memory, large.
CHUNK_SAMPLES = 200_000
# Timestamps within this distance of the grid are moved onto it (scrape.go, scrapeTimestampTolerance).
TOLERANCE_MS = 2

_ADDED = ("__name__", "job", "instance")

_Raw = list[tuple[dict[str, str], list[tuple[int, float]]]]


class PrometheusScraper:
    """Scrapes every `interval_ns`, rounded to milliseconds, with the configuration derived from `config`."""

    kind = "prometheus"

    def __init__(
        self, interval_ns: int, views: Sequence[View] = QUICKSTART_VIEWS, why: str = "", config: Path | None = None
    ) -> None:
        self._interval_ms = max(1, round(interval_ns / 1e6))
        self._views = views
        self._why = why
        self._config = config
        self._version = ""
        self._job = ""
        self._server: PrometheusServer | None = None
        self._client: httpx.Client | None = None
        # Prometheus tells the time of day; scrapes are compared with monotonic times.
        self._epoch_ms = 0.0
        # What was read already: up to which scrape, for the statistics and for the checks.
        self._told_ms = self._checked_ms = 0
        self._told: list[Scrape] = []
        self._checker = Checker(views)
        self._last_reason = ""

    @property
    def description(self) -> str:
        """What scrapes, and why that one was taken."""
        name = f"Prometheus {self._version}".strip()
        return f"{name} ({self._why})" if self._why else name

    @property
    def server(self) -> PrometheusServer | None:
        """The server while it runs."""
        return self._server

    def start(self, target: Target) -> None:
        """Start the server and wait until it has scraped `target`; raises `ScraperError`."""
        if self._server is not None:
            raise ScraperError("--scraper prometheus: was started already")
        self._job, config = derived_config(self._config or default_config(), target, self._interval_ms * 1_000_000)
        server = PrometheusServer(json.dumps(config))  # JSON is YAML
        self._epoch_ms = time.time() * 1e3 - time.monotonic() * 1e3
        begun_ms = int(time.time() * 1e3) - TOLERANCE_MS
        self._told_ms = self._checked_ms = begun_ms
        self._server = server.start()
        try:
            self._client = httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE_S)
            self._version = self._get("/api/v1/status/buildinfo").get("version", "").partition("+")[0]
            self._await_after(begun_ms)
        except BaseException:
            self.stop()
            raise

    def wait_for_next(self) -> None:
        """Return once a successful scrape that began after this call is stored; raises `ScraperError`."""
        self._await_after(int(time.time() * 1e3) + 1 + TOLERANCE_MS)

    def stored(self) -> list[Sample]:
        """Return our views' samples of the last scrape, exactly as stored; series that it lacked are left out."""
        last = self._last_up()
        if last is None:
            return []
        at_ms = last[0]
        return [
            _sample(labels, value)
            for labels, values in self._raw(self._ours(), at_ms, 1)
            for when_ms, value in values
            if when_ms == at_ms
        ]

    def problems(self) -> list[Finding]:
        """Check each scrape since the last call against the one before, and return everything found since the start.

        The last answer stays when the server is gone.
        """
        with contextlib.suppress(ScraperError):
            self._read_stats()
            last_ms = self._told_ms
            for at_ms, samples in self._scrapes(self._checked_ms, last_ms):
                self._checker.observe(samples)
                self._checked_ms = at_ms
            self._last_reason = self._last_error() or self._last_reason
        return [*self._checker.findings(), *failures(self.stats(), self._last_reason)]

    def stats(self) -> ScrapeStats:
        """Return the scrapes since the start; the last answer stays when the server is gone."""
        with contextlib.suppress(ScraperError):
            self._read_stats()
        return ScrapeStats(tuple(self._told))

    def stop(self) -> None:
        """End the server and remove its data; what it had stored of the scrapes until now stays known."""
        if self._client is not None:
            self.problems()
            self._client.close()
            self._client = None
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def _read_stats(self) -> None:
        """Take in the scrapes that were stored since the last time."""
        end_ms = int(time.time() * 1e3)
        range_ms = end_ms - self._told_ms
        job = f'{{job="{self._job}"}}'
        up = _flat(self._raw(f"up{job}", end_ms, range_ms))
        durations = dict(_flat(self._raw(f"scrape_duration_seconds{job}", end_ms, range_ms)))
        for at_ms, value in up:
            if at_ms > self._told_ms:
                start_ns = int((at_ms - self._epoch_ms) * 1e6)
                self._told.append(Scrape(start_ns, durations.get(at_ms, 0.0) * 1e3, value == 1))
                self._told_ms = at_ms

    def _scrapes(self, begin_ms: int, end_ms: int) -> Iterator[tuple[int, list[Sample]]]:
        """Yield time and samples of each scrape in (begin, end], oldest first, asking for so many at a time."""
        match = {"match[]": self._ours(), "start": begin_ms / 1e3}
        series = len(self._get("/api/v1/series", match)) if begin_ms < end_ms else 0
        step_ms = max(1, CHUNK_SAMPLES // max(1, series)) * self._interval_ms
        while begin_ms < end_ms:
            until_ms = min(begin_ms + step_ms, end_ms)
            by_time: dict[int, list[Sample]] = {}
            for labels, values in self._raw(self._ours(), until_ms, until_ms - begin_ms):
                for at_ms, value in values:
                    if at_ms > begin_ms:  # the range includes both its ends
                        by_time.setdefault(at_ms, []).append(_sample(labels, value))
            yield from sorted(by_time.items())
            begin_ms = until_ms

    def _await_after(self, moment_ms: int) -> None:
        deadline = time.monotonic() + PATIENCE_S + 3 * self._interval_ms / 1e3
        while time.monotonic() < deadline:
            last = self._last_up()
            if last is not None and last[0] >= moment_ms and last[1] == 1:
                return
            time.sleep(min(0.05, self._interval_ms / 4e3))
        raise ScraperError(
            f"--scraper prometheus: no successful scrape within {PATIENCE_S:g} s and three intervals "
            f"({self._last_error() or 'none was tried'})"
        )

    def _last_up(self) -> tuple[int, float] | None:
        now_ms = int(time.time() * 1e3)
        values = list(_flat(self._raw(f'up{{job="{self._job}"}}', now_ms, 3 * self._interval_ms + 5000)))
        return values[-1] if values else None

    def _last_error(self) -> str:
        targets = self._get("/api/v1/targets", {"state": "active"}).get("activeTargets", [])
        return next((str(target["lastError"]) for target in targets if target.get("lastError")), "")

    def _ours(self) -> str:
        names = "|".join(sample_names(self._views))
        return f'{{job="{self._job}",__name__=~"{names}"}}'

    def _raw(self, selector: str, end_ms: int, range_ms: int) -> _Raw:
        """Return each series of the selector with its samples (ms, value) in the closed range that ends at `end_ms`."""
        found = self._get(
            "/api/v1/query", {"query": f"{selector}[{max(1, range_ms)}ms]", "time": f"{end_ms / 1e3:.3f}"}
        )
        return [
            (series["metric"], [(round(at * 1e3), float(value)) for at, value in series["values"]])
            for series in found["result"]
        ]

    def _get(self, path: str, parameters: dict[str, Any] | None = None) -> Any:
        if self._client is None or self._server is None:
            raise ScraperError("--scraper prometheus: is not running")
        try:
            answer = self._client.get(path, params=parameters)
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            self._server.check(NEWS_S)
            raise ScraperError(f"--scraper prometheus: does not answer: {error}") from error
        if document.get("status") != "success":
            raise ScraperError(f"--scraper prometheus: refused a query: {document.get('error')}")
        return document["data"]


def _flat(raw: _Raw) -> list[tuple[int, float]]:
    return sorted(pair for _, values in raw for pair in values)


def _sample(labels: dict[str, str], value: float) -> Sample:
    """Return a stored sample as the page had it, without the labels that Prometheus adds."""
    own = {name: text for name, text in labels.items() if name not in _ADDED}
    return Sample(labels["__name__"], own, value)
