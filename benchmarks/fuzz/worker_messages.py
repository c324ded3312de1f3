"""Surfaces: what workers say, those of a distributed run to their coordinator and measured ones to their parent."""

import base64
import contextlib
import json
import os
import random
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.attempt import Surface, TryOne, refused
from benchmarks.fuzz.pieces import document_bytes, documents, pieces, to_bytes
from harness.errors import HarnessError

__all__ = ["DISTRIBUTED", "MEASURED", "WIRE"]

_HEAD = struct.Struct("!IQ")
_PLAIN = [b'{"record": {"$array": "int64", "shape": [2]}}', b'{"now_ns": 1}', b"{}"]
_ODD = ["{", "[" * 900, "null", "1e999", "NaN", '"\\ud800"', "-1", "Infinity", "9" * 5000, "\xff", "[1, Infinity]",
        "[0, 99999999999999999999]", "[9e99]", '["2"]', "[null]", "{}", '"int64"', '"object"', '["int64"]',
        "[[1]]"]  # fmt: skip


def _framed(text: bytes, blob: bytes) -> bytes:
    return _HEAD.pack(len(text), len(blob)) + text + blob


# What comes in over the wire, as bytes.


def _wire_inputs() -> SearchStrategy[Any]:
    text = pieces(_PLAIN, _ODD)
    framed = st.fixed_dictionaries({"text": text, "blob": st.integers(0, 40)})
    heads = [_framed(each, b"") for each in _PLAIN]
    return framed | st.fixed_dictionaries({"bytes": pieces(heads, ["\0", "\xff", "\xff" * 12, "\x7f", "{}"])})


@contextmanager
def _wire() -> Iterator[TryOne]:
    from harness.distributed.protocol.wire import Incoming, receive

    def try_one(given: Any) -> str:
        data = to_bytes(given["bytes"]) if "bytes" in given else _framed(to_bytes(given["text"]), bytes(given["blob"]))
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            with contextlib.suppress(OSError):
                here.send(data)
            here.close()
            there.settimeout(1.0)
            try:
                list(Incoming().add(data))
                while receive(there) is not None:
                    pass
            except HarnessError as error:
                return refused(error)
            except ConnectionError:
                return "refused"
        return "accepted"

    yield try_one


# A coordinator and one worker that answers one question with nonsense.


def _plain(value: Any) -> Any:
    """Return a message with its arrays as plain text, so that it can be kept and edited as JSON."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(value.tobytes()).decode("ascii")
        return {"$numbers": value.dtype.name, "shape": list(value.shape), "data": data}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _with_arrays(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_arrays(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$numbers" not in value:
        return {key: _with_arrays(each) for key, each in value.items()}
    try:
        data = base64.b64decode(value["data"])
        return np.frombuffer(data, dtype=np.dtype(value["$numbers"])).reshape(value["shape"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return value


def _spec() -> Any:
    from harness.run.spec import RunSpec

    return RunSpec(
        count=3, arrivals="constant:rate=1k/s", scraper="none", instrument="prometheus-client", content="words"
    )


@cache
def _said() -> dict[str, Any]:
    """Return what a real worker says during a run, message by message."""
    from benchmarks.scale.fake_workers import record_run
    from harness.distributed.worker import boot_id, versions

    state, reports, _ = record_run(_spec())
    return {
        "hello": {"hello": "TOKEN", "number": 0, "pid": os.getpid(), "host": "a", "boot": boot_id(),
        "versions": versions()},
        "probe": {"now_ns": 5_000_000_000, "wall_ns": 1_700_000_000_000_000_000},
        "open": {"address": "127.0.0.1", "port": 9, "excluded": {}},
        "cost": {"self_cost_ns": 250.0},
        "windows": {"windows": [[1, 2, 200, True]]},
        "snapshot": _plain(reports[-1]) if reports else {"snapshot": {}},
        "record": _plain({"record": state}),
        "rest": {"rest_ns": [1, 2, 3]},
    }  # fmt: skip


class _Liar:
    """Starts one worker, a thread of this process, that answers as told; see `WorkerLauncher`."""

    address = "127.0.0.1"

    def __init__(self, given: Any) -> None:
        self._given = given
        self._thread: threading.Thread | None = None

    def start(self, port: int, token: str, count: int) -> None:  # noqa: ARG002 - the protocol's
        self._thread = threading.Thread(target=self._run, args=(port, token), name="fuzz-worker", daemon=True)
        self._thread.start()

    def reason(self, _number: int) -> str:
        return "" if self._thread is None or self._thread.is_alive() else "has ended"

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join(2.0)

    def _message(self, name: str, **changes: Any) -> bytes:
        from harness.distributed.protocol.wire import encode

        spoilt = self._given["document"]
        document = spoilt if spoilt["sample"] == name else {"sample": name, "edits": [], "cut": None}
        text = document_bytes(document, _said())
        for word, value in changes.items():
            text = text.replace(f'"{word}"'.encode(), json.dumps(value).encode())
        try:
            return encode(_with_arrays(json.loads(text)))
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError, AttributeError):
            return _framed(text, b"")

    def _run(self, port: int, token: str) -> None:
        from harness.distributed.protocol.wire import WireError, receive

        with contextlib.suppress(OSError, WireError), socket.create_connection(("127.0.0.1", port)) as peer:
            peer.settimeout(4.0)
            peer.sendall(self._message("hello", TOKEN=token))
            while (asked := receive(peer)) is not None:
                name = next((name for name in ("probe", "open", "cost", "windows", "rest") if name in asked), "")
                if name:
                    peer.sendall(self._message(name))
                elif "go" in asked:
                    peer.sendall(self._message("snapshot") + self._message("record"))
                # Afterwards it is silent, and its connection ends: what was not understood is not waited for.
                if "go" in asked:
                    peer.settimeout(0.3)


class _Observer:
    def phase(self, text: str) -> None:
        """Hear nothing."""

    def progress(self, *_args: Any) -> None:
        """Hear nothing."""


def _distributed_inputs() -> SearchStrategy[Any]:
    return st.fixed_dictionaries({"document": documents(_said())})


@contextmanager
def _distributed() -> Iterator[TryOne]:
    from harness.distributed.coordinator import Fleet
    from harness.run.execute import execute

    def try_one(given: Any) -> str:
        try:
            result = execute(_spec(), _Observer(), lambda spec: Fleet(spec, 1, _Liar(given)))
            json.dumps(result.document())
        except HarnessError as error:
            return refused(error)
        return "accepted"

    # Made before the time of an input begins.
    _said()
    with ExitStack() as stack:
        where = "harness.distributed.coordinator"
        for name, value in {"_START_S": 2.0, "_START_EACH_S": 0.0, "_ANSWER_S": 1.0, "_LEAD_NS": 1_000_000}.items():
            stack.enter_context(patch(f"{where}.{name}", value))
        stack.enter_context(patch("harness.distributed.silence._RESULT_S", 1.0))
        yield try_one


# A measured process that answers its parent with nonsense.

_ANSWERS: dict[str, Any] = {
    "load": {"ready": 5, "ns_per_line": 1000.0, "calls_per_line": 3, "port": 0, "loaded": [], "search": []},
    "pin": {},
    "run": {"ns": 10_000_000, "cpu_ns": 9_000_000, "raised": 0},
    "finish": {"evaluated": 100, "raised": 0, "shown": {"a": 100}, "scrapes": 0},
    "error": {"error": "it failed", "kind": "UsageError", "field": "target", "value": "x"},
}


def _measured_inputs() -> SearchStrategy[Any]:
    return st.fixed_dictionaries({"document": documents(_ANSWERS), "which": st.integers(0, 6)})


def _lines(given: Any) -> bytes:
    names = ["load", "pin", "run", "run", "run", "run", "finish"]
    spoilt = given["document"]
    lines = [json.dumps(_ANSWERS[name]).encode() for name in names]
    which = given["which"] if spoilt["sample"] == "error" else names.index(spoilt["sample"])
    lines[which] = document_bytes(spoilt, _ANSWERS)
    return b"\n".join(lines) + b"\n"


def _measure(program: str) -> None:
    from harness.measure.inputs import lines_for
    from harness.measure.pairs.pair import BlockPlan, measure_pair
    from harness.measure.pairs.side import cores, start_sides
    from harness.measure.subject import Subject

    subject = Subject(python=program)
    with ExitStack() as stack:
        sides = start_sides(stack, [subject, subject], random.Random(1), grace_s=1.0)  # noqa: S311 - no secret
        for side in sides:
            side.load(lines_for(1), cores())
        for side in sides:
            side.loaded()
        measure_pair(sides[0], sides[1], BlockPlan(3), random.Random(1))  # noqa: S311 - no secret


@contextmanager
def _measured() -> Iterator[TryOne]:
    with tempfile.TemporaryDirectory(prefix="harness-fuzz-") as folder:
        said, program = Path(folder, "said"), Path(folder, "program")
        program.write_text(f"#!/bin/sh\ncat '{said}'\nexec sleep 20\n", encoding="ascii")
        program.chmod(0o700)

        def try_one(given: Any) -> str:
            said.write_bytes(_lines(given))
            try:
                _measure(str(program))
            except HarnessError as error:
                return refused(error)
            return "accepted"

        yield try_one


WIRE = Surface("wire", "Messages between coordinator and workers, as bytes", 4, _wire_inputs, _wire)
DISTRIBUTED = Surface("workers", "Messages of a distributed run's workers, in whole runs", 1, _distributed_inputs,
                      _distributed)  # fmt: skip
MEASURED = Surface("measured", "Answers of measured processes to their parent", 2, _measured_inputs, _measured)
