"""The catalogue of probes, and the result of a probe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["INSTRUMENTS", "PROBES", "Probe", "ProbeResult"]

INSTRUMENTS = ("opencensus", "opencensus-lean")


@dataclass(frozen=True, slots=True)
class Probe:
    """A defect that an experiment tests for: its name on the command line, and its description.

    A `race` only shows when threads happen to meet, so that its not showing does not prove its absence.
    """

    name: str
    defect: str
    race: bool = False


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a probe: `present` is None where the experiment was not possible, with the reason in `evidence`.

    `data` has the numbers behind the evidence, as JSON values.
    """

    probe: str
    instrument: str
    present: bool | None
    evidence: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """``present``, ``absent`` or ``unknown``; a race that did not show is ``not seen``, never ``absent``."""
        if self.present is None:
            return "unknown"
        if self.present:
            return "present"
        return "not seen" if self.probe in _RACES else "absent"

    def document(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return asdict(self) | {"state": self.state}


PROBES: tuple[Probe, ...] = (
    Probe("copy-per-record", "each record copies every series of the views it touches"),
    Probe("threads-raise", "record() raises when threads open new series", race=True),
    Probe("threads-lose", "records are lost or doubled when threads open new series", race=True),
    Probe("torn-scrape", "a scrape sees one measure of a line and not the other", race=True),
    Probe("exclusive-bound", "a value equal to a bound is counted above it"),
    Probe("sum-falls", "the sum of a distribution goes down"),
    Probe("sum-inexact", "the sum of a distribution is not the true sum, rounded"),
    Probe("negative-drops-line", "a negative value drops the other measures of its line"),
    Probe("nan-raises", "a value that is not a number raises or spoils its line"),
    Probe("unregistered-hides-rest", "a measure without a view hides the measures after it"),
    Probe("twin-measure-ignored", "a second measure object of the same name is ignored silently"),
    Probe("thread-recorder-lost", "a recorder built in a new thread records to nowhere"),
    Probe("bound-zero-warns", "the quickstart's bound 0 is dropped with a warning"),
    Probe("repeated-help", "HELP and TYPE are repeated for each series"),
    Probe("promtool-rejects", "promtool check metrics rejects the page"),
    Probe("duplicate-series", "a missing and an empty tag make two series with the same labels"),
    Probe("sum-view-breaks-page", "a view of a sum breaks the whole page"),
    Probe("last-value-view-breaks-page", "a view of a last value breaks the whole page"),
    Probe("default-address-fails", "without an address the exporter does not start"),
    Probe("server-cannot-stop", "the server cannot be stopped"),
    Probe("registry-ignored", "the registry that was given is not the one that is served"),
    Probe("registers-globally", "the exporter puts itself into the process-wide registry"),
    Probe("global-registry-raises", "given the process-wide registry, record() raises"),
    Probe("shared-defaults", "exporters built with defaults share one registry"),
)

_RACES = frozenset(probe.name for probe in PROBES if probe.race)
