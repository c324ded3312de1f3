"""The run's end of its live page: the process that serves it is started, told, asked, and ended.

All of it happens in the thread that calls, and nothing waits while lines are sent: what the pipe has no room for is
dropped, and what buttons asked for is read when there is time.
"""

import errno
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import IO, Any, Self, cast

from harness.children import ISOLATED, end_group, has_ended, own_folder, python_path
from harness.errors import EndpointError, RunError
from harness.interrupts import uninterrupted

__all__ = ["LivePage"]

_START_S = 30.0
# For what was told last to reach the browsers, when the run is over.
_FLUSH_S = 1.0
_END_S = 2.0
_PIECE_BYTES = 1 << 16
# Of what must not be dropped, such as the result; more than that nobody has read for minutes.
_MOST_UNSENT = 4 << 20


class LivePage:
    """A live page that is being served; ended by `close` or by leaving its ``with`` block.

    `about` is what `harness.live.messages.about_run` returns, `port` 0 takes any free one, and `open_browser` opens the
    page in the user's browser. Raises `EndpointError` of ``live_port`` where nothing can be served there, `RunError`
    where the process does not start.
    """

    def __init__(self, about: Mapping[str, Any], port: int = 0, *, open_browser: bool = False) -> None:
        self._unsent = b""
        self._unread = b""
        self._closed = False
        self.url = ""
        # Whether a browser could be opened; None where none was asked for.
        self.opened: bool | None = None
        # Whether the process has ended by itself; then the run goes on without it.
        self.gone = False
        self._process = _started({**about, "port": port, "open": open_browser})
        try:
            self._await(port)
        except BaseException:
            self._end()
            raise

    @property
    def pid(self) -> int:
        """The process that serves the page."""
        return self._process.pid

    @property
    def _input(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdin)

    @property
    def _output(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdout)

    def _await(self, port: int) -> None:
        """Wait for the address that the process prints first."""
        until = time.monotonic() + _START_S
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)
        while not self.gone:
            for message in self.wishes(max(0.0, until - time.monotonic())):
                if "url" not in message:
                    raise _refusal(message, port)
                self.url, self.opened = str(message["url"]), message.get("opened")
                return
            if time.monotonic() >= until:
                raise RunError(f"the live page's process said nothing within {_START_S:.0f} s")
        raise RunError("the live page's process ended at once")

    def tell(self, message: Mapping[str, Any], *, droppable: bool = False) -> bool:
        """Hand a message on and return whether it will arrive; never waits.

        A `droppable` one is dropped where earlier ones still wait for room in the pipe; others wait with them.
        """
        if self.gone or self._closed:
            return False
        self._flush()
        if (droppable and self._unsent) or len(self._unsent) > _MOST_UNSENT:
            return False
        self._unsent += json.dumps(message).encode() + b"\n"
        self._flush()
        return not self.gone

    def _flush(self) -> None:
        while self._unsent:
            try:
                written = os.write(self._input.fileno(), self._unsent)
            except BlockingIOError:
                return
            except OSError:
                self.gone = True
                self._unsent = b""
                return
            self._unsent = self._unsent[written:]

    def wishes(self, within_s: float = 0.0) -> list[dict[str, Any]]:
        """Return what buttons have asked for since the last call, waiting up to `within_s` seconds for the first."""
        if self.gone or self._closed:
            return []
        source = self._output.fileno()
        if within_s:
            select.select([source], [], [], within_s)
        try:
            piece = os.read(source, _PIECE_BYTES)
        except BlockingIOError:
            return []
        if not piece:
            self.gone = True
        *lines, self._unread = (self._unread + piece).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait_closed(self, limit_s: float) -> bool:
        """Return True when the page's button for it is pressed, False after `limit_s` seconds or when it has ended."""
        until = time.monotonic() + limit_s
        while not self.gone and (left_s := until - time.monotonic()) > 0:
            self._flush()
            if any("close" in wish for wish in self.wishes(min(left_s, 0.2 if self._unsent else left_s))):
                return True
        return False

    def close(self) -> None:
        """End the process, once it has read everything; may be called again."""
        if self._closed:
            return
        until = time.monotonic() + _FLUSH_S
        while self._unsent and not self.gone and (left_s := until - time.monotonic()) > 0:
            select.select([], [self._input.fileno()], [], left_s)
            self._flush()
        self._end()

    def _end(self) -> None:
        self._closed = True
        self._unsent = b""
        self._input.close()
        has_ended(self._process, _END_S)
        end_group(self._process)
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _started(about: Mapping[str, Any]) -> "subprocess.Popen[bytes]":
    try:
        with uninterrupted():
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *ISOLATED, "-m", "harness.live.process", json.dumps(about)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, "PYTHONPATH": python_path(own_folder())},
                # Ctrl-C on the terminal is for the run, which ends its page when it is done with it.
                process_group=0,
            )
    except OSError as error:
        raise RunError(f"the live page's process does not start: {error.strerror}") from error


def _refusal(answer: Mapping[str, Any], port: int) -> EndpointError:
    code = answer.get("code")
    if code == errno.EADDRINUSE:
        text = f"{port} is already in use on 127.0.0.1; choose another, or 0 for any free one"
    elif code in (errno.EACCES, errno.EPERM):
        text = f"{port} may not be used without privileges; choose one from 1024, or 0 for any free one"
    else:
        text = f"the live page cannot be served on port {port}: {str(answer.get('error')).lower()}"
    return EndpointError(text, field="live_port")
