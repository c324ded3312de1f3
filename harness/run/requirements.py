"""Conditions on a result, such as ``response.p99<2ms``: their grammar and whether they held.

    requirement  = quantity operator value        blanks around the operator are allowed
    operator     = "<" | "<=" | ">" | ">=" | "==" | "!="
    quantity                                            value
    LATENCY "." pNN|pNN.N|max|mean                      a duration with its unit: 250us, 2ms
    LATENCY "." count                                   a count: 0, 1000, 10k
    rate "." achieved                                   a rate: 990, 1k, 990/s
    rate "." error                                      a share: 1%, 0.01; distance of achieved from target
    offered|processed|failed|dropped|refused|raised     a count, or a share of the lines offered: 1%
    scrapes "." count|failed                            a count; failed also takes a share of the scrapes: 1%
    scrapes "." p50|max|mean                            a duration
    self_cost                                           a duration; per line
    findings                                            a count; what the audit found

LATENCY is lag, lateness, service or response. ``p999`` is read as p99.9 and ``p9999`` as p99.99, as is the custom. A
quantity without data does not hold.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workloads.errors import GrammarError, UsageError
from workloads.grammar import quoted
from workloads.units import parse_count, parse_duration_ns, parse_fraction, parse_rate

__all__ = ["CheckedRequirement", "Requirement", "check", "parse_requirement"]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*([a-z_0-9.]+)\s*(<=|>=|==|!=|<|>)\s*([^\s<>=!](?:.*\S)?)\s*", re.ASCII | re.DOTALL)
_PERCENTILE = re.compile(r"p(\d{1,2})(?:\.(\d{1,4}))?|p99(9{1,3})|p100", re.ASCII)
_UNIT = re.compile(r"[^\d\s.eE+_-]+$")
_LEDGER = ("offered", "processed", "failed", "dropped", "refused", "raised")
_EXAMPLES = "response.p99<2ms, rate.error<1%, dropped==0 or failed<1%"
_NS_OF = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9}

Result = Mapping[str, Any]
Look = Callable[[Result], float | None]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A parsed condition: `look` reads the quantity from a result, `limit` is in the same unit (ns, lines/s, share, 1).

    `scale` is the number of these in one of the unit in which the user wrote the limit.
    """

    text: str
    look: Look
    compare: Callable[[Any, Any], bool]
    limit: Fraction
    scale: Fraction


@dataclass(frozen=True, slots=True)
class CheckedRequirement:
    """A requirement's text, whether it held, and the value found in the unit of the text, or None without data."""

    text: str
    held: bool
    actual: float | None


def parse_requirement(text: str) -> Requirement:
    """Return the condition written as `text`; raises `UsageError` that says what would be right."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"{quoted(text)} is not a condition; write something like {_EXAMPLES}", field="require")
    name, sign, value = match.groups()
    try:
        look, limit, scale = _quantity(name, value)
    except GrammarError as error:
        raise UsageError(f"{quoted(text)}: {error}", field="require") from error
    return Requirement(text.strip(), look, _OPERATORS[sign], limit, scale)


def check(requirements: Iterable[Requirement | str], result: Result) -> list[CheckedRequirement]:
    """Return for each requirement whether it held for a result document (the keys of ``harness run --json``)."""
    return [_outcome(parse_requirement(one) if isinstance(one, str) else one, result) for one in requirements]


def _outcome(requirement: Requirement, result: Result) -> CheckedRequirement:
    actual = requirement.look(result)
    if actual is None:
        return CheckedRequirement(requirement.text, held=False, actual=None)
    # A fraction, so that 1% of 700 lines is 7 and not a hair above.
    held = requirement.compare(Fraction(actual), requirement.limit)
    return CheckedRequirement(requirement.text, held, float(Fraction(actual) / requirement.scale))


def _quantity(name: str, value: str) -> tuple[Look, Fraction, Fraction]:
    """Return how to read the quantity, its limit and the scale of its unit; raises `GrammarError`."""
    group, _, part = name.partition(".")
    if group in {"lag", "lateness", "service", "response"}:
        return _latency(f"{group}_ns", part, name, value)
    if group == "scrapes":
        return _scrapes(part, name, value)
    if name == "rate.achieved":
        return _at("rate", "achieved"), parse_rate(value), Fraction(1)
    if name == "rate.error":
        return _rate_error, *_share(value)
    if name in _LEDGER:
        return _counted(_ledger(name), _ledger("offered"), value)
    if name == "self_cost":
        return _at("self_cost_ns_per_line"), *_duration(value)
    if name == "findings":
        return _findings, *_count(value)
    raise GrammarError(
        f"there is no quantity {quoted(name)}; see `harness run --help`, or write something like {_EXAMPLES}"
    )


def _latency(key: str, part: str, name: str, value: str) -> tuple[Look, Fraction, Fraction]:
    if part == "count":
        return _at(key, part), *_count(value)
    if part in {"max", "mean"}:
        return _at(key, part), *_duration(value)
    match = _PERCENTILE.fullmatch(part)
    if match is None:
        raise GrammarError(f"{quoted(name)} is no figure of a latency; write p50, p99, p99.9, max, mean or count")
    return _percentile(key, _percent(match)), *_duration(value)


def _percent(match: re.Match[str]) -> float:
    whole, dotted, nines = match.groups()
    if nines is not None:
        return float(f"99.{nines}")
    return 100.0 if whole is None else float(f"{whole}.{dotted or 0}")


def _scrapes(part: str, name: str, value: str) -> tuple[Look, Fraction, Fraction]:
    if part == "count":
        return _at("scrapes", part), *_count(value)
    if part == "failed":
        return _counted(_at("scrapes", "failed"), _at("scrapes", "count"), value)
    if part in {"p50", "max", "mean"}:
        outcome = _at("scrapes", "duration_ms", part)
        return lambda result: _times(outcome(result), 1e6), *_duration(value)
    raise GrammarError(f"{quoted(name)} is no figure of the scrapes; write scrapes.count, failed, p50, max or mean")


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _counted(look: Look, whole: Look, value: str) -> tuple[Look, Fraction, Fraction]:
    """Parse the value as a count or, with a percent sign, as a share of the whole."""
    if not value.endswith("%"):
        return look, *_count(value)

    def share(result: Result) -> float | None:
        part, total = look(result), whole(result)
        return None if part is None or not total else Fraction(part) / Fraction(total)  # type: ignore[return-value]

    return share, *_share(value)


def _at(*keys: str) -> Look:
    def look(result: Result) -> float | None:
        here: Any = result
        for key in keys:
            here = here.get(key) if isinstance(here, Mapping) else None
        return here if isinstance(here, int | float) and not isinstance(here, bool) and here == here else None

    return look


def _ledger(name: str) -> Look:
    plain = _at("ledger", name)
    if name not in {"refused", "raised"}:
        return plain

    def by_kind(result: Result) -> float | None:
        counts = result.get("ledger", {}).get(name)
        return sum(counts.values()) if isinstance(counts, Mapping) else None

    return by_kind


def _rate_error(result: Result) -> float | None:
    target, achieved = _at("rate", "target")(result), _at("rate", "achieved")(result)
    return None if achieved is None or not target else abs(achieved - target) / target


def _findings(result: Result) -> float | None:
    outcome = result.get("audit", {}).get("findings")
    return None if outcome is None else len(outcome)


def _percentile(key: str, percent: float) -> Look:
    def look(result: Result) -> float | None:
        latency = result.get(key) or {}
        if not latency.get("count"):
            return None
        named = {50.0: "p50", 90.0: "p90", 99.0: "p99", 99.9: "p999", 100.0: "max"}.get(percent)
        if named is not None:
            return _at(key, named)(result)
        from harness.load.latency.histogram import Histogram

        decoded = Histogram.decode(latency["hdr"]).percentile(percent) if latency.get("hdr") else None
        most = _at(key, "max")(result)
        return decoded if decoded is None or most is None else min(decoded, most)

    return look


def _duration(value: str) -> tuple[Fraction, Fraction]:
    limit = Fraction(parse_duration_ns(value))
    unit = _UNIT.search(value)
    return limit, Fraction(_NS_OF.get(unit[0], 1) if unit else 1)


def _count(value: str) -> tuple[Fraction, Fraction]:
    return Fraction(0 if re.fullmatch(r"0+", value) else parse_count(value)), Fraction(1)


def _share(value: str) -> tuple[Fraction, Fraction]:
    # Through its text, so that 1% means 1/100 and not the float next to it.
    limit = Fraction(repr(parse_fraction(value)))
    return limit, Fraction(1, 100) if value.endswith("%") else Fraction(1)
