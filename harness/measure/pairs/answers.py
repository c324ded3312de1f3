"""Answers of a measured process, checked for what its parent reads of them.

The process runs code that is measured, which may have written to the pipe, or another version of this package.
"""

import json
import math
from collections.abc import Callable
from typing import Any

__all__ = ["AnswerError", "answer_in"]

_MOST = 2**63


class AnswerError(ValueError):
    """A line is no answer to the command that was sent; the text says why."""


def answer_in(line: bytes, do: str) -> dict[str, Any]:
    """Return the answer in a line to the command `do`, or what the process met, as under ``error``.

    Raises `AnswerError`.
    """
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AnswerError("it is no JSON") from error
    if not isinstance(answer, dict):
        raise AnswerError("it is no object")
    expected = _ERROR if "error" in answer else _EXPECTED.get(do, {})
    for name, is_right in expected.items():
        if not is_right(answer.get(name)):
            raise AnswerError(f"its {name} is {answer.get(name)!r:.60}")
    return answer


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _is_time(value: object) -> bool:
    """Return whether a value is a time in ns that something took."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST and math.isfinite(value)


def _are_counts(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_pairs(value: object) -> bool:
    return isinstance(value, list) and all(_are_texts(each) and len(each) == 2 for each in value)


_ERROR: dict[str, Callable[[object], bool]] = {"error": lambda value: isinstance(value, str),
                                               "kind": lambda value: isinstance(value, str)}  # fmt: skip
_EXPECTED: dict[str, dict[str, Callable[[object], bool]]] = {
    "load": {
        "ns_per_line": _is_time, "calls_per_line": lambda value: value is None or _is_count(value), "port": _is_count,
        "loaded": lambda value: value is None or _are_pairs(value),
        "search": lambda value: value is None or _are_texts(value),
    },
    "run": {"ns": _is_time, "cpu_ns": _is_count, "raised": _is_count},
    "pace": {"start_ns": _is_count, "lines": _is_count, "raised": _is_count, "cpu_ns": _is_count,
             "served": lambda value: isinstance(value, list)},
    "finish": {"evaluated": _is_count, "raised": _is_count, "shown": _are_counts, "scrapes": _is_count},
}  # fmt: skip
