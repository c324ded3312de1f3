"""Surface: documents of results and of the history, opened by the commands that read them."""

import gzip
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.attempt import ROOT, Surface, TryOne
from benchmarks.fuzz.commands import checked, dry, in_process
from benchmarks.fuzz.pieces import document_bytes, documents, short

__all__ = ["SURFACE"]

_EARLIER = ROOT / "tests" / "data" / "earlier"
_ID = "20260101T000000.000000Z-0000000000000000"
# What is done with a document: given to the report as a file, kept in the history and read from there, imported.
_USES: dict[str, list[list[str]]] = {
    "report": [["report", "given.json", "--output", "page.html"]],
    "terminal": [["report", "given.json", "--terminal"]],
    "list": [["history", "list"], ["history", "list", "--json"]],
    "show": [["history", "show", _ID]],
    "page": [["report", "--output", "page.html"]],
    "csv": [["history", "export", "--format", "csv"]],
    "openmetrics": [["history", "export", "--format", "openmetrics"]],
    "benchmark": [["history", "export", "--format", "pytest-benchmark"]],
    "check": [["check", "--no-remeasure"]],
    "import": [["history", "import", "given.json"], ["history", "list"]],
}


@cache
def _samples() -> dict[str, Any]:
    found = {
        name: json.loads(gzip.decompress((_EARLIER / f"{name}.json.gz").read_bytes()))
        for name in ("run", "comparison", "compare", "pages", "full")
    }
    found = {name: short(document) for name, document in found.items()}
    found["suite"] = {
        "datetime": "2026-01-01T00:00:00.000000", "machine_info": {"cpu": {"brand_raw": "x", "count": 2}},
        "commit_info": {"id": "abc", "branch": "main", "dirty": False},
        "benchmarks": [{"name": "a", "fullname": "b", "stats": {"mean": 1e-6, "stddev": 1e-7, "rounds": 9}}],
    }  # fmt: skip
    return found


@cache
def _envelopes() -> dict[str, Any]:
    kinds = {"run": "run", "suite": "suite"}
    return {
        name: {
            "schema_version": 1, "id": _ID, "kind": kinds.get(name, "overhead"),
            "created": "2026-01-01T00:00:00.000000Z",
            "label": "x", "fingerprint": {"machine": {"cpu": "x"}, "epoch": "0123", "versions": {}},
            "git": {"revision": "abc", "branch": "main", "dirty": False}, "sha256": "", "document": document,
        }
        for name, document in _samples().items()
    }  # fmt: skip


def _sealed(data: bytes) -> bytes:
    """Return a kept result with the digest of the document that is in it, where it can be read that far."""
    import hashlib

    try:
        whole = json.loads(data)
        text = json.dumps(whole["document"], sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        digest = hashlib.sha256(text).hexdigest().encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return data
    return data.replace(b'"sha256": ""', b'"sha256": "' + digest + b'"', 1)


def _inputs() -> SearchStrategy[Any]:
    files, kept = documents(_samples()), documents(_envelopes())
    return st.sampled_from(sorted(_USES)).flatmap(
        lambda use: st.fixed_dictionaries(
            {"use": st.just(use), "document": files if use in {"report", "terminal", "import"} else kept}
        )
    )


@contextmanager
def _opened() -> Iterator[TryOne]:
    def try_one(given: Any) -> str:
        shutil.rmtree("runs", ignore_errors=True)
        use = given["use"]
        if use in {"report", "terminal", "import"}:
            Path("given.json").write_bytes(document_bytes(given["document"], _samples()))
        else:
            Path("runs").mkdir()
            Path("runs", f"{_ID}.json").write_bytes(_sealed(document_bytes(given["document"], _envelopes())))
        outcomes = [checked(in_process(arguments)) for arguments in _USES[use]]
        return outcomes[0]

    with dry():
        yield try_one


SURFACE = Surface("results", "Documents of results and of the history", 12, _inputs, _opened)
