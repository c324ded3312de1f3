"""The tables of what `lengths`, `content`, `arrivals`, `errors` and `series` understand.

Parsing, validation, error lines, ``--help`` and the documentation are all derived from these tables, so they always
agree. Nothing heavy is imported here: a help text must not wait for numpy.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

__all__ = ["LANGUAGES", "MAX_LINE_BYTES", "MAX_SERIES", "Form", "Language", "Parameter", "ValueKind"]

MAX_LINE_BYTES = 64 * 1024
MAX_SERIES = 100_000

_DAY_NS = 86_400 * 10**9


class ValueKind(Enum):
    """The kind of value a key takes; the text shows how one is written."""

    SIZE = "bytes, as 80 or 4KiB"
    RATE = "rate, as 1000, 5k/s or 300/m"
    RATES = "rates joined by colons, as 100:500/s:1k"
    DURATION = "duration, as 250ms, 10s or 24h"
    COUNT = "whole number, as 100 or 10k"
    NUMBER = "number, as 0.8"
    SHARE = "share, as 0.01 or 1%"
    PATH = "path, in double quotes if it holds a comma"
    TEXT = "text, in double quotes if it holds a comma"
    CHOICE = "one of the names listed"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key: its kind of value, its default as a user would write it (None: it must be given), and its range.

    `low` and `high` are in the base unit of the kind (bytes, lines per second, nanoseconds); a key whose default is
    the empty string may be left out and then has no value.
    """

    name: str
    value: ValueKind
    meaning: str
    default: str | None = None
    low: Fraction | int | None = None
    high: Fraction | int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A name and its keys; a value without a key belongs to the first of them."""

    name: str
    meaning: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    """All forms of one kind of expression.

    `bare` names the form meant by a lone value such as ``80`` and `keyed` the one meant by ``key=value`` without a
    name; `mixable` tells whether forms may be mixed by weights.
    """

    forms: tuple[Form, ...]
    bare: str = ""
    keyed: str = ""
    mixable: bool = False

    def form(self, name: str) -> Form | None:
        """Return the form of that name, or None."""
        return next((form for form in self.forms if form.name == name), None)


def _size(name: str, meaning: str, default: str | None = None, low: int = 0) -> Parameter:
    return Parameter(name, ValueKind.SIZE, meaning, default, low, MAX_LINE_BYTES)


_LIMITS = (
    _size("min", "no line is shorter", "0"),
    _size("max", "no line is longer", "64KiB"),
)
_FILE_BYTES = 2**30
_REPLAY_LIMITS = (
    Parameter("min", ValueKind.SIZE, "leave out shorter lines", "0", 0, _FILE_BYTES),
    Parameter("max", ValueKind.SIZE, "leave out longer lines", "1GiB", 0, _FILE_BYTES),
)

_LENGTHS = Language(
    (
        Form("constant", "every line the same length", (_size("bytes", "the length"), *_LIMITS)),
        Form("uniform", "each length from min to max equally often", _LIMITS),
        Form(
            "normal",
            "a bell around the mean",
            (
                _size("mean", "the middle", "80"),
                Parameter(
                    "sd", ValueKind.NUMBER, "standard deviation, in bytes", "20", Fraction(1, 1000), MAX_LINE_BYTES
                ),
                *_LIMITS,
            ),
        ),
        Form(
            "lognormal",
            "many short lines, few long ones",
            (
                _size("median", "half the lines are shorter", "40", low=1),
                Parameter("sigma", ValueKind.NUMBER, "standard deviation of ln(length)", "0.8", Fraction(1, 1000), 10),
                *_LIMITS,
            ),
        ),
        Form("exponential", "memoryless lengths", (_size("mean", "mean length before limits", "80", low=1), *_LIMITS)),
        Form(
            "pareto",
            "a heavy tail above a least length",
            (
                Parameter("alpha", ValueKind.NUMBER, "tail index; smaller is heavier", "1.5", Fraction(1, 10), 100),
                _size("min", "the least length, where the tail starts", "20", low=1),
                _size("max", "no line is longer", "64KiB"),
            ),
        ),
        Form(
            "zipf",
            "length k as often as 1/k^s, from 1 byte",
            (
                Parameter("s", ValueKind.NUMBER, "exponent; larger is steeper", "1.1", Fraction(1, 100), 100),
                _size("min", "no line is shorter", "1"),
                _size("max", "no line is longer", "64KiB"),
            ),
        ),
        Form(
            "empirical",
            "the lengths of a text file's lines, each as often as there",
            (Parameter("path", ValueKind.PATH, "the file"), *_LIMITS),
        ),
        Form(
            "histogram",
            "the buckets of a histogram on a /metrics page, evenly inside each bucket",
            (
                Parameter("path", ValueKind.PATH, "the page: a file or an http URL"),
                Parameter("metric", ValueKind.TEXT, "the family's name; needed if the page has several", ""),
                Parameter("label", ValueKind.TEXT, "take only series with this name:value", ""),
                *_LIMITS,
            ),
        ),
        Form("edges", "each bound of the length view, one byte below it and one above, equally often", _LIMITS),
        Form(
            "replay",
            "a file's own lines, in order, and again from the start when it ends",
            (Parameter("path", ValueKind.PATH, "the file"), *_REPLAY_LIMITS),
        ),
    ),
    bare="constant",
    mixable=True,
)

_CONTENT = Language(
    (
        Form("words", "dictionary words"),
        Form("sentences", "sentences with capitals and full stops"),
        Form("names", "people's names"),
        Form("log", "access-log lines in Apache's combined format"),
        Form("json", "one JSON value a line, valid at every length but 0"),
        Form("unicode", "Latin, Cyrillic, Japanese and emoji: 1- to 4-byte characters"),
        Form("ascii", "any printable ASCII characters"),
    ),
)

_JITTER = Parameter(
    "jitter", ValueKind.CHOICE, "poisson: the same law, at random instants", "none", choices=("none", "poisson")
)
_MIN_RATE = Fraction(1, 86_400)
_MAX_RATE = 10**9


def _rate(name: str, meaning: str, default: str | None = None, low: Fraction | int = _MIN_RATE) -> Parameter:
    return Parameter(name, ValueKind.RATE, meaning, default, low, _MAX_RATE)


def _period(name: str, meaning: str, default: str, low: int = 10**6, high: int = _DAY_NS) -> Parameter:
    return Parameter(name, ValueKind.DURATION, meaning, default, low, high)


_ARRIVALS = Language(
    (
        Form("constant", "evenly spaced", (_rate("rate", "lines per second"), _JITTER)),
        Form(
            "poisson", "independent arrivals: constant with jitter=poisson", (_rate("rate", "mean lines per second"),)
        ),
        Form(
            "ramp",
            "the rate moves evenly between two values, then stays",
            (
                _rate("from", "rate at the start", low=0),
                _rate("to", "rate at the end, and afterwards", low=0),
                _period("over", "how long the ramp takes", "10s"),
                _JITTER,
            ),
        ),
        Form(
            "steps",
            "one rate after another; the last one stays",
            (
                Parameter("rates", ValueKind.RATES, "the rates, 0 for a pause", None, 0, _MAX_RATE),
                _period("each", "how long each lasts", "10s"),
                _JITTER,
            ),
        ),
        Form(
            "sine",
            "a mean rate that swings up first, then down",
            (
                _rate("rate", "mean lines per second"),
                Parameter("amplitude", ValueKind.SHARE, "swing as a share of the mean", "50%", 0, 1),
                _period("period", "length of one swing", "1m"),
                _JITTER,
            ),
        ),
        Form(
            "burst",
            "all lines of each period evenly inside its first part",
            (
                _rate("rate", "mean lines per second"),
                _period("period", "from one burst to the next", "1s"),
                Parameter("duty", ValueKind.SHARE, "part of the period that is busy", "10%", Fraction(1, 1000), 1),
                _JITTER,
            ),
        ),
        Form(
            "day",
            "a day of office traffic: quiet nights, two peaks; the day may be compressed",
            (
                _rate("rate", "mean lines per second"),
                _period("period", "how long the day lasts", "24h", low=10**9),
                Parameter("from", ValueKind.COUNT, "hour at which it begins, 24 for midnight", "24", 1, 24),
                _JITTER,
            ),
        ),
        Form(
            "replay",
            "the timestamps of a file, one a line in ascending order, from the first on",
            (
                Parameter("path", ValueKind.PATH, "the file"),
                Parameter("unit", ValueKind.CHOICE, "unit of the timestamps", "s", choices=("s", "ms", "us", "ns")),
                Parameter("speed", ValueKind.NUMBER, "2 plays twice as fast", "1", Fraction(1, 10**6), 10**6),
            ),
        ),
        Form("max", "closed loop: each line as soon as the one before is done"),
    ),
    bare="constant",
)


def _share(name: str, meaning: str, default: str | None = "0") -> Parameter:
    return Parameter(name, ValueKind.SHARE, meaning, default, 0, 1)


_ERRORS = Language(
    (
        Form("even", "a share of the lines, the three kinds equally often", (_share("share", "of all lines", None),)),
        Form(
            "each",
            "a share for each kind",
            (
                _share("not_utf8", "hold a byte that is not UTF-8"),
                _share("nul", "hold a NUL character"),
                _share("too_long", "are longer than 64 KiB"),
            ),
        ),
    ),
    bare="even",
    keyed="each",
)


def _series(default: str | None = None) -> Parameter:
    return Parameter("n", ValueKind.COUNT, "how many values of the tag method", default, 1, MAX_SERIES)


_SERIES = Language(
    (
        Form("uniform", "each method equally often", (_series(),)),
        Form(
            "zipf",
            "the k-th method as often as 1/k^s",
            (
                _series(),
                Parameter("s", ValueKind.NUMBER, "exponent; larger is steeper", "1.1", Fraction(1, 100), 100),
            ),
        ),
    ),
    bare="uniform",
)

LANGUAGES: dict[str, Language] = {
    "lengths": _LENGTHS,
    "content": _CONTENT,
    "arrivals": _ARRIVALS,
    "errors": _ERRORS,
    "series": _SERIES,
}
