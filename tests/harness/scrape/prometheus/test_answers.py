"""An answer of Prometheus is read, or refused in one line that says why."""

import json
from typing import Any

import pytest

from harness.errors import ScraperError
from harness.scrape.prometheus.answers import counted, data_of, series_in


def test_answers_are_read() -> None:
    """Series with times in milliseconds, and counts by their labels."""
    assert data_of(b'{"status": "success", "data": {"a": 1}}') == {"a": 1}
    series = {"result": [{"metric": {"a": "b"}, "values": [[1.5, "2"], [2, "NaN"]]}]}
    ((labels, values),) = series_in(series)
    assert labels == {"a": "b"}
    assert [at for at, _ in values] == [1500, 2000]
    assert counted({"result": [{"metric": {}, "value": [1, "3"]}]}) == [({}, 3)]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"status": "success"}', b"[" * 100_000, b'{"status": "error"}', b"\xff"],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    """In one line."""
    with pytest.raises(ScraperError) as refused:
        data_of(body)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        None, [], {}, {"result": None}, {"result": [None]}, {"result": [{}]}, {"result": [{"metric": [],
        "values": []}]},
        {"result": [{"metric": {"a": 1}, "values": []}]}, {"result": [{"metric": {}, "values": [[1]], "value": [1]}]},
        {"result": [{"metric": {}, "values": [["1", "2"]], "value": [1, "x"]}]},
        {"result": [{"metric": {}, "values": [[float("inf"), "2"]], "value": [1, "inf"]}]},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_data_of_another_form_is_refused(data: Any) -> None:
    """By either reader."""
    for read in (series_in, counted):
        with pytest.raises(ScraperError, match="not understood"):
            read(data)
