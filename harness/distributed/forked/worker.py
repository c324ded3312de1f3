"""One forked worker: serves pages on the socket of all, and sends the lines that it is told to.

Its parent has built the instrument and listens already. It answers, over the connection to its parent,

                                               -> {"ready"} at once
{"go": start_ns, "first", "count", "every_ns"} -> {"done": lines}, then {"record", "since_ns"}
{"windows": true}                              -> {"windows"}

and ends with the connection, with {"left": windows}.
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from typing import NoReturn

from harness.distributed.forked.journal import Journal
from harness.distributed.forked.truth import Ticks
from harness.distributed.protocol.records import state_of
from harness.distributed.protocol.wire import Message
from harness.distributed.worker import Inbox, Outbox, Reporter
from harness.incidents.triggers import Triggers
from harness.instruments.base import Instrument
from harness.load.stop import Stop
from harness.run.shard import Shard
from harness.run.spec import RunSpec
from harness.scrape.endpoint import serve

__all__ = ["Inherited", "work"]

_PR_SET_PDEATHSIG = 1
# For clients that are connected when it ends; less than `Inbox` leaves it.
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker has from the process that it was forked from."""

    spec: RunSpec
    number: int
    of: int
    instrument: Instrument
    listener: socket.socket
    self_cost_ns: float


def work(inherited: Inherited, connection: socket.socket, journal: Journal, parent: int) -> NoReturn:
    """Be a worker, in the copy, until the connection to `parent` ends; never returns."""
    code = 1
    try:
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            _serve_parent(inherited, connection, journal)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def _serve_parent(inherited: Inherited, connection: socket.socket, journal: Journal) -> None:
    endpoint = serve(inherited.instrument.registry, listener=inherited.listener)
    # Before it is its turn, so that no line waits for this.
    shard = Shard(inherited.spec, inherited.number, inherited.of)
    shard.self_cost_ns = inherited.self_cost_ns
    shard.keeping = journal.keeping
    stop, outbox = Stop(), Outbox(connection)
    inbox = Inbox(connection, stop, Triggers())
    outbox.send({"ready": True})
    while (message := inbox.next()) is not None:
        if "go" in message:
            shard.adopt(inherited.instrument, endpoint, ticks := Ticks())
            _send_lines(shard, message, ticks.since_ns, stop, outbox)
        elif "windows" in message:
            outbox.send({"windows": [list(window) for window in endpoint.windows]})
    # Whoever has asked for the page by now is answered.
    endpoint.stop(_PATIENCE_S)
    with contextlib.suppress(OSError):
        outbox.send({"left": [list(window) for window in endpoint.windows]})


def _send_lines(shard: Shard, message: Message, since_ns: int, stop: Stop, outbox: Outbox) -> None:
    reporter = Reporter(shard, outbox, message["every_ns"])
    record = shard.drive(stop, reporter, message["go"], first=message["first"], count=message["count"])
    # Another one takes over at once, and need not wait until all of this is told.
    outbox.send({"done": record.driven.ledger.offered})
    outbox.send({"record": state_of(record), "since_ns": since_ns})
