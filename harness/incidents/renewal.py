"""A restart: a new instrument and registry behind the same endpoint, after a look at the last page of the old one."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from harness.audit.audit import audit
from harness.audit.findings import Finding, Name, Severity
from harness.deadline import Deadline
from harness.errors import RunError
from harness.incidents.lives import Lives
from harness.instruments.base import Instrument
from harness.load.clock import Clock
from harness.load.stop import Stop
from harness.scrape.endpoint import Endpoint
from harness.views import View

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["RenewableInstrument", "Renewal"]

# A scrape is waited for as long as two intervals and this; a page of the harness's own, or the end of one, so long.
_SCRAPE_NS = 2_000_000_000
_PAGE_S = 30.0
_GLANCE_NS = 1_000_000


class RenewableInstrument:
    """An instrument and its successor, behind one registry; raises what `make` meets.

    The successor is made before it is needed, so that an instrument that cannot be built twice in one process is found
    out before the run.
    """

    def __init__(self, first: Instrument, make: Callable[[], Instrument]) -> None:
        self.current = first
        self._make = make
        self._next = make()

    def renew(self) -> Instrument:
        """Put the successor in the place of the present instrument, and return the latter, which is to be closed."""
        former, self.current = self.current, self._next
        return former

    def prepare(self) -> None:
        """Make the next successor."""
        self._next = self._make()

    def collect(self) -> "Iterator[Metric]":
        """Yield the families of the present instrument."""
        return iter(self.current.registry.collect())

    def restricted_registry(self, names: Iterable[str]) -> Any:
        """Return the part of the present registry that holds these names."""
        return self.current.registry.restricted_registry(names)

    def close(self) -> None:
        """Close both; may be called again."""
        self.current.close()
        self._next.close()


class Renewal:
    """What happens at a restart; called by the driving thread, between two lines.

    It waits for a scrape that shows all lines until then, so that the store has all of them (`interval_ns` is the time
    between two, None without a scraper), compares the last page with the ledger of the life that ends, and lets the new
    instrument take over while no page is being made. A wait that ends without a scrape leaves lines that the store
    never had; `Lives.unseen` tells them. Nothing happens once `stop` is requested.
    """

    def __init__(
        self,
        instrument: RenewableInstrument,
        endpoint: Endpoint,
        clock: Clock,
        stop: Stop,
        use: Callable[[Instrument], object],
        *,
        lives: Lives | None = None,
        views: tuple[View, ...] = (),
        interval_ns: int | None = None,
    ) -> None:
        self._instrument, self._endpoint, self._clock, self._stop = instrument, endpoint, clock, stop
        self._use, self._lives, self._views, self._interval_ns = use, lives, views, interval_ns

    def __call__(self) -> None:
        """Restart."""
        lives = self._lives
        findings: list[Finding] = []
        if lives is not None:
            self._await_scrape()
            if self._stop.requested:
                return
            findings = self._last_page(lives)
        former: list[Instrument] = []
        moment_ns = self._between_pages(lambda: former.append(self._instrument.renew()))
        for each in former:
            each.close()
        if lives is not None:
            lives.renew(moment_ns, findings)
        self._use(self._instrument.current)
        self._instrument.prepare()

    def _await_scrape(self) -> None:
        if self._interval_ns is None:
            return
        now, began_ns = self._clock.now_ns, self._clock.now_ns()
        until_ns = began_ns + 2 * self._interval_ns + _SCRAPE_NS
        while self._endpoint.last_good_ns < began_ns and now() < until_ns and not self._stop.requested:
            self._clock.wait_until(now() + _GLANCE_NS)

    def _last_page(self, lives: Lives) -> list[Finding]:
        """Return what is wrong with the last page of this life."""
        try:
            page = self._endpoint.page(Deadline(_PAGE_S))
        except RunError as error:
            return [Finding(Name.PAGE_UNREADABLE, 1, {"reason": str(error)})]
        findings = audit(lives.last.expected(), self._views, page).findings
        # Warnings are of the instrument as such, and the page at the end has them as well.
        return [each for each in findings if each.severity is Severity.ERROR]

    def _between_pages(self, action: Callable[[], object]) -> int:
        """Perform the action while no page is being made, or half a minute later in any case; return the moment."""
        until_ns = self._clock.now_ns() + int(_PAGE_S * 1e9)
        while (moment_ns := self._endpoint.between_pages(action)) is None:
            if self._clock.now_ns() >= until_ns or self._stop.requested:
                action()
                return self._clock.now_ns()
            self._clock.wait_until(self._clock.now_ns() + _GLANCE_NS)
        return moment_ns
