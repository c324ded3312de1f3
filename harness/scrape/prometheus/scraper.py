"""The real Prometheus as a scraper: stored samples are queried through its HTTP API."""

import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from harness.audit.findings import Finding
from harness.audit.scrape_checks import Checker, ScrapeProblems, sample_names
from harness.deadline import Deadline, DeadlineError, call_within
from harness.errors import ScraperError
from harness.exposition.page import Sample, Shown, fold
from harness.scrape.prometheus.server import (
    PrometheusServer,
    default_config,
    derived_config,
    printable,
    prometheus_error,
)
from harness.scrape.prometheus.shared import WORKER_LABELS, SharedServer
from harness.scrape.scraper import Scrape, ScrapedPage, ScrapeStats, Target, failures
from harness.views import QUICKSTART_VIEWS, View

__all__ = ["PrometheusScraper"]

PATIENCE_S = 20.0
HURRY_S = 1.0  # for an answer to which nothing but a figure depends
NEWS_S = 1.0  # within which the keeper tells that the server is gone
# Samples of one answer; more would make the JSON, and our memory, large.
CHUNK_SAMPLES = 25_000
# Timestamps within this distance of the grid are moved onto it (scrape.go, scrapeTimestampTolerance).
TOLERANCE_MS = 2
# How far a timestamp may be from the moment the scrape began: the grid, rounding to milliseconds, reading two clocks.
_UNCERTAIN_NS = 5_000_000
# A scrape that failed after so much of its timeout failed because of it.
_NEARLY = 0.98
# A change of the interval waits for the scrape under way, and then puts stale markers at the next tick of the old
# interval (scrape.go, endOfRunStaleness); a scrape that began before them could be refused as out of order.
_STALE_INTERVALS = 2.1

_ADDED = ("__name__", "job", "instance", *WORKER_LABELS)

_Raw = list[tuple[dict[str, str], list[tuple[int, float]]]]


class PrometheusScraper:
    """Scrapes every `interval_ns`, rounded to milliseconds, with the configuration derived from `config`."""

    kind = "prometheus"

    def __init__(
        self,
        interval_ns: int,
        views: Sequence[View] = QUICKSTART_VIEWS,
        why: str = "",
        config: Path | None = None,
        shared: SharedServer | None = None,
    ) -> None:
        self._interval_ms = self._timeout_ms = max(1, round(interval_ns / 1e6))
        self._views = views
        self._why = why
        self._config = config
        self._shared = shared
        self._version = ""
        self._job = ""
        self._target: Target | None = None
        self._server: PrometheusServer | None = None
        self._client: httpx.Client | None = None
        # Prometheus tells the time of day; scrapes are compared with monotonic times.
        self._epoch_ms = 0.0
        self._deadline = Deadline(PATIENCE_S)
        # What was read already: up to which scrape, and which successful ones have not been checked.
        self._read_until_ms = 0
        self._scrapes: list[Scrape] = []
        self._unchecked: deque[tuple[int, Scrape]] = deque()
        self._selected: tuple[int, list[tuple[str, int]]] = (0, [])
        # Scrapes that began earlier are no good as the last one.
        self._fresh_ms = 0
        self._checker = Checker(views)
        self._problems = ScrapeProblems()
        # The last page that `stored` read, which `pages` comes to as well.
        self._last: tuple[int, Shown] | None = None
        self._last_reason = ""

    @property
    def description(self) -> str:
        """Which scraper it is, and why it was chosen."""
        name = f"Prometheus {self._version}".strip()
        return f"{name} ({self._why})" if self._why else name

    @property
    def server(self) -> PrometheusServer | None:
        """The server while it runs."""
        return self._server

    def start(self, target: Target) -> None:
        """Start the server and wait until it has scraped `target`; raises `ScraperError`."""
        if self._server is not None:
            raise prometheus_error("was started already")
        self._job, config = self._configuration(target, self._interval_ms)
        self._target = target
        self._epoch_ms = _epoch_ms()
        begun_ms = int(time.time() * 1e3) - TOLERANCE_MS
        self._read_until_ms = begun_ms
        if self._shared is not None:
            self._server = self._shared.start(self._interval_ms)
        else:
            self._server = PrometheusServer(json.dumps(config)).start()  # JSON is YAML
        self._allow_time(None)
        try:
            self._client = httpx.Client(base_url=self._server.url, trust_env=False, timeout=PATIENCE_S)
            about = self._get("/api/v1/status/buildinfo")
            with _understood("/api/v1/status/buildinfo"):
                self._version = about.get("version", "").partition("+")[0]
            self._await_after(begun_ms)
        except BaseException:
            self.stop()
            raise

    def allow(self, timeout_ns: int, deadline: Deadline | None = None) -> None:
        """Set the timeout of scrapes to `timeout_ns`, and the interval to at least that; raises `ScraperError`."""
        if self._server is None or self._target is None:
            raise prometheus_error("is not running")
        self._allow_time(deadline)
        longer_ms = -(-timeout_ns // 1_000_000)
        before = self._get("/api/v1/status/config")
        if self._shared is None:
            _, config = self._configuration(self._target, longer_ms)
            config["scrape_configs"][0]["scrape_timeout"] = f"{longer_ms}ms"
            self._server.reload(json.dumps(config))
        if self._shared is None or self._shared.allow(longer_ms):
            while self._get("/api/v1/status/config") == before:
                time.sleep(self._deadline.glance_s("Prometheus did not read its configuration again") / 2)
        self._fresh_ms = int(time.time() * 1e3 + _STALE_INTERVALS * self._interval_ms) + TOLERANCE_MS
        self._interval_ms = longer_ms

    def wait_for_next(self, deadline: Deadline | None = None) -> None:
        """Return once a successful scrape that began after this call is stored; raises `ScraperError`."""
        self._allow_time(deadline)
        self._await_after(max(self._fresh_ms, int(time.time() * 1e3) + 1 + TOLERANCE_MS))

    def stored(self, deadline: Deadline | None = None) -> Shown | None:
        """Return the samples of the views stored by the last scrape; series that it lacked are left out."""
        self._allow_time(deadline)
        last = next((at_ms for at_ms, value in reversed(self._ups()) if value == 1), None)
        if last is None:
            return fold((), self._views)
        self._last = last, self._shown_at(last, self._selectors(last))
        return self._last[1]

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        """Yield what each successful scrape stored, oldest first, and check it against the ones before.

        A scrape is read once, unless an error occurred before it was yielded.
        """
        self._allow_time(deadline)
        self._read_stats()
        while self._unchecked:
            self._deadline.check("not all scrapes were read")
            for _, page in self._some_shown():
                _, scrape = self._unchecked.popleft()
                begin_ns, end_ns = self._window(scrape)
                self._checker.observe(page, begin_ns)
                self._problems.add(end_ns, self._checker.take())
                yield ScrapedPage(begin_ns, end_ns, page)

    def _some_shown(self) -> list[tuple[int, Shown]]:
        """Return the content of the oldest unchecked scrapes, as many as one answer may hold."""
        at_ms = self._unchecked[0][0]
        if self._last is not None and self._last[0] == at_ms:
            return [self._last]
        # Series only ever come, but for a restart: the most are those of the newest scrape, or of this one.
        newest_ms, own = self._unchecked[-1][0], self._selectors(at_ms)
        if self._selected[0] != newest_ms:
            self._selected = newest_ms, self._selectors(newest_ms)
        series = max(sum(size for _, size in selectors) for selectors in (own, self._selected[1]))
        several = [at_ms for at_ms, _ in islice(self._unchecked, max(1, CHUNK_SAMPLES // max(1, series)))]
        if len(several) == 1:
            return [(at_ms, self._shown_at(at_ms, own))]
        shown = self._shown_between(several[0], several[-1])
        return [(at_ms, shown.get(at_ms) or fold((), self._views)) for at_ms in several]

    def problems(self, restarts_ns: Sequence[int] = ()) -> list[Finding]:
        """Return the problems of the scrapes read by `pages`, and the failed ones; known after the server is gone.

        Without what restarts at these moments explain.
        """
        stats = self.stats()
        if stats.failed:
            with contextlib.suppress(ScraperError, DeadlineError):
                self._last_reason = self._last_error() or self._last_reason
        return [*self._problems.findings(restarts_ns), *failures(stats, self._last_reason)]

    def stats(self) -> ScrapeStats:
        """Return the scrapes since the start; the last answer remains when the server is gone."""
        self._deadline = Deadline(HURRY_S)
        with contextlib.suppress(ScraperError, DeadlineError):
            self._read_stats()
        return ScrapeStats(tuple(self._scrapes))

    def stop(self) -> None:
        """End the server and remove its data; the list of scrapes remains known."""
        if self._client is not None:
            self.problems()
            self._client.close()
            self._client = None
        server, self._server = self._server, None
        if server is not None:
            (self._shared or server).stop()

    def _configuration(self, target: Target, interval_ms: int) -> tuple[str, dict[str, Any]]:
        if self._shared is not None:
            return self._shared.config(interval_ms)
        return derived_config(self._config or default_config(), target, interval_ms * 1_000_000)

    def _ours_only(self) -> str:
        """Return the matchers of our target's series."""
        instance = "" if self._target is None else self._target.netloc
        return f"job={json.dumps(self._job)},instance={json.dumps(instance)}"

    def _allow_time(self, deadline: Deadline | None) -> None:
        self._deadline = deadline or Deadline(PATIENCE_S + 4 * self._interval_ms / 1e3)

    def _read_stats(self) -> None:
        """Read the scrapes that were stored since the last call."""
        end_ms = int(time.time() * 1e3)
        range_ms = end_ms - self._read_until_ms
        job = f"{{{self._ours_only()}}}"
        up = _flat(self._raw(f"up{job}", end_ms, range_ms))
        durations = dict(_flat(self._raw(f"scrape_duration_seconds{job}", end_ms, range_ms)))
        for at_ms, value in up:
            if at_ms > self._read_until_ms:
                start_ns = int((at_ms - self._epoch_ms) * 1e6)
                duration_ms = durations.get(at_ms, 0.0) * 1e3
                late = value != 1 and duration_ms >= _NEARLY * min(self._timeout_ms, 10_000)
                scrape = Scrape(start_ns, duration_ms, value == 1, None, late)
                self._scrapes.append(scrape)
                self._read_until_ms = at_ms
                if scrape.ok:
                    self._unchecked.append((at_ms, scrape))

    def _window(self, scrape: Scrape) -> tuple[int, int]:
        """Return the earliest moment at which a scrape can have begun and the latest at which it can have ended."""
        # The clock of the day may have been set meanwhile; then nobody knows how far it was off at the time.
        moved_ns = int((_epoch_ms() - self._epoch_ms) * 1e6)
        begin_ns = scrape.start_ns - _UNCERTAIN_NS - max(0, moved_ns)
        return begin_ns, scrape.start_ns + int(scrape.duration_ms * 1e6) + _UNCERTAIN_NS - min(0, moved_ns)

    def _shown_at(self, at_ms: int, selectors: Iterable[tuple[str, int]]) -> Shown:
        """Return what one scrape stored, in queries of a limited number of samples."""

        def samples() -> Iterator[Sample]:
            for selector, _ in selectors:
                for labels, values in self._raw(selector, at_ms, 1):
                    own = _own_labels(labels)
                    yield from (Sample(labels["__name__"], own, value) for when_ms, value in values if when_ms == at_ms)

        return fold(samples(), self._views)

    def _shown_between(self, first_ms: int, last_ms: int) -> dict[int, Shown]:
        """Return what each scrape from the first to the last stored, by its time; for few series."""
        by_time: dict[int, list[Sample]] = {}
        for labels, values in self._raw(self._ours(), last_ms, last_ms - first_ms + 1):
            own = _own_labels(labels)
            for at_ms, value in values:
                by_time.setdefault(at_ms, []).append(Sample(labels["__name__"], own, value))
        return {at_ms: fold(samples, self._views) for at_ms, samples in by_time.items()}

    def _selectors(self, at_ms: int) -> list[tuple[str, int]]:
        """Return selectors of all our series with the number each had at a scrape; a few for a page of many series."""
        counted = self._get(
            "/api/v1/query", {"query": f"count by (__name__, le) ({self._ours()})", "time": f"{at_ms / 1e3:.3f}"}
        )
        with _understood("/api/v1/query"):
            sizes = [(dict(row["metric"]), int(float(row["value"][1]))) for row in counted["result"]]
        total = sum(size for _, size in sizes)
        return [(self._ours(), total)] if total <= CHUNK_SAMPLES else list(self._parts(sizes))

    def _parts(self, sizes: list[tuple[dict[str, str], int]]) -> Iterator[tuple[str, int]]:
        """Yield selectors of the samples of one name and some bounds, with the number of series of each."""
        names: dict[str, list[tuple[str, int]]] = {}
        for metric, size in sizes:
            names.setdefault(metric["__name__"], []).append((metric.get("le", ""), size))
        for name, bounds in names.items():
            some: list[str] = []
            held = 0
            for bound, size in bounds:
                if some and held + size > CHUNK_SAMPLES:
                    yield self._part(name, some), held
                    some, held = [], 0
                some.append(re.escape(bound))
                held += size
            yield self._part(name, some), held

    def _part(self, name: str, bounds: list[str]) -> str:
        values = json.dumps("|".join(bounds))
        return f"{{{self._ours_only()},__name__={json.dumps(name)},le=~{values}}}"

    def _await_after(self, moment_ms: int) -> None:
        deadline = self._deadline
        what = "no successful scrape"
        try:
            while not any(at_ms >= moment_ms and value == 1 for at_ms, value in self._ups()[-4:]):
                time.sleep(min(0.05, self._interval_ms / 4e3, deadline.glance_s(what)))
        except DeadlineError as error:
            if deadline.interrupted:
                raise
            self._deadline = Deadline(HURRY_S)
            reason = ""
            with contextlib.suppress(DeadlineError):
                reason = self._last_error()
            raise prometheus_error(f"{what} within {deadline.limit_s:g} s ({reason or 'none was tried'})") from error

    def _ups(self) -> list[tuple[int, float]]:
        now_ms = int(time.time() * 1e3)
        return _flat(self._raw(f"up{{{self._ours_only()}}}", now_ms, 3 * self._interval_ms + 5000))

    def _last_error(self) -> str:
        listed = self._get("/api/v1/targets", {"state": "active"})
        instance = "" if self._target is None else self._target.netloc
        with _understood("/api/v1/targets"):
            targets = listed.get("activeTargets", [])
            errors = [target for target in targets if target.get("labels", {}).get("instance") == instance]
            return next((str(target["lastError"]) for target in errors if target.get("lastError")), "")

    def _ours(self) -> str:
        names = "|".join(sample_names(self._views))
        return f'{{{self._ours_only()},__name__=~"{names}"}}'

    def _raw(self, selector: str, end_ms: int, range_ms: int) -> _Raw:
        """Return each series of the selector with its samples (ms, value) in the closed range that ends at `end_ms`."""
        result = self._get(
            "/api/v1/query", {"query": f"{selector}[{max(1, range_ms)}ms]", "time": f"{end_ms / 1e3:.3f}"}
        )
        with _understood("/api/v1/query"):
            return [
                (dict(series["metric"]), [(round(at * 1e3), float(value)) for at, value in series["values"]])
                for series in result["result"]
            ]

    def _get(self, path: str, parameters: dict[str, Any] | None = None) -> Any:
        if self._client is None or self._server is None:
            raise prometheus_error("is not running")
        try:
            ask = partial(self._client.get, path, params=parameters)
            document = call_within(self._deadline, f"{path} was not read", ask).json()
        except (httpx.HTTPError, RecursionError, ValueError) as error:
            self._server.check(NEWS_S)
            raise prometheus_error(f"does not answer: {error}") from error
        with _understood(path):
            if document.get("status") != "success":
                raise prometheus_error(f"refused a query: {printable(str(document.get('error')))}")
            return document["data"]


@contextlib.contextmanager
def _understood(path: str) -> Iterator[None]:
    """Raise `ScraperError` where an answer has another form than Prometheus documents for `path`."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise prometheus_error(f"answered {path} with something else than its API documents") from error


def _epoch_ms() -> float:
    return time.time() * 1e3 - time.monotonic() * 1e3


def _flat(raw: _Raw) -> list[tuple[int, float]]:
    return sorted(pair for _, values in raw for pair in values)


def _own_labels(labels: dict[str, str]) -> dict[str, str]:
    """Return a stored series' labels as on the page, without those that Prometheus adds."""
    return {name: text for name, text in labels.items() if name not in _ADDED}
