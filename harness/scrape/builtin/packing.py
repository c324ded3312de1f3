"""Compact storage of scraped pages: each as its difference from the one before, compressed."""

import json
import zlib
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from harness.exposition.page import SeriesShown, Shown
from harness.views import Tags

__all__ = ["PageStore", "StoredPage", "pack", "unpack"]

# Quick rather than small: the asker works beside the program under load.
_LEVEL = 1

BUDGET_BYTES = 64 << 20


def pack(shown: Shown, before: Shown | None = None) -> bytes:
    """Return the difference of `shown` from `before`; everything where there is nothing before."""
    before = before or {}
    changed = [
        [view, tags, series.count, series.total, series.surplus, list(series.cumulative.items())]
        for view, by_tags in shown.items()
        for tags, series in by_tags.items()
        if before.get(view, {}).get(tags) != series
    ]
    gone = [[view, tags] for view, by_tags in before.items() for tags in by_tags if tags not in shown.get(view, {})]
    text = json.dumps([list(shown), changed, gone], separators=(",", ":"))
    return zlib.compress(text.encode(), _LEVEL)


def unpack(packed: bytes, before: Shown | None = None) -> Shown:
    """Return the page that was packed with the same `before`."""
    views, changed, gone = json.loads(zlib.decompress(packed))
    shown = {view: dict((before or {}).get(view, {})) for view in views}
    for view, tags in gone:
        shown[view].pop(Tags(*tags))
    for view, tags, count, total, surplus, cumulative in changed:
        shown[view][Tags(*tags)] = SeriesShown(count, total, dict(map(tuple, cumulative)), surplus)
    return shown


class StoredPage(NamedTuple):
    """A packed page, requested at `begin_ns` and read by `end_ns`, both in ``time.monotonic_ns``."""

    begin_ns: int
    end_ns: int
    packed: bytes


class PageStore:
    """The last pages, as many as fit into `budget_bytes`."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget_bytes = budget_bytes
        self._size_bytes = 0
        self._pages: deque[StoredPage] = deque()
        self._base: Shown = {}  # before the oldest page that is kept
        self._last: Shown = {}

    @property
    def last(self) -> Shown:
        """The newest page."""
        return self._last

    def add(self, begin_ns: int, end_ns: int, shown: Shown) -> None:
        """Store a page; the oldest ones are discarded when there is no more room."""
        page = StoredPage(begin_ns, end_ns, pack(shown, self._last))
        self._last = shown
        self._pages.append(page)
        self._size_bytes += len(page.packed)
        while self._size_bytes > self._budget_bytes and len(self._pages) > 1:
            oldest = self._pages.popleft()
            self._base = unpack(oldest.packed, self._base)
            self._size_bytes -= len(oldest.packed)

    def packed(self) -> Iterator[StoredPage]:
        """Yield the pages, oldest first; the first is whole, each other one the difference from the one before."""
        for number, page in enumerate(self._pages):
            if number == 0:
                yield page._replace(packed=pack(unpack(page.packed, self._base)))
            else:
                yield page
