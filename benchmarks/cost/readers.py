"""The answers with which README.md and docs/what-a-metric-costs.md open: three readers, three sentences each."""

import math

from harness.measure.questions.answer import Answer
from harness.measure.questions.validation import Validation
from harness.measure.result import Experiment
from harness.report.experiments import cost_of
from harness.report.numbers import COUNT, MeasuredValue, Unit, percent, unit_for, with_interval

__all__ = ["quotient", "readers", "share_of", "shown"]

_PERCENT = Unit("%", 0.01)
# Rates of recorded lines, per second, at which a share of a core is told; and the series of the larger example.
_RATE, _SERIES = 1000, 100
_VOID = "The measurement behind this answer is void, or is missing from this run, so nothing is said about it here."


def experiment_of(outcome: Answer, part: str, head: str, **factors: object) -> Experiment | None:
    """Return the experiment of this part about a way of recording with these factors, None where there is none."""
    document = outcome.part(part)
    for each in document.experiments if document is not None else ():
        if each.head == head and factors.items() <= each.factors.items():
            return each
    return None


def shown(value: MeasuredValue, unit: Unit | None = None) -> str:
    """Return value, unit and interval; of nanoseconds where no unit is given."""
    unit = unit_for([value.value]) if unit is None else unit
    text, interval = with_interval(value, unit)
    return f"{text} {unit.name}".rstrip() + f" ({interval})" if interval else text


def quotient(above: MeasuredValue, below: MeasuredValue) -> MeasuredValue:
    """Return the ratio of two positive values that were measured independently, with its interval.

    The half-widths of the logarithms' intervals are added as independent errors are (delta method).
    """
    ends = [above.value, above.low, above.high, below.value, below.low, below.high]
    if any(each is None or each <= 0 for each in ends):
        return MeasuredValue()
    top, top_low, top_high, bottom, bottom_low, bottom_high = (math.log(each) for each in ends if each is not None)
    half = math.hypot(top_high - top_low, bottom_high - bottom_low) / 2
    middle = top - bottom
    return MeasuredValue(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def _share(cost: MeasuredValue, rate: float) -> MeasuredValue:
    """Return the share of a core that `rate` lines a second take whose `cost` is in nanoseconds."""
    value, low, high = (None if each is None else each * rate / 1e9 for each in (cost.value, cost.low, cost.high))
    return MeasuredValue(value, low, high)


def share_of(name: str, outcome: Answer, rate: float) -> str:
    """Return the share of a core that a way of recording takes at a rate, with its interval; a dash where void."""
    return shown(_share(cost_of(experiment_of(outcome, "table", name, scraped=False)), rate), _PERCENT)


def _lines_of_a_core(cost: MeasuredValue) -> MeasuredValue:
    return quotient(MeasuredValue(1e9, 1e9, 1e9), cost)


def readers(outcome: Answer, validation: Validation | None, docs: str = "") -> str:
    """Return the answers as Markdown; links lead to pages in the folder `docs`, as in ``docs/``.

    An answer that rests on a void experiment, or on one that was not measured, says so and has no figure.
    """
    answers = (
        ("I am on OpenCensus.", _tied(outcome, docs)),
        ("I choose a library.", _choosing(outcome)),
        ("I maintain one.", _maintaining(outcome, validation, docs)),
    )
    return "\n\n".join(f"**{reader}** {answer or _VOID}" for reader, answer in answers) + "\n"


def _tied(outcome: Answer, docs: str) -> str:
    names = ("opencensus", "opencensus-lean")
    heavy, lean = (cost_of(experiment_of(outcome, "table", name, scraped=False)) for name in names)
    heavy_many, lean_many = (
        cost_of(experiment_of(outcome, "laws:series", name, series=_SERIES, scraped=False)) for name in names
    )
    other = cost_of(experiment_of(outcome, "table", "prometheus-client", scraped=False))
    if None in (each.value for each in (heavy, lean, heavy_many, lean_many, other)):
        return ""
    return (
        f"With its Prometheus exporter it adds {shown(heavy)} to a line at one series and {shown(heavy_many)} at "
        f"{_SERIES}, where {shown(_lines_of_a_core(heavy_many), COUNT)} lines a second keep a core busy. "
        f"[`opencensus-lean`]({docs}opencensus-lean.md) makes the same page from unchanged code for {shown(lean)} and "
        f"{shown(lean_many)}: {shown(quotient(heavy, lean), COUNT)} and "
        f"{shown(quotient(heavy_many, lean_many), COUNT)} times less. "
        f"Recording with prometheus-client's `labels()` takes {shown(other)}, {_than(quotient(other, lean))}."
    )


def _than(ratio: MeasuredValue) -> str:
    """Say what a ratio to opencensus-lean means for whoever thinks of moving."""
    times = f"{shown(ratio, COUNT)} times the cost of `opencensus-lean`"
    if ratio.low is not None and ratio.low > 1:
        return f"{times}: move for other reasons than this cost"
    if ratio.high is not None and ratio.high < 1:
        return f"{times}: moving makes recording cheaper still"
    return f"{times}: this cost decides nothing"


def _choosing(outcome: Answer) -> str:
    names = ("prometheus-client-cached", "prometheus-client", "opentelemetry")
    rest, scraped = (
        [cost_of(experiment_of(outcome, "table", name, scraped=asked)) for name in names] for asked in (False, True)
    )
    if None in (each.value for each in (*rest, *scraped)):
        return ""
    shares = [shown(_share(cost, _RATE), _PERCENT) for cost in rest]
    return (
        f"A line with three records costs {shown(rest[0])} with prometheus-client whose children are kept, "
        f"{shown(rest[1])} with `labels()` at each record, and {shown(rest[2])} with OpenTelemetry's SDK. "
        f"At {_RATE} lines/s that is at least {shares[0]}, {shares[1]} and {shares[2]} of a core; a thread that sleeps "
        f"between lines may take more, which `harness overhead --columns cpu` measures. "
        f"While Prometheus asks for the page every 70 ms it is {shown(scraped[0])}, {shown(scraped[1])} and "
        f"{shown(scraped[2])}."
    )


def _maintaining(outcome: Answer, validation: Validation | None, docs: str) -> str:
    if validation is None or not validation.identical or not validation.slowdowns:
        return ""
    alarms = _counted(validation.false_alarms, validation.identical, validation.false_alarm_rate)
    found = _counted(validation.found, validation.slowdowns, validation.found_rate)
    spreads = [row.instructions_spread for row in outcome.table if row.instructions_spread is not None]
    counted = f", which repeat within {percent(max(spreads))}" if spreads else ""
    took = "" if validation.trial_s is None else f" of {validation.trial_s:.0f} s"
    method = f" ({validation.earlier} of them by an earlier method)" if validation.earlier else ""
    return (
        f"`harness compare git:main git:my-branch` measures an open change in your repository within a minute, with a "
        f"control on identical code ([how]({docs}compare.md)). "
        f"In whole experiments{took}{method} identical code raised {alarms} false alarms, and {found} slowdowns of 1 % "
        f"were found ([proof]({docs}overhead.md#proof)). "
        f"For less than that, count instructions (`--axis instructions`){counted}."
    )


def _counted(count: int, of: int, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{count} of {of} ({percent(low)} to {percent(high)})"
