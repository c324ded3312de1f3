"""One grammar for lengths, content, arrivals, errors and series: ``name:key=value,key=value``, alone or mixed.

    expression = term | weight "*" term { "+" weight "*" term }
    term       = value | name [ ":" [ argument { "," argument } ] ]
    argument   = [ key "=" ] value          a value without a key belongs to the first key, and stands first
    value      = text without comma | '"' any text '"'

What names and keys exist stands in `workloads.forms`.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from workloads import units
from workloads.errors import GrammarError
from workloads.forms import LANGUAGES, Form, Language, Parameter, ValueKind

__all__ = ["FormRow", "Term", "describe", "markdown", "parse", "quoted"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# A plus sign joins two terms where a weight follows it, or where blanks stand on both sides: 1e+3 and c++.txt do not.
_PLUS = re.compile(r'"[^"]*"?|(\s\+\s|\+(?=\s*[\d.]+(?:e-?\d+)?%?\s*\*))')
_WEIGHT = re.compile(r"\s*([^\s*:=\"]+)\s*\*(.*)", re.DOTALL)
_ARGUMENT = re.compile(r'(?:[^,"]|"[^"]*"?)+')
_MAX_TEXT = 4096

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Term:
    """One parsed and validated form: its name, its weight in the mixture (exact), and a value for each key.

    Values are in base units: sizes and counts `int`, durations `int` nanoseconds, rates, numbers and shares
    `Fraction`, lists of rates tuples of `Fraction`, everything else `str`.
    """

    name: str
    weight: Fraction
    values: Mapping[str, object]

    def _typed(self, key: str, kind: type[T]) -> T:
        value = self.values[key]
        if not isinstance(value, kind):
            raise TypeError(f"{key} of {self.name} is no {kind.__name__}")
        return value

    def integer(self, key: str) -> int:
        """Return a size, count or duration."""
        return self._typed(key, int)

    def fraction(self, key: str) -> Fraction:
        """Return a rate, number or share, exactly."""
        return self._typed(key, Fraction)

    def fractions(self, key: str) -> tuple[Fraction, ...]:
        """Return a list of rates, exactly."""
        return self._typed(key, tuple)

    def text(self, key: str) -> str:
        """Return a path, text or choice; empty if it was left out."""
        return self._typed(key, str)


@dataclass(frozen=True, slots=True)
class FormRow:
    """One line of the tables in the documentation and in help texts; `key` is empty for a form without keys."""

    name: str
    meaning: str
    key: str = ""
    takes: str = ""
    default: str = ""
    range: str = ""
    about: str = ""


def quoted(text: str) -> str:
    """Return user text for an error line: quoted, control characters escaped, shortened in the middle."""
    shown = text if len(text) <= 80 else f"{text[:60]}…{text[-15:]}"
    return ascii(shown) if not shown.isprintable() else repr(shown)


def parse(kind: str, text: str) -> tuple[Term, ...]:
    """Parse an expression of one of the kinds of `LANGUAGES`; more than one term only where mixing is allowed.

    Raises `GrammarError`, one line that names the flag, quotes the text and says what would be right.
    """
    language = LANGUAGES[kind]
    try:
        _check_characters(text)
        return tuple(_terms(language, text))
    except GrammarError as error:
        raise GrammarError(f"{language.flag} {quoted(text)}: {error}") from None


def _check_characters(text: str) -> None:
    if len(text) > _MAX_TEXT:
        raise GrammarError(f"an expression has at most {_MAX_TEXT} characters")
    if not text.isprintable():
        raise GrammarError("only printable characters may stand here")


def _terms(language: Language, text: str) -> Iterator[Term]:
    parts = list(_split_mixture(text)) if language.mixable else [text]
    for part in parts:
        weight, rest = _weight(part)
        if weight is not None and not language.mixable:
            raise GrammarError(f"only lengths can be mixed; write {quoted(rest.strip())} alone")
        if weight is None and len(parts) > 1:
            raise GrammarError(f"each part of a mixture needs a weight, as in 0.3*{part.strip() or 'uniform'}")
        yield _term(language, rest.strip(), Fraction(1) if weight is None else weight)


def _split_mixture(text: str) -> Iterator[str]:
    start = 0
    for match in _PLUS.finditer(text):
        if match[1]:
            yield text[start : match.start()]
            start = match.end()
    yield text[start:]


def _weight(part: str) -> tuple[Fraction | None, str]:
    match = _WEIGHT.fullmatch(part)
    if match is None:
        return None, part
    weight = units.parse_number(match[1].removesuffix("%"))
    if not 0 < weight <= 10**6:
        raise GrammarError(f"the weight {quoted(match[1])} must be above 0 and at most a million")
    return weight, match[2]


def _term(language: Language, text: str, weight: Fraction) -> Term:
    name, colon, rest = text.partition(":")
    name = name.strip()
    form = language.form(name)
    if form is None:
        form, rest, colon = _implied(language, name, text)
    if colon and not rest.strip():
        raise GrammarError(f"nothing follows the colon; write {_example(form)}")
    return Term(form.name, weight, _arguments(form, rest))


def _implied(language: Language, name: str, text: str) -> tuple[Form, str, str]:
    """Return the form that a lone value or lone keys stand for, or raise because the name is unknown."""
    implied = ""
    if language.keyed and "=" in name:
        implied = language.keyed
    elif language.bare and name[:1] and name[0] in "0123456789.+-":
        implied = language.bare
    form = language.form(implied)
    if form is not None:
        return form, text, ""
    known = [form.name for form in language.forms]
    what = f"unknown name {quoted(name)}" if name else "a name is missing"
    raise GrammarError(f"{what}{_suggest(name, known)} (known: {', '.join(known)})")


def _suggest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word.lower()[:40], list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _example(form: Form) -> str:
    keys = [f"{p.name}={_sample(p)}" for p in form.parameters if p.default is None] or [
        f"{p.name}={p.default}" for p in form.parameters[:1]
    ]
    return f"{form.name}:{','.join(keys)}" if keys else form.name


def _sample(parameter: Parameter) -> str:
    samples = {
        ValueKind.SIZE: "80", ValueKind.RATE: "1000/s", ValueKind.RATES: "100:500:1k", ValueKind.DURATION: "10s",
        ValueKind.COUNT: "100", ValueKind.NUMBER: "1", ValueKind.SHARE: "1%", ValueKind.PATH: "FILE",
        ValueKind.TEXT: "TEXT",
    }  # fmt: skip
    return samples.get(parameter.value) or parameter.choices[0]


def _arguments(form: Form, text: str) -> dict[str, object]:
    given: dict[str, str] = {}
    for place, argument in enumerate(_split_arguments(text)):
        key, value = _key_and_value(form, argument, place)
        if key in given:
            raise GrammarError(f"{key} is given twice")
        given[key] = value
    values: dict[str, object] = {}
    for parameter in form.parameters:
        if parameter.name not in given and parameter.default is None:
            raise GrammarError(f"{form.name} needs {parameter.name} ({parameter.value.value}); write {_example(form)}")
        values[parameter.name] = _value(parameter, given.get(parameter.name), form)
    return values


def _split_arguments(text: str) -> list[str]:
    if not text.strip():
        return []
    arguments = _ARGUMENT.findall(text)
    if len(arguments) != len(re.sub(r'"[^"]*"?', "", text).split(",")) or text.count('"') % 2:
        what = "a quote is not closed" if text.count('"') % 2 else "a comma has nothing before or after it"
        raise GrammarError(what)
    return arguments


def _key_and_value(form: Form, argument: str, place: int) -> tuple[str, str]:
    known = [parameter.name for parameter in form.parameters]
    key, equals, value = argument.partition("=")
    key = key.strip()
    if not known:
        raise GrammarError(f"{form.name} takes no values, but {quoted(argument.strip())} is given")
    if not equals or not _NAME.fullmatch(key):
        if place:
            raise GrammarError(f"{quoted(argument.strip())} needs a key (known: {', '.join(known)})")
        return known[0], _unquote(argument)
    if key not in known:
        raise GrammarError(f"{form.name} has no key {quoted(key)}{_suggest(key, known)} (known: {', '.join(known)})")
    return key, _unquote(value)


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def _value(parameter: Parameter, given: str | None, form: Form) -> object:
    text = given if given is not None else parameter.default or ""
    try:
        return _CONVERT[parameter.value](parameter, text)
    except GrammarError as error:
        raise GrammarError(f"{parameter.name} of {form.name}: {error}") from None


def _text(parameter: Parameter, text: str) -> str:
    if not text and parameter.default is None:
        raise GrammarError("must not be empty")
    return text


def _choice(parameter: Parameter, text: str) -> str:
    if text not in parameter.choices:
        hint = _suggest(text, parameter.choices)
        raise GrammarError(f"{quoted(text)} is none of {', '.join(parameter.choices)}{hint}")
    return text


def _whole(read: Callable[[str], int]) -> Callable[[Parameter, str], int]:
    return lambda parameter, text: int(_bounded(parameter, text, read(text)))


def _exact(read: Callable[[str], Fraction]) -> Callable[[Parameter, str], Fraction]:
    return lambda parameter, text: Fraction(_bounded(parameter, text, read(text)))


def _rate(text: str) -> Fraction:
    """Return a rate, where zero may be meant: a pause, or the end of a ramp."""
    number = text.partition("/")[0].strip()
    if re.fullmatch(r"0+(?:\.0+)?", number) is not None:
        units.parse_rate(text.replace(number, "1", 1))
        return Fraction(0)
    return units.parse_rate(text)


def _bounded(parameter: Parameter, text: str, value: Fraction | int) -> Fraction | int:
    low, high = parameter.low, parameter.high
    if (low is not None and value < low) or (high is not None and value > high):
        raise GrammarError(f"{quoted(text)} is out of range; it goes from {_range(parameter)}")
    return value


_CONVERT: dict[ValueKind, Callable[[Parameter, str], object]] = {
    ValueKind.SIZE: _whole(units.parse_size),
    ValueKind.COUNT: _whole(units.parse_count),
    ValueKind.DURATION: _whole(units.parse_duration_ns),
    ValueKind.RATE: _exact(_rate),
    ValueKind.RATES: lambda parameter, text: tuple(_exact(_rate)(parameter, part) for part in text.split(":")),
    ValueKind.SHARE: _exact(units.parse_share),
    ValueKind.NUMBER: _exact(units.parse_number),
    ValueKind.PATH: _text,
    ValueKind.TEXT: _text,
    ValueKind.CHOICE: _choice,
}


def _shown(parameter: Parameter, value: Fraction | int) -> str:
    match parameter.value:
        case ValueKind.DURATION:
            return units.format_exact_duration(int(value))
        case ValueKind.SIZE:
            return units.format_size(int(value))
        case ValueKind.RATE | ValueKind.RATES:
            return f"{value * 86_400}/d" if 0 < value < 1 else f"{value}/s"
        case ValueKind.SHARE:
            return f"{float(value * 100):g}%"
        case _:
            return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


def _range(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(parameter.choices)
    if parameter.low is None or parameter.high is None:
        return ""
    return f"{_shown(parameter, parameter.low)} to {_shown(parameter, parameter.high)}"


def describe(kind: str) -> list[FormRow]:
    """Return the table of one of the kinds of `LANGUAGES`, a row for each form's key, for help texts and documents."""
    rows = []
    for form in LANGUAGES[kind].forms:
        if not form.parameters:
            rows.append(FormRow(form.name, form.meaning))
        for parameter in form.parameters:
            default = "required" if parameter.default is None else parameter.default or "none"
            takes = parameter.value.value
            rows.append(
                FormRow(form.name, form.meaning, parameter.name, takes, default, _range(parameter), parameter.meaning)
            )
    return rows


def markdown(kind: str) -> str:
    """Return the table of one of the kinds of `LANGUAGES` as Markdown, as it stands in the documentation."""
    lines = ["| name | key | value | default | range | meaning |", "|---|---|---|---|---|---|"]
    name = ""
    for row in describe(kind):
        if row.name != name and row.key:
            lines.append(f"| **`{row.name}`** | | | | | {row.meaning} |")
        name = row.name
        if row.key:
            shown = row.range.replace("|", "\\|")
            lines.append(f"| | `{row.key}` | {row.takes} | `{row.default}` | {shown} | {row.about} |")
        else:
            lines.append(f"| **`{row.name}`** | | | | | {row.meaning} |")
    return "\n".join(lines) + "\n"
