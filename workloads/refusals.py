"""Lines that the REPL must refuse: bytes that are not UTF-8, NUL, and lines longer than 64 KiB."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workloads.discrete import Discrete
from workloads.errors import GrammarError
from workloads.forms import MAX_LINE_BYTES
from workloads.grammar import Term

__all__ = [
    "ERROR_KINDS",
    "MAX_LINE_BYTES",
    "NOT_UTF8",
    "NUL",
    "TOO_LONG",
    "classify",
    "make_errors",
    "spoil",
    "spoiled_lengths",
]

# Truth.error indexes these; 0 is a good line.
ERROR_KINDS = ("", "not_utf8", "nul", "too_long")
NOT_UTF8, NUL, TOO_LONG = 1, 2, 3

# An over-long line exceeds the limit by 1 to this many bytes.
_EXCESS = 1024
# These bytes never occur in UTF-8, or only after a leading byte; here as Python's surrogateescape carries them.
_BAD_BYTES = ("\udcff", "\udcfe", "\udcc0", "\udc80")
_FILL = "."


def make_errors(terms: Sequence[Term]) -> Discrete | None:
    """Return the distribution of indices into `ERROR_KINDS` for parsed `errors`, or None if every line is good.

    Raises `GrammarError` if the shares add up to more than 1.
    """
    (term,) = terms
    if term.name == "even":
        shares = [term.fraction("share") / 3] * 3
    else:
        shares = [term.fraction(kind) for kind in ERROR_KINDS[1:]]
    total = sum(shares)
    if total > 1:
        text = f"the shares add up to {float(total):.6g}; together they must not exceed 1"
        raise GrammarError(text, field="errors")
    if not total:
        return None
    return Discrete(np.array([float(1 - total), *map(float, shares)]))


def spoiled_lengths(
    lengths: NDArray[np.int64], errors: NDArray[np.int8], picks: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """Return the lengths (bytes) that lines have after `spoil`, with the same picks."""
    spoiled = np.where((errors == NOT_UTF8) | (errors == NUL), np.maximum(lengths, 1), lengths)
    return np.where(errors == TOO_LONG, MAX_LINE_BYTES + 1 + (picks % _EXCESS).astype(np.int64), spoiled)


def spoil(line: str, error: int, length: int, pick: int) -> str:
    """Return a bad line of `length` bytes (from `spoiled_lengths`) with that error, made from a good one.

    A bad byte replaces the last one and is placed anywhere; an over-long line repeats the line.
    """
    raw = line.encode("utf-8", "surrogateescape").replace(b"\0", _FILL.encode()) or _FILL.encode()
    if error == TOO_LONG:
        return _fill((raw * (length // len(raw) + 1))[:length], length)
    bad = "\0" if error == NUL else _BAD_BYTES[pick % len(_BAD_BYTES)]
    rest = _fill(raw[: length - 1], length - 1)
    place = pick // len(_BAD_BYTES) % (len(rest) + 1)
    return rest[:place] + bad + rest[place:]


def _fill(raw: bytes, length: int) -> str:
    text = raw.decode("utf-8", "ignore")
    return text + _FILL * (length - len(text.encode()))


def classify(line: bytes) -> int:
    """Return the index into `ERROR_KINDS` of the reason to refuse a line, in the REPL's order; 0 for a good line."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return NOT_UTF8
    if b"\0" in line:
        return NUL
    return TOO_LONG if len(line) > MAX_LINE_BYTES else 0
