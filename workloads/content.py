"""Text of an exact byte length, cut from corpora that Faker makes once from the seed."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workloads.corpora import Corpus, make_corpus

__all__ = ["POOLED_BYTES", "VARIANTS", "Content", "make_content"]

# Lines below this length come from the pool, which has this many different cuts of each length.
POOLED_BYTES = 256
VARIANTS = 256


class Content:
    """Lines cut from one corpus.

    Cutting a string takes some 100 ns and looking one up 10 ns, so lines shorter than `POOLED_BYTES` are drawn from a
    pool of at most `VARIANTS` cuts for each length, each made once; longer ones are cut one by one at any position of
    the corpus where a word (sentence, record) starts.
    """

    __slots__ = ("_corpus", "_pool", "_ready")

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._pool = np.empty(POOLED_BYTES * VARIANTS, dtype=object)
        self._ready = np.zeros(POOLED_BYTES, dtype=bool)

    def prepare(self, lengths: NDArray[np.int64]) -> None:
        """Fill the pool for these lengths (bytes), so that `take` does not have to."""
        for length in np.unique(lengths[lengths < POOLED_BYTES]).tolist():
            if not self._ready[length]:
                first = length * VARIANTS
                # A large odd step visits places all over the corpus, and other ones for each length.
                places = range(first * 2_654_435_761, (first + VARIANTS) * 2_654_435_761, 2_654_435_761)
                self._pool[first : first + VARIANTS] = [self._corpus.cut(place, length) for place in places]
                self._ready[length] = True

    def take(self, lengths: NDArray[np.int64], picks: NDArray[np.uint32]) -> list[str]:
        """Return a line for each length (bytes), chosen by its pick, any 32 random bits. Same arguments, same lines."""
        choice = (picks & np.uint32(VARIANTS - 1)).astype(np.int64)
        short = lengths < POOLED_BYTES
        if short.all():
            if not self._ready.take(lengths).all():
                self.prepare(lengths)
            lines: list[str] = self._pool.take(lengths * VARIANTS + choice).tolist()
            return lines
        brief = np.where(short, lengths, 0)
        lines = self.take(brief, picks)
        for i in np.flatnonzero(~short).tolist():
            lines[i] = self._corpus.cut(int(picks[i]), int(lengths[i]))
        return lines


@lru_cache(maxsize=8)
def make_content(kind: str, seed: int) -> Content:
    """Return the content of one of the names of `content`; it is made once for each seed."""
    return Content(make_corpus(kind, seed))
