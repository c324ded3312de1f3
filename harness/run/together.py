"""The same call for many workers at the same time, from threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["together"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def together(function: Callable[[_Item], _Result], items: Sequence[_Item], at_once: int) -> list[_Result]:
    """Return what `function` returns for each item, in their order; at most `at_once` calls run at the same time.

    Raises what the first of the items raised. Then, and on an interruption, calls that have not begun are given up and
    those under way are not waited for: whoever catches it has to see to their end.
    """
    if len(items) == 1:
        return [function(items[0])]
    pool = ThreadPoolExecutor(max(1, min(len(items), at_once)), thread_name_prefix="harness-together")
    try:
        return [call.result() for call in [pool.submit(function, item) for item in items]]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
