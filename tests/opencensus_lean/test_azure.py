"""Azure Monitor's exporter, which asks for metrics now and then, while recording is lean; audited at its endpoint."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opencensus.ext.azure.metrics_exporter", reason="opencensus-ext-azure is not installed")

ROOT = Path(__file__).parents[2]
LONG = 60
PROGRAM = ROOT / "tests" / "opencensus_lean" / "azure_program.py"
Series = tuple[str, frozenset[tuple[str, str]]]
Books = list[tuple[str | None, list[float]]]


class Ingestion(ThreadingHTTPServer):
    """A stand-in for Application Insights on loopback: keeps what each request carried and accepts it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[list[dict[str, Any]]] = []
        self.paths: set[str] = set()
        self.filled = threading.Event()

    def exports(self) -> list[dict[Series, float]]:
        """Return what each request said of each series; fails where one names a series twice."""
        found = []
        for envelopes in self.requests:
            values: dict[Series, float] = {}
            for envelope in envelopes:
                data = envelope["data"]["baseData"]
                (metric,) = data["metrics"]
                series = metric["name"], frozenset(data["properties"].items())
                assert series not in values
                values[series] = metric["value"]
            found.append(values)
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Ingestion

    def do_POST(self) -> None:
        envelopes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(envelopes)
        self.server.paths.add(self.path)
        body = json.dumps({"itemsReceived": len(envelopes), "itemsAccepted": len(envelopes), "errors": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.filled.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def ingestion() -> Iterator[Ingestion]:
    with Ingestion() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def exported(server: Ingestion) -> Books:
    """Run the program against the endpoint, let it go on after each of three exports, and return its own books."""
    connection = (
        "InstrumentationKey=12345678-1234-5678-abcd-12345678abcd;"
        f"IngestionEndpoint=http://127.0.0.1:{server.server_address[1]}"
    )
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    with subprocess.Popen(
        [sys.executable, PROGRAM, connection],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # The exporter's own telemetry goes to a host of its maker; nothing may leave this machine.
        env={**environment, "PYTHONPATH": str(ROOT), "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true"},
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            for _ in range(3):
                assert process.stdout.readline() == "recording\n"
                server.filled.clear()
                assert server.filled.wait(LONG), "nothing was exported"
                process.stdin.write("\n")
                process.stdin.flush()
            books: Books = json.loads(process.stdout.readline())
            assert process.wait(LONG) == 0
        finally:
            process.kill()
    return books


def truth_of(books: Books) -> dict[Series, float]:
    """Return what every series must be at the end, but for the last values."""
    truth: dict[Series, float] = {("all", frozenset()): sum(len(values) for _, values in books)}
    for kind, values in books:
        # Azure's exporter writes a missing tag so.
        tags = frozenset({("kind", kind or "null")})
        truth["lines", tags] = len(values)
        truth["bytes", tags] = 8 * len(values)
        truth["seconds", tags] = float(sum(map(Fraction, values)))
    return truth


def test_what_azure_receives_is_what_was_recorded() -> None:
    """The last export has the counts and the sums, of whole numbers and of fractions, exact by tag."""
    with ingestion() as server:
        books = exported(server)
        exports = server.exports()
    assert server.paths == {"/v2.1/track"}
    assert len(exports) >= 3
    last = exports[-1]
    assert {series: value for series, value in last.items() if series[0] != "latest"} == truth_of(books)
    for kind, values in books:
        # Of several threads under one tag nobody knows which came last.
        possible = values[-1:] if "own" in (kind or "") else values
        assert last["latest", frozenset({("kind", kind or "null")})] in possible
    for before, after in zip([{}, *exports], exports, strict=False):
        assert all(after[series] >= value for series, value in before.items() if series[0] != "latest"), "it fell"
        lines = {tags: value for (name, tags), value in after.items() if name == "lines"}
        assert all(after["bytes", tags] == 8 * value for tags, value in lines.items()), "half a record was exported"
        assert after["all", frozenset()] == sum(lines.values()), "the views are of different instants"
