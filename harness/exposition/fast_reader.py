"""Fast reader of plain sample lines, which are most of a metrics page.

prometheus-client's parsers take 35 to 50 µs a sample. This one takes about a tenth of it, and refuses every page with
a line it does not know to the letter: exemplars, timestamps with a fraction, quoted names. Such a page is left to the
library's parsers, so what is unusual is always judged by them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["NotPlain", "Sample", "plain_samples"]

_VALUE = r"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|Inf|NaN)"
# A sample with at most a whole number as its timestamp, which is left out: nothing here depends on it.
_LINE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{(.*)\}})? ({_VALUE})(?: -?[0-9]+)?")
_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n]*(?:\\["\\n][^"\\\n]*)*)"')
_COMMENT = re.compile(
    r"# (?:HELP [^ \t]+(?:[ \t].*)?|TYPE [^ \t]+ [a-z]+|UNIT [^ \t]+ [^ \t]+|EOF)|#(?! *(?:HELP|TYPE|UNIT|EOF)).*"
)
# Where le= ends another label's value, its quote is followed by a comma or nothing, never by a number.
_BOUND = re.compile(r'(?:^|,)le="([+-]?(?:[0-9.]+(?:e[+-]?[0-9]+)?|Inf))"')
_ESCAPE = re.compile(r"\\(.)")
_MEANING = {"n": "\n"}

# Texts of values and labels repeat; beyond so many different ones, keeping them would cost more than it saves.
_KEPT = 100_000
# Characters that are split into lines at a time.
_AT_ONCE = 1 << 20


class Sample(NamedTuple):
    """One line of a page: a sample's name, its labels and its value."""

    name: str
    labels: Mapping[str, str]
    value: float


class NotPlain(ValueError):  # noqa: N818 - no error, but the sign to take the library's parser
    """A page holds a line that this reader does not know."""


def plain_samples(text: str) -> Iterator[Sample]:
    """Yield the samples of a page in either format, in its order; raises `NotPlain` at the first line it cannot read.

    Descriptions and other comments are left out.
    """
    match_line, values, sets = _LINE.fullmatch, dict[str, float](), dict[str, dict[str, str]]()
    for line in _lines(text):
        if not line:
            continue
        if line[0] == "#":
            if _COMMENT.fullmatch(line) is None:
                raise NotPlain(line[:60])
            continue
        result = match_line(line)
        if result is None:
            raise NotPlain(line[:60])
        name, labels, written = result.groups()
        value = values.get(written)
        if value is None:
            value = float(written)
            if len(values) < _KEPT:
                values[written] = value
        yield Sample(name, _labels(labels, sets) if labels else {}, value)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text; all of them at once would take twice the memory of the text itself."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _AT_ONCE)
        end = len(text) if end < 0 else end
        yield from text[start:end].split("\n")
        start = end + 1


def _labels(text: str, sets: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the labels; `sets` keeps those read before, by their text without the bound of a bucket.

    The buckets of a series differ in nothing else, and so all but the first are read by looking them up.
    """
    bound = _BOUND.search(text)
    if bound is None:
        rest = text
    else:
        rest = text[: bound.start()] + text[bound.end() :]
        rest = rest.removeprefix(",")
    labels = sets.get(rest)
    if labels is None:
        labels = _pairs(rest)
        if len(sets) < _KEPT:
            sets[rest] = labels
    if bound is None:
        return labels
    if "le" in labels:
        raise NotPlain(text[:60])
    return {**labels, "le": bound[1]}


def _pairs(text: str) -> dict[str, str]:
    pairs = _PAIR.findall(text)
    labels = dict(pairs)
    # Written again they are the text, or something was skipped; a comma at the end is allowed.
    again = ",".join(f'{name}="{value}"' for name, value in pairs)
    if len(labels) != len(pairs) or text not in {again, again + ","}:
        raise NotPlain(text[:60])
    if "\\" in text:
        return {name: _ESCAPE.sub(_unescaped, value) for name, value in labels.items()}
    return labels


def _unescaped(escape: "re.Match[str]") -> str:
    return _MEANING.get(escape[1], escape[1])
