"""The findings of an audit as values; the one place for severities, causes and remedies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

__all__ = ["Finding", "Name", "Severity", "cause", "remedy", "sentence", "unseen"]


class Severity(StrEnum):
    """An `ERROR` fails the run: values were lost, invented or misplaced, or something could not be compared.

    A `WARNING` names an error of the page that loses no value, an `INFO` what was left out on purpose.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Name(StrEnum):
    """The findings; each is described in `_ENTRIES`."""

    SERIES_MISSING = "series_missing"
    SERIES_UNEXPECTED = "series_unexpected"
    SERIES_REPEATED = "series_repeated"
    COUNT_MISMATCH = "count_mismatch"
    BUCKET_MISMATCH = "bucket_mismatch"
    SUM_MISMATCH = "sum_mismatch"
    STORED_DIFFERS = "stored_differs"
    RECORD_RAISED = "record_raised"
    PAGE_UNREADABLE = "page_unreadable"
    SCRAPER_DIED = "scraper_died"
    STORE_UNREADABLE = "store_unreadable"
    SCRAPES_UNREAD = "scrapes_unread"
    TOO_MANY_SCRAPES_FAILED = "too_many_scrapes_failed"
    COUNTER_DECREASED = "counter_decreased"
    SERIES_VANISHED = "series_vanished"
    VALUE_NOT_A_NUMBER = "value_not_a_number"
    RESTART_UNSEEN = "restart_unseen"
    SCRAPE_BEHIND = "scrape_behind"
    SCRAPE_AHEAD = "scrape_ahead"
    WORKERS_COUNTED_APART = "workers_counted_apart"
    WORKER_KILLED = "worker_killed"
    LOST_WORKER_AHEAD = "lost_worker_ahead"
    LOST_WORKER_BEHIND = "lost_worker_behind"
    BUCKET_BOUND_EXCLUSIVE = "bucket_bound_exclusive"
    SUM_DECREASED = "sum_decreased"
    SUM_INEXACT = "sum_inexact"
    COUNT_NOT_INF_BUCKET = "count_not_inf_bucket"
    TYPE_MISMATCH = "type_mismatch"
    HELP_MISMATCH = "help_mismatch"
    HELP_TYPE_REPEATED = "help_type_repeated"
    PROMTOOL_REJECTS = "promtool_rejects"
    SCRAPE_FAILED = "scrape_failed"
    SCRAPE_SLOW = "scrape_slow"
    PROMTOOL_MISSING = "promtool_missing"
    NOT_STORED = "not_stored"
    NOTHING_EXPOSED = "nothing_exposed"
    SERIES_FOLDED = "series_folded"
    DATAGRAMS_LOST = "datagrams_lost"
    PUSH_UNREADABLE = "push_unreadable"
    PUSHED = "pushed"
    LOST_WORKER_WITHIN = "lost_worker_within"


class _Entry(NamedTuple):
    severity: Severity
    what: str  # formatted with the finding's size and detail
    cause: str
    remedy: str
    unseen: str = ""  # what could not be looked at, for a finding that says no more than that


_LOST = "the instrument lost or invented records, or two threads recorded at once without a lock"
_LOOK = "compare the examples with the ledger; run once with one thread and with --instrument none"

_ENTRIES: dict[Name, _Entry] = {
    Name.SERIES_MISSING: _Entry(
        Severity.ERROR, "{size:g} series missing from the page, {values:g} values in them ({view})", _LOST, _LOOK
    ),
    Name.SERIES_UNEXPECTED: _Entry(
        Severity.ERROR,
        "{size:g} series on the page that no line has, {values:g} values in them ({view})",
        "tags mixed up between lines, or something else records into the same registry",
        "give the run a registry of its own and look at the tags in the examples",
    ),
    Name.SERIES_REPEATED: _Entry(
        Severity.ERROR,
        "{size:g} samples repeat the name and labels of another ({view})",
        "an unset tag and an empty one, or an additional label, fold two series into one",
        "set every tag, or leave it out everywhere",
    ),
    Name.COUNT_MISMATCH: _Entry(
        Severity.ERROR, "counts differ from the ledger by {size:g} in {series} series ({view})", _LOST, _LOOK
    ),
    Name.BUCKET_MISMATCH: _Entry(
        Severity.ERROR,
        "{size:g} values stand in the wrong bucket in {series} series ({view}), by no known rule",
        "bounds other than the view's, or torn updates",
        "compare the page's le values with the view's bounds",
    ),
    Name.SUM_MISMATCH: _Entry(
        Severity.ERROR,
        "sums are missing, no number, or off by up to {size:.2g} of their value in {series} series ({view})",
        "another quantity or unit was recorded, values were rounded, or the sum is not kept",
        "compare the examples with the ledger: a factor of 1000 is a unit; averages from sum / count are wrong",
    ),
    Name.STORED_DIFFERS: _Entry(
        Severity.ERROR,
        "{size:g} samples stored by the scraper differ from the page",
        "the last scrape was not the last state, or the server relabelled or dropped samples",
        "let the run wait for a scrape after the last line; look at metric_relabel_configs in promconfig.yaml",
    ),
    Name.RECORD_RAISED: _Entry(
        Severity.ERROR,
        "recording raised on {size:g} lines, which are therefore not counted",
        "the instrument raised out of record()",
        "see the examples for the exceptions",
    ),
    Name.PAGE_UNREADABLE: _Entry(
        Severity.ERROR,
        "the page could not be fetched or read: {reason}",
        "a collector raised, the endpoint was stopped too early, or the audit was interrupted",
        "open the endpoint's /metrics while `harness repl` runs",
        "the page",
    ),
    Name.SCRAPER_DIED: _Entry(
        Severity.ERROR,
        "the scraper is gone: {reason}",
        "the server crashed or was killed during the run",
        "what was measured until then is kept; run again, or with --scraper builtin",
        "what the scraper stored",
    ),
    Name.STORE_UNREADABLE: _Entry(
        Severity.ERROR,
        "what the scraper stored of the last state could not be read: {reason}",
        "no scrape succeeded after the last line, or the audit was interrupted",
        "run again; lengthen --scrape-interval where a page takes longer than that",
        "what the scraper stored of the last state",
    ),
    Name.SCRAPES_UNREAD: _Entry(
        Severity.ERROR,
        "the scrapes of the run could not all be compared with the ledger: {reason}",
        "reading them took longer than the audit may take, or the audit was interrupted",
        "lengthen --scrape-interval, or lower --series or --duration",
        "some scrapes of the run",
    ),
    Name.TOO_MANY_SCRAPES_FAILED: _Entry(
        Severity.ERROR,
        "{size:g} of {scrapes} scrapes failed, which is more than 1 %: {reason}",
        "a collector raised, or the connection was refused",
        "open the endpoint's /metrics while `harness repl` runs; Prometheus has a gap for each",
        "the pages of the scrapes that failed",
    ),
    Name.COUNTER_DECREASED: _Entry(
        Severity.ERROR,
        "counters fell {size:g} times between two scrapes, by {fallen:g} in total",
        "values were reset or overwritten while the run went on",
        "rate() takes each fall for a restart; find what resets the series in the examples",
    ),
    Name.SERIES_VANISHED: _Entry(
        Severity.ERROR,
        "{size:g} times a series that had been shown was missing from a later scrape, whole or in part",
        "the library drops or rebuilds series while it is read",
        "Prometheus marks such a series as stale, and rate() has a gap; see the examples",
    ),
    Name.VALUE_NOT_A_NUMBER: _Entry(
        Severity.ERROR,
        "{size:g} times a value turned into NaN between two scrapes",
        "the library divides by zero, or marks what it does not know",
        "rate() over such a value is NaN; see the examples",
    ),
    Name.SCRAPE_BEHIND: _Entry(
        Severity.ERROR,
        "{size:g} of {compared} scrapes showed less than the lines that had ended before them ({samples} samples)",
        "records are counted late, series were reset, or an old page was served again",
        "compare the examples with the ledger; see whether the library buffers or caches",
    ),
    Name.SCRAPE_AHEAD: _Entry(
        Severity.ERROR,
        "{size:g} of {compared} scrapes showed more than the lines that had begun by their end ({samples} samples)",
        "records are counted twice or early, or another quantity was recorded",
        "compare the examples with the ledger; run once with one thread",
    ),
    Name.RESTART_UNSEEN: _Entry(
        Severity.WARNING,
        "the last {size:g} lines before the restart were on no scrape",
        "no scrape came between the last line and the restart, as when a service crashes",
        "what rate() and increase() show lacks these lines; the page before the restart had them",
    ),
    Name.WORKERS_COUNTED_APART: _Entry(
        Severity.ERROR,
        "{size:g} of {lines:g} lines are not on the page: it shows one of {workers} forked workers",
        "each worker counts in memory of its own from the fork on, and a scrape reaches any one of them",
        "use --instrument prometheus-client-multiprocess, or expose each worker by itself: a port, or a named push",
    ),
    Name.WORKER_KILLED: _Entry(
        Severity.WARNING,
        "{size:g} forked workers were killed; of {lines} lines it is not known whether they were recorded",
        "a signal, the memory limit, or a timeout of the process manager ended them in the middle of their work",
        "what they had recorded before is compared exactly; latencies of these workers are not in the result",
    ),
    Name.LOST_WORKER_AHEAD: _Entry(
        Severity.ERROR,
        "{size:g} of {compared} scrapes of a lost worker showed more than its schedule by then ({samples} samples)",
        "lines were sent twice, as by a worker that was started again, or counted twice",
        "see the examples; nothing may start a worker of a run again",
    ),
    Name.LOST_WORKER_BEHIND: _Entry(
        Severity.ERROR,
        "{size:g} scrapes of a lost worker showed fewer lines than it had reported before them",
        "records are counted late, series were reset, or another process answered in its place",
        "see the examples; see whether the library buffers or caches",
    ),
    Name.BUCKET_BOUND_EXCLUSIVE: _Entry(
        Severity.WARNING,
        "{size:g} values that equal a bucket's bound were counted one bucket too high ({view})",
        "the library counts value < bound, while Prometheus' le means value <= bound",
        "choose bounds that no value equals (5.5 instead of 5), or an instrument with inclusive bounds",
    ),
    Name.SUM_DECREASED: _Entry(
        Severity.WARNING,
        "a sum went down {size:g} times between two scrapes, by {fallen:g} in total",
        "the library derives the sum from a rounded mean",
        "rate() of this sum counts the whole sum again at each fall; use an instrument that adds up",
    ),
    Name.SUM_INEXACT: _Entry(
        Severity.WARNING,
        "sums differ from the exact ones by up to {size:.2g} of their value in {series} series ({view})",
        "the library derives the sum from a rounded mean, or drops digits",
        "averages from sum / count carry this error; use an instrument that adds up",
    ),
    Name.COUNT_NOT_INF_BUCKET: _Entry(
        Severity.WARNING,
        '{size:g} times a scrape showed a count other than its le="+Inf" bucket',
        "the page was made while a record was half way through",
        "quantiles of that scrape are slightly off; use an instrument that locks a series while it is read",
    ),
    Name.TYPE_MISMATCH: _Entry(
        Severity.WARNING,
        "the page calls it {shown} where it should be {right} ({view})",
        "another kind of metric was chosen, or the TYPE line is missing",
        "Prometheus' functions do not look at the type, dashboards and stricter parsers do",
    ),
    Name.HELP_MISMATCH: _Entry(
        Severity.WARNING,
        "the page's help text is not the view's description ({view})",
        "the library drops, shortens or replaces the description",
        "give the metric the view's description",
    ),
    Name.HELP_TYPE_REPEATED: _Entry(
        Severity.WARNING,
        "{size:g} surplus HELP, TYPE or UNIT lines in {families} families",
        "the exporter writes one metric family for each combination of tags",
        "Prometheus takes such pages in, stricter parsers do not; use an exporter with one family per view",
    ),
    Name.PROMTOOL_REJECTS: _Entry(
        Severity.WARNING,
        "promtool check metrics rejects the page: {reason}",
        "the page breaks a rule of the text format or of metric naming",
        "run `curl -s URL/metrics | promtool check metrics` and follow its advice",
    ),
    Name.SCRAPE_FAILED: _Entry(
        Severity.WARNING,
        "{size:g} of {scrapes} scrapes failed: {reason}",
        "a collector raised, or the connection was refused",
        "open the endpoint's /metrics while `harness repl` runs; Prometheus has a gap for each",
    ),
    Name.SCRAPE_SLOW: _Entry(
        Severity.WARNING,
        "a page takes {page_s:.1f} s: the interval of {interval_s:g} s cannot hold; {size:g} of {scrapes} timed out",
        "the page has too many series for the library and the interval, or the load leaves it no time",
        "lengthen --scrape-interval to several times what a page takes, or lower --series",
    ),
    Name.PROMTOOL_MISSING: _Entry(
        Severity.INFO,
        "the page was not checked with promtool: {reason}",
        "promtool comes with Prometheus and is not here",
        "install Debian's package prometheus, or put promtool on PATH",
    ),
    Name.NOT_STORED: _Entry(
        Severity.INFO,
        "nothing was scraped, so only the page was compared",
        "the run had no scraper",
        "choose --scraper prometheus or builtin",
    ),
    Name.NOTHING_EXPOSED: _Entry(
        Severity.INFO,
        "this instrument exposes nothing, so there is nothing to compare",
        "the instrument records nothing by design",
        "choose another --instrument to audit what it exposes",
    ),
    Name.SERIES_FOLDED: _Entry(
        Severity.ERROR,
        "{size:g} series folded into one, {values:g} values in it ({view})",
        "the library keeps so many series of an instrument and folds the others into an overflow series",
        "raise the limit (`cardinality_limits` of the SDK's readers), or use fewer values of a tag",
    ),
    Name.DATAGRAMS_LOST: _Entry(
        Severity.ERROR,
        "{size:g} of {sent} datagrams were lost: {at_client} in the client, {at_sink} at the sink's full buffer",
        "they came faster than the sink reads; UDP drops them then, and a client that never waits does so itself",
        "send fewer and fuller datagrams (a buffer in the client), or give the sink a larger receive buffer",
    ),
    Name.PUSH_UNREADABLE: _Entry(
        Severity.ERROR,
        "{size:g} values or requests that arrived could not be decoded",
        "the client writes something else than the protocol, or values of another kind than the view's",
        "look at what the client sends, as with `tcpdump -A -i lo`",
    ),
    Name.PUSHED: _Entry(
        Severity.INFO,
        "{size:g} packets arrived over {transport}; the newest value at the sink was {age_s:.2g} s old at most",
        "the instrument pushes its values, so that nothing is scraped",
        "nothing has to be done; docs/push.md says what a push costs",
    ),
    Name.LOST_WORKER_WITHIN: _Entry(
        Severity.INFO,
        "{size:g} scrapes of a lost worker showed no more than its schedule, and no less than it had reported",
        "the worker was lost, and what it had recorded last is not known",
        "see why it was lost, and run again",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its name, its size (what is counted depends on the name) and the data behind it.

    `detail` holds plain JSON values: numbers, strings, and a short list of ``examples``.
    """

    name: Name
    size: float = 1
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """The severity; fixed for each name."""
        return _ENTRIES[self.name].severity


def sentence(finding: Finding) -> str:
    """Return the finding in one line, with its size; of a page before a restart, with the restart's number."""
    words = _ENTRIES[finding.name].what.format_map(_Blank({**finding.detail, "size": finding.size}))
    return f"restart {finding.detail['restart']}: {words}" if "restart" in finding.detail else words


def unseen(name: Name) -> str:
    """Return what could not be compared; empty for any other finding."""
    return _ENTRIES[name].unseen


def cause(name: Name) -> str:
    """Return the usual cause."""
    return _ENTRIES[name].cause


def remedy(name: Name) -> str:
    """Return what to do about it."""
    return _ENTRIES[name].remedy


class _Missing:
    """Placeholder for a detail that a finding, perhaps read from an older document, does not have."""

    def __format__(self, spec: str) -> str:
        return "?"


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> _Missing:
        return _Missing()
