"""Surface: answers of Prometheus' HTTP API, from a real server that answers one question with nonsense."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.attempt import Surface, TryOne, refused
from benchmarks.fuzz.pieces import document_bytes, documents, pieces, to_bytes
from benchmarks.fuzz.raw_server import Answer, http_answer, serving
from harness.errors import HarnessError
from harness.scrape.scraper import Target
from harness.views import QUICKSTART_VIEWS

__all__ = ["SURFACE"]

_TARGET = Target("127.0.0.1", 9)
_LABELS = {"job": "j", "instance": "127.0.0.1:9"}
# Stands for the moment of the answer.
_NOW = 1700000000.5
_PATIENCE_S = 0.4


def _matrix(*names: str) -> dict[str, Any]:
    result = [{"metric": {"__name__": name, **_LABELS}, "values": [[_NOW, "1"]]} for name in names]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


_VIEW = QUICKSTART_VIEWS[0].family
_ANSWERS: dict[str, Any] = {
    "buildinfo": {"status": "success", "data": {"version": "2.42.0+ds"}},
    "config": {"status": "success", "data": {"yaml": "a: b"}},
    "targets": {"status": "success", "data": {"activeTargets": [
        {"labels": {"instance": "127.0.0.1:9"}, "lastError": "no", "health": "up"}]}},
    "up": _matrix("up"),
    "duration": _matrix("scrape_duration_seconds"),
    "count": {"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"__name__": _VIEW, "le": "1"}, "value": [_NOW, "2"]}]}},
    "samples": _matrix(f"{_VIEW}_bucket", f"{_VIEW}_count", _VIEW),
}  # fmt: skip


def _asked(path: str) -> str:
    """Return which of the answers a path asks for."""
    for name in ("buildinfo", "config", "targets"):
        if name in path:
            return name
    if "query=count" in path:
        return "count"
    if "query=up" in path:
        return "up"
    return "duration" if "scrape_duration_seconds" in path else "samples"


def _inputs() -> SearchStrategy[Any]:
    spoilt = st.fixed_dictionaries({"document": documents(_ANSWERS)})
    whole = [http_answer(b'{"status":"success","data":{"result":[]}}', headers="Content-Type: application/json\r\n")]
    odd = [
        "\r\n",
        "\0",
        "HTTP/9.9 ",
        "200",
        "999 ",
        "Transfer-Encoding: chunked\r\n",
        "Content-Encoding: gzip\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999\r\n",
        "Location: /\r\n",
        ":\r\n",
        "\x1b[31m",
    ]

    raw = st.fixed_dictionaries({"raw": pieces(whole, odd), "at": st.sampled_from(sorted(_ANSWERS))})
    return spoilt | raw


def _body(name: str, given: Any) -> bytes:
    document = given.get("document")
    if document is None or document["sample"] != name:
        document = {"sample": name, "edits": [], "cut": None}
    data = document_bytes(document, _ANSWERS)
    return data.replace(str(_NOW).encode(), f"{time.time():.3f}".encode())


class _Server:
    """Stands for the running server behind a scraper that shares it."""

    def __init__(self) -> None:
        self.url = ""

    def start(self, _interval_ms: int) -> "_Server":
        return self

    def config(self, _interval_ms: int) -> tuple[str, dict[str, Any]]:
        return "j", {"scrape_configs": [{}]}

    def check(self, _patience_s: float = 0.0) -> None:
        pass

    def allow(self, _timeout_ms: int) -> bool:
        return False

    def stop(self) -> None:
        pass


def _use(shared: _Server) -> str:
    from harness.scrape.prometheus.scraper import PrometheusScraper

    scraper = PrometheusScraper(50_000_000, QUICKSTART_VIEWS, shared=shared)  # type: ignore[arg-type]
    outcome = "accepted"
    try:
        scraper.start(_TARGET)
    except HarnessError as error:
        return refused(error)
    try:
        for ask in (scraper.stored, lambda: list(scraper.pages()), lambda: scraper.allow(60_000_000)):
            try:
                ask()
            except HarnessError as error:
                outcome = refused(error)
        scraper.problems()
        scraper.stats()
    finally:
        scraper.stop()
    return outcome


@contextmanager
def _opened() -> Iterator[TryOne]:
    current: dict[str, Any] = {}
    shared = _Server()

    def answer(path: str) -> Answer:
        name, given = _asked(path), current["given"]
        if given.get("at") == name:
            return [to_bytes(given["raw"])]
        return [http_answer(_body(name, given), headers="Content-Type: application/json\r\nConnection: close\r\n")]

    def try_one(given: Any) -> str:
        current["given"] = given
        return _use(shared)

    where = "harness.scrape.prometheus.scraper"
    with ExitStack() as stack:
        for name in ("PATIENCE_S", "HURRY_S", "NEWS_S"):
            stack.enter_context(patch(f"{where}.{name}", _PATIENCE_S))
        shared.url = f"http://127.0.0.1:{stack.enter_context(serving(answer))}"
        yield try_one


SURFACE = Surface("prometheus", "Answers of Prometheus' HTTP API", 6, _inputs, _opened)
