"""The real Prometheus as a scraper: what it stored is asked for through its HTTP API."""

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
        self._begun_ms = 0
        self._stats = ScrapeStats()
        self._problems: list[Finding] = []

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
        self._begun_ms = int(time.time() * 1e3) - TOLERANCE_MS
        self._server = server.start()
        try:
            self._client = httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE_S)
            self._version = self._get("/api/v1/status/buildinfo").get("version", "").partition("+")[0]
            self._await_after(self._begun_ms)
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
        """Check each scrape since the start against the one before; the last answer stays when the server is gone."""
        self._refresh()
        return list(self._problems)

    def stats(self) -> ScrapeStats:
        """Return the scrapes since the start; the last answer stays when the server is gone."""
        self._refresh()
        return self._stats

    def stop(self) -> None:
        """End the server and remove its data; keeps what it knew."""
        server, self._server = self._server, None
        if server is not None:
            # What is asked for afterwards is answered from what is known now.
            self._server = server
            self._refresh()
            self._server = None
            server.stop()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _refresh(self) -> None:
        if self._client is None:
            return
        try:
            self._stats = self._read_stats()
            self._problems = [*self._read_problems(), *failures(self._stats, self._last_error())]
        except ScraperError:
            # It is gone; whoever needs it alive is told by wait_for_next() and stored().
            return

    def _read_stats(self) -> ScrapeStats:
        end_ms = int(time.time() * 1e3)
        window_ms = end_ms - self._begun_ms
        up = self._raw(f'up{{job="{self._job}"}}', end_ms, window_ms)
        durations = dict(_flat(self._raw(f'scrape_duration_seconds{{job="{self._job}"}}', end_ms, window_ms)))
        return ScrapeStats(
            tuple(
                Scrape(int((at_ms - self._epoch_ms) * 1e6), durations.get(at_ms, 0.0) * 1e3, value == 1)
                for at_ms, value in _flat(up)
            )
        )

    def _read_problems(self) -> list[Finding]:
        checker = Checker(self._views)
        for samples in self._scrapes():
            checker.observe(samples)
        return checker.findings()

    def _scrapes(self) -> Iterator[list[Sample]]:
        """Yield the samples of each scrape, oldest first, asking for so many at a time."""
        end_ms = int(time.time() * 1e3)
        series = len(self._get("/api/v1/series", {"match[]": self._ours(), "start": self._begun_ms / 1e3}))
        step_ms = max(1, CHUNK_SAMPLES // max(1, series)) * self._interval_ms
        begin_ms = self._begun_ms
        while begin_ms < end_ms:
            until_ms = min(begin_ms + step_ms, end_ms)
            by_time: dict[int, list[Sample]] = {}
            for labels, values in self._raw(self._ours(), until_ms, until_ms - begin_ms):
                for at_ms, value in values:
                    if at_ms > begin_ms:  # the range includes both its ends
                        by_time.setdefault(at_ms, []).append(_sample(labels, value))
            for at_ms in sorted(by_time):
                yield by_time[at_ms]
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
            self._server.check()
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
