"""Described services: what recording costs one, for each way of recording, and what breaks first, in words."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.experiments import VOID, measured
from harness.report.numbers import UNKNOWN, MeasuredValue, Unit, plain, unit_for, with_interval
from harness.report.tables import Bullets, Column, Note, Part, ReportTable, Section, TableCell, figure, row_of

if TYPE_CHECKING:
    from harness.measure.questions.described.description import ServiceDescription
    from harness.measure.questions.described.estimates import Amount, Described, ServiceCost, ServiceLimit

__all__ = ["costs_table", "described_section", "limit_words", "service_sentence", "service_words"]

_NAME = Column("Way of recording", kind="text", narrow="")
_SHARE = Unit("\u202f%", 0.01)
_PLAIN = Unit("", 1.0)
# What a limit is called in a cell, once it is reached and before.
_SHORT = {
    "workers_counted_apart": ("one worker counted", ""),
    "series_folded": ("series folded", ""),
    "page_too_slow": ("page too slow", "page too slow"),
    "core_full": ("core full", "core full"),
}
_INTRO = (
    "Recording in a service of this size and load: the share of one core that it takes in each worker, the memory of "
    "its series, the time for which a scrape holds a worker up at most, and what breaks first when the service grows."
)
_NOTES = (
    Note(
        "CPU: cost of a line times the rate of a worker, ± the interval over pairs, for lines that follow each other "
        "without a pause; one that is recorded after a sleep may cost more (--columns cpu). Memory and pages: ± "
        "the interval over fresh processes. A page is made as Prometheus asks for it, compressed; on an event loop "
        "nothing else happens meanwhile, in a thread of its own it shares the interpreter with the lines.",
        tone="quiet",
    ),
)


def described_section(answers: "Sequence[Described]") -> Section | None:
    """Return for each service a table and what is to be said of each way of recording; None without any."""
    if not answers:
        return None
    parts: list[Part] = []
    for answer in answers:
        words = Bullets(
            tuple((cost.instrument, TableCell(service_sentence(cost, answer.service))) for cost in answer.costs)
        )
        parts += [costs_table(answer), words, *_void_notes(answer)]
    return Section("described", "One service", (*parts, *_NOTES), _INTRO, tuple(map(costs_table, answers)))


def service_words(service: "ServiceDescription") -> str:
    """Return a service in words: ``200 series, 2000 lines/s, 4 workers, scraped every 15 s``."""
    workers = "1 worker" if service.workers == 1 else f"{plain(service.workers)} workers"
    return (
        f"{plain(service.series, 15)} series, {plain(service.rate, 15)} lines/s, {workers}, "
        f"scraped every {plain(service.scrape_s)} s"
    )


def costs_table(answer: "Described") -> ReportTable:
    """Return a row for each way of recording: CPU, memory, time of a scrape, and what breaks first."""
    costs = answer.costs
    memory = unit_for([cost.memory.value for cost in costs], "bytes")
    stall = unit_for([cost.stall.value for cost in costs])
    each = " of each worker" if answer.service.workers > 1 else ""
    columns = (
        _NAME, Column(f"CPU of a core{each}", "%", narrow="CPU\n%"),
        Column(f"Memory{each}", memory.name, narrow=f"memory\n{memory.name}"),
        Column("Held up by a scrape", stall.name, narrow=f"held up\n{stall.name}"),
        Column("What breaks first", kind="text", narrow="breaks first"),
    )  # fmt: skip
    rows = tuple(
        row_of(
            cost.instrument, _cell(cost.core_share, _SHARE), _cell(cost.memory, memory), _cell(cost.stall, stall),
            _first_cell(cost),
        )
        for cost in costs
    )  # fmt: skip
    return ReportTable(f"{service_words(answer.service)}: what recording costs", columns, rows)


def _value(amount: "Amount") -> MeasuredValue:
    return measured(amount.value, amount.interval)


def _cell(amount: "Amount", unit: Unit) -> TableCell:
    if amount.value is None:
        return TableCell(VOID if amount.why.startswith("void") else UNKNOWN)
    return figure(_value(amount), unit)


def _first_cell(cost: "ServiceCost") -> TableCell:
    known = [limit for limit in cost.limits if limit.reached is not None or limit.factor.value is not None]
    if not known:
        return TableCell(UNKNOWN)
    first = known[0]
    already, later = _SHORT[first.name]
    if first.reached:
        return TableCell(f"already: {already}", tone="error")
    if first.factor.value is None:
        return TableCell("nothing seen")
    mark = "?" if first.reached is None else ""
    return TableCell(f"{later} at ×{plain(first.factor.value, 2)} {first.grows}", mark=mark)


def service_sentence(cost: "ServiceCost", service: "ServiceDescription") -> str:
    """Return everything that is known of one way of recording in words, and of what is not known the reason."""
    words = [*_cpu_words(cost, service), *_memory_words(cost, service), *_stall_words(cost, service)]
    first = "What breaks first: "
    for limit in cost.limits:
        unknown = limit.factor.value is None and limit.reached is not True
        words.append(f"{'' if unknown else first}{limit_words(limit, service, paged=cost.stall.value is not None)}")
        first = first if unknown else "Then: "
    return ". ".join(words) + "."


def _cpu_words(cost: "ServiceCost", service: "ServiceDescription") -> Iterator[str]:
    each = f" in each of {service.workers} workers" if service.workers > 1 else ""
    share = cost.core_share
    if share.value is None:
        yield f"CPU is not known: {share.why}"
        return
    scraped = " in the one that is scraped" if each else ""
    pages = "" if cost.page_share.value is None else f", making pages {_said(cost.page_share, _SHARE)}{scraped}"
    yield f"Recording takes at least {_said(share, _SHARE)} of a core{each}{pages}"


def _memory_words(cost: "ServiceCost", service: "ServiceDescription") -> Iterator[str]:
    memory = cost.memory
    if memory.value is None:
        yield f"Memory is not known: {memory.why}"
        return
    if not memory.value:
        yield "No memory of its series was seen"
        return
    everywhere = ""
    if service.workers > 1:
        total = memory.value * service.workers
        unit = unit_for([total], "bytes")
        everywhere = f" in each worker, about {plain(total / unit.scale, 2)} {unit.name} in all"
    own = _said(memory, unit_for([memory.value], "bytes"))
    yield f"Its series occupy {own}{everywhere}"


def _stall_words(cost: "ServiceCost", service: "ServiceDescription") -> Iterator[str]:
    stall = cost.stall
    if stall.value is None:
        yield (
            f"How long a scrape holds it up is not known: {stall.why}"
            if any(limit.name == "page_too_slow" for limit in cost.limits)
            else f"No scrape holds it up: {stall.why}"
        )
        return
    due = stall.value / 1e9 * service.worker_rate
    lines = f"{plain(due, 2)} lines come due" if due >= 1 else "less than a line comes due"
    yield f"A scrape holds a worker up for {_said(stall, unit_for([stall.value]))} at most, in which {lines}"


def _said(amount: "Amount", unit: Unit) -> str:
    """Return an amount with its unit and its interval, or why it has none."""
    value, interval = with_interval(_value(amount), unit)
    name = unit.name if unit.name.startswith("\u202f") else f" {unit.name}"
    return f"{value}{name} ({interval or amount.why or 'no interval'})"


def limit_words(limit: "ServiceLimit", service: "ServiceDescription", *, paged: bool = True) -> str:
    """Return one limit in words: whether and when it is reached; `paged` tells whether pages are made."""
    if limit.name == "workers_counted_apart":
        return (
            f"already, the page shows the lines of one worker, {plain(limit.shown, 15)} of the {plain(limit.of, 15)} "
            f"that {service.workers} workers recorded; what the others record is lost"
        )
    if limit.name == "series_folded":
        return (
            f"already, {plain(limit.shown, 15)} of {plain(limit.of, 15)} series are on the page: the library folds "
            "the rest into one"
        )
    slow = limit.name == "page_too_slow"
    what = (
        f"a page takes longer than the {plain(service.timeout_s)} s that a scrape may take"
        if slow
        else ("recording and pages fill" if paged else "recording fills")
        + (" a core of each worker" if service.workers > 1 else " a core")
    )
    if limit.reached:
        return f"already, {what}"
    if limit.factor.value is None:
        why = limit.factor.why
        return f"It is not known whether {what}: {why}" if why else "Recording was not seen to cost anything"
    value, interval = with_interval(_value(limit.factor), _PLAIN)
    grown = "series, in proportion," if slow else f"rate, {plain(limit.factor.value * service.rate, 2)} lines/s,"
    times = f"at {value} ({interval or limit.factor.why or 'no upper end'}) times the {grown}"
    return f"{times} {what}" if limit.reached is False else f"perhaps already, {times} {what}"


def _void_notes(answer: "Described") -> Iterator[Note]:
    for cost in answer.costs:
        records = [record for record in answer.processes if record.instrument == cost.instrument]
        for reason in dict.fromkeys(record.void for record in records if record.void):
            count = sum(record.void == reason for record in records)
            yield Note(f"{cost.instrument}: {count} of {len(records)} processes void: {reason}", tone="warning")
