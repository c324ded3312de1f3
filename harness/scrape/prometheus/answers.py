"""Answers of Prometheus' HTTP API: asked for, of bounded size, and read into plain values or refused in one line."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from harness.scrape.prometheus.server import printable, prometheus_error

__all__ = ["Series", "counted", "data_of", "fetch_answer", "series_in", "understood"]

# Times of the samples in milliseconds, with their values, for the labels of each series.
Series = list[tuple[dict[str, str], list[tuple[int, float]]]]

# An answer holds 25 000 samples at most; nothing that Prometheus says to our questions is a tenth of this.
_MOST_BYTES = 64 << 20
_MOST_WORDS = 300


def fetch_answer(client: httpx.Client, path: str, parameters: Mapping[str, Any] | None) -> bytes:
    """Return the body of an answer; raises `httpx.HTTPError`, and `ValueError` for one that is too long."""
    pieces, size = [], 0
    with client.stream("GET", path, params=parameters) as response:
        for piece in response.iter_bytes():
            size += len(piece)
            if size > _MOST_BYTES:
                raise ValueError(f"more than {_MOST_BYTES >> 20} MiB came for {path}")
            pieces.append(piece)
    return b"".join(pieces)


@contextmanager
def understood() -> Iterator[None]:
    """Raise `ScraperError` where an answer does not have the form that is read inside."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_WORDS]
        raise prometheus_error(f"answered what is not understood ({reason})") from error


def data_of(body: bytes) -> Any:
    """Return the data of an answer; raises `ScraperError` for a refusal, and for what is none of its answers."""
    with understood():
        document = json.loads(body)
        status = document["status"]
        if status == "success":
            return document["data"]
        reason = printable(str(document.get("error")))[:_MOST_WORDS]
    raise prometheus_error(f"refused a query: {reason}")


def series_in(data: Any) -> Series:
    """Return the series of a range query's answer; raises `ScraperError`."""
    with understood():
        return [
            (_labels(series["metric"]), [(round(at * 1e3), float(value)) for at, value in series["values"]])
            for series in data["result"]
        ]


def counted(data: Any) -> list[tuple[dict[str, str], int]]:
    """Return labels and value of each row of an instant query's answer that counts; raises `ScraperError`."""
    with understood():
        return [(_labels(row["metric"]), int(float(row["value"][1]))) for row in data["result"]]


def _labels(given: Mapping[str, Any]) -> dict[str, str]:
    """Return labels, among them the name of the metric."""
    labels = {str(name): text for name, text in given.items()}
    if not all(isinstance(text, str) for text in labels.values()):
        raise TypeError("a label that is no text")
    return labels
