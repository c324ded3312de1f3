"""Sources of lines: drawn lengths with cut content, or a file's own lines."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workloads import files, grammar
from workloads.content import Content, make_content
from workloads.errors import GrammarError
from workloads.grammar import Term
from workloads.lengths import Lengths, make_lengths
from workloads.refusals import classify

__all__ = ["Drawn", "Replayed", "Source", "make_source"]


class Source(Protocol):
    """Lines at any position of the workload."""

    @property
    def total(self) -> int | None:
        """The number of lines before they repeat; None if they never end."""

    def lengths(self, first: int, raw: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Return bytes and own error (index into ``ERROR_KINDS``) of the lines from `first`, one for each raw word."""

    def take(self, first: int, step: int, lengths: NDArray[np.int64], picks: NDArray[np.uint32]) -> list[str]:
        """Return lines first, first + step, … given their lengths from above and 32 random bits for each."""


class Drawn:
    """Lengths from a distribution, text from a corpus."""

    total = None

    def __init__(self, lengths: Lengths, content: Content) -> None:
        self._lengths = lengths
        self._content = content
        content.prepare(lengths.possible)

    def lengths(self, _first: int, raw: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Draw one length from each word."""
        return self._lengths.draw(raw), np.zeros(raw.size, dtype=np.int8)

    def take(self, _first: int, _step: int, lengths: NDArray[np.int64], picks: NDArray[np.uint32]) -> list[str]:
        """Take text of these lengths."""
        return self._content.take(lengths, picks)


class Replayed:
    """A file's own lines in order, repeated from the start after the last."""

    def __init__(self, lines: list[bytes]) -> None:
        self.total = len(lines)
        self._lengths = np.array([len(line) for line in lines], dtype=np.int64)
        self._errors = np.array([classify(line) for line in lines], dtype=np.int8)
        self._lines = np.fromiter(
            (line.decode("utf-8", "surrogateescape") for line in lines), dtype=object, count=len(lines)
        )

    def lengths(self, first: int, raw: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Look up the lengths and errors; nothing is random."""
        where = (first + np.arange(raw.size)) % self.total
        return self._lengths[where], self._errors[where]

    def take(self, first: int, step: int, lengths: NDArray[np.int64], _picks: NDArray[np.uint32]) -> list[str]:
        """Look up the lines."""
        where = (first + step * np.arange(lengths.size)) % self.total
        lines: list[str] = self._lines[where].tolist()
        return lines


def make_source(lengths: str, content: str, seed: int, bounds: tuple[float, ...]) -> Source:
    """Return the source of `lengths` and `content`; raises `GrammarError` of the one at fault."""
    terms = grammar.parse("lengths", lengths)
    if any(term.name == "replay" for term in terms):
        if len(terms) > 1:
            raise GrammarError("replay sends a file's own lines and cannot be mixed; use empirical", field="lengths")
        return _replayed(terms[0])
    (kind,) = grammar.parse("content", content)
    return Drawn(make_lengths(terms, bounds), make_content(kind.name, seed))


def _replayed(term: Term) -> Replayed:
    path, low, high = term.text("path"), term.integer("min"), term.integer("max")
    try:
        stored = [line for line in files.read_lines(path) if low <= len(line) <= high]
    except GrammarError as error:
        raise GrammarError(str(error), field="lengths", value="replay") from None
    if not stored:
        text = f"no line of {grammar.quoted(path)} has {low} to {high} bytes"
        raise GrammarError(text, field="lengths", value="replay")
    return Replayed(stored)
