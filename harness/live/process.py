"""The process of the live page: it serves what comes in, and hands out what buttons ask for.

Run as ``python -m harness.live.process ABOUT``, where ABOUT is one JSON object (see `harness.live.messages.about_run`)
with the ``port`` to serve on and whether to ``open`` a browser. Messages come in on standard input, one JSON object a
line. It prints one line of JSON for each thing that the run has to know: ``url`` once it serves, or ``error``; then
``trigger`` and ``close`` as buttons ask for them. It ends soon after its input does, which the system closes however
its parent ends.
"""

import contextlib
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.live.server import LiveServer
from harness.live.state import LiveState

__all__ = ["main"]

_GLANCE_S = 0.5
# For browsers to read the last events and answers.
_FAREWELL_S = 1.0
_NICENESS = 10
_PIECE_BYTES = 1 << 16


def _messages(source: int, parent: int) -> Iterator[dict[str, Any]]:
    """Yield what comes in until the input ends or the parent is gone; a fork of it may hold the pipe open."""
    unread = b""
    while os.getppid() == parent:
        readable, _, _ = select.select([source], [], [], _GLANCE_S)
        if not readable:
            continue
        piece = os.read(source, _PIECE_BYTES)
        if not piece:
            return
        *lines, unread = (unread + piece).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if isinstance(message, dict):
                yield message


def _asker(target: int) -> Callable[[Mapping[str, Any]], bool]:
    """Return what writes a line into the pipe and returns whether it had room: a short line is written whole or not."""
    os.set_blocking(target, False)

    def ask(wish: Mapping[str, Any]) -> bool:
        try:
            os.write(target, json.dumps(wish).encode() + b"\n")
        except OSError:
            return False
        return True

    return ask


def _private_pipes() -> tuple[int, int]:
    """Return standard input and output under other numbers, which a browser that is started does not inherit."""
    pipes = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return pipes


def _open(url: str) -> bool:
    """Let a browser open its window, and return whether there is one.

    A text browser would take the run's terminal. Some programs return when their window is closed.
    """
    import webbrowser

    os.environ.pop("TERM", None)
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    threading.Thread(target=browser.open, args=(url,), name="harness-open", daemon=True).start()
    return True


def _let_the_run_go_first() -> None:
    """Wait for the run that is measured where there are too few cores; holds for threads that are started later.

    Linux gives a niceness and a policy to each thread. One of ``SCHED_BATCH`` does not take a core from a thread of
    the usual policy when it wakes, as it does whenever the run has written to it.
    """
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main(arguments: list[str]) -> int:
    """Serve until the input ends."""
    about: dict[str, Any] = json.loads(arguments[0])
    parent = os.getppid()
    for unwanted in (signal.SIGINT, signal.SIGHUP):
        signal.signal(unwanted, signal.SIG_IGN)
    source, target = _private_pipes()
    ask, state = _asker(target), LiveState(about)
    try:
        server = LiveServer(about["port"], about, state, ask)
    except (OSError, OverflowError) as error:
        ask({"error": getattr(error, "strerror", None) or str(error), "code": getattr(error, "errno", None)})
        return 1
    # A browser that is opened is not of lower priority, and threads that serve are: connections wait meanwhile.
    ask({"url": server.url, "opened": _open(server.url) if about.get("open") else None})
    _let_the_run_go_first()
    threading.Thread(target=server.serve_forever, name="harness-live", daemon=True).start()
    for message in _messages(source, parent):
        state.take(message)
    state.close()
    until = time.monotonic() + _FAREWELL_S
    while (state.watchers or server.answering) and time.monotonic() < until:
        time.sleep(0.01)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Threads may still wait for browsers that have stopped reading.
    os._exit(code)
