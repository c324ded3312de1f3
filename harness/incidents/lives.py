"""The lives of a service that is restarted: a ledger and a truth over time for each, and a ledger of all."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.audit.findings import Finding, Name
from harness.expected import Range
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import NoPages, Pages, TruthLog
from harness.views import Tags

if TYPE_CHECKING:
    from workloads.workload import Truth

__all__ = ["Lives"]


class _Life:
    """One life: its ledger, its truth over time, and how many of its lines some page that was compared shows."""

    def __init__(self, ledger: Ledger, log: TruthLog) -> None:
        self.ledger, self.log = ledger, log
        self.seen = 0


class Lives:
    """What `TruthLog` is for a service that lives once: each page is compared with the truth of its own life.

    `total` is the account of all lives together. `renew` begins the next life; `findings` are those of the pages that
    ended one.
    """

    def __init__(self, total: Ledger, pages: Pages) -> None:
        self._total, self._pages = total, pages
        self.restarts_ns: list[int] = []
        self.findings: list[Finding] = []
        # Nothing is accounted for twice before the first restart.
        self._lives = [_Life(total, TruthLog(total, pages))]

    def _born(self) -> _Life:
        ledger = Ledger(self._total.views, self._total.methods)
        return _Life(ledger, TruthLog(ledger, self._pages))

    @property
    def last(self) -> Ledger:
        """The account of the last life: what the page shows at the end."""
        return self._lives[-1].ledger

    def add(
        self,
        truth: "Truth",
        outcomes: NDArray[np.int8],
        latencies_ms: Sequence[float],
        raised: Sequence[str],
        starts_ns: Sequence[int],
        ends_ns: Sequence[int],
    ) -> None:
        """Account for lines of the present life; see `TruthLog.add`."""
        if self._lives[-1].ledger is not self._total:
            self._total.add(truth, outcomes, latencies_ms, raised)
        self._lives[-1].log.add(truth, outcomes, latencies_ms, raised, starts_ns, ends_ns)

    def renew(self, now_ns: int, findings: Sequence[Finding] = ()) -> None:
        """End the present life and begin the next: pages begun until `now_ns` are of the one, later ones of the other.

        `findings` are of the page that ended it.
        """
        life = self._lives[-1]
        life.log.close(now_ns)
        if life.ledger is self._total:
            life.ledger = Ledger.from_state(self._total.views, self._total.methods, self._total.state())
            life.log.settle(life.ledger)
        self.restarts_ns.append(now_ns)
        number = len(self.restarts_ns)
        self.findings += [Finding(each.name, each.size, {**each.detail, "restart": number}) for each in findings]
        self._lives.append(self._born())

    def close(self, now_ns: int) -> None:
        """Store the final state of the last life; see `TruthLog.close`."""
        self._lives[-1].log.close(now_ns)

    def between(self, begin_ns: int, end_ns: int) -> Mapping[str, Mapping[Tags, Range]] | None:
        """Return what a page requested at `begin_ns` and received by `end_ns` may show; see `TruthOverTime`.

        None as well for a page of which it is unknown whether it was made before a restart or after it.
        """
        first, last = (bisect_right(self.restarts_ns, moment) for moment in (begin_ns, end_ns))
        lives = self._lives[first : last + 1]
        if len(lives) > 1:
            lives = [life for life in lives if life.log.begun_within(begin_ns, end_ns)]
        if len(lives) != 1:
            return None
        (life,) = lives
        life.seen = max(life.seen, life.log.certain(begin_ns))
        return life.log.between(begin_ns, end_ns)

    def unseen(self) -> list[tuple[int, int]]:
        """Return the number of each restart, from 1, before which lines were on no page asked for, and of the lines."""
        return [
            (number, life.log.lines - life.seen)
            for number, life in enumerate(self._lives[:-1], 1)
            if life.log.lines > life.seen
        ]

    def state(self) -> dict[str, Any]:
        """Return what it remembers as plain values and arrays, for `from_state` in another process."""
        return {
            "lives": [{"ledger": life.ledger.state(), "log": life.log.state()} for life in self._lives],
            "restarts_ns": list(self.restarts_ns),
            "findings": [[finding.name.value, finding.size, dict(finding.detail)] for finding in self.findings],
        }

    @classmethod
    def from_state(cls, total: Ledger, state: Mapping[str, Any]) -> "Lives":
        """Return the lives of a `state`, to be asked and not to be added to."""
        result = cls(total, NoPages())
        result.restarts_ns = [int(moment) for moment in state["restarts_ns"]]
        result.findings = [Finding(Name(name), size, detail) for name, size, detail in state["findings"]]
        result._lives = []
        for each in state["lives"]:
            ledger = Ledger.from_state(total.views, total.methods, each["ledger"])
            result._lives.append(_Life(ledger, TruthLog.from_state(ledger, each["log"])))
        return result
