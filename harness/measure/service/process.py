"""The measured service: uvicorn with an application that records each request, and a heartbeat on its event loop.

Commands and answers are lines of JSON on standard input and output:

{"do": "start", "deployment", "series", "core", "home", "folder", "gateway"} -> {"port", "metrics_port"}
{"do": "beat", "start_ns", "interval_ns", "count"}                           -> {}
{"do": "finish", "file"}                                                     -> {"beats", "recorded"}

`finish` writes the lags of the beats to `file`, int64 in ns. An answer {"error", "kind"} ends the process, and so do
the end of its input and the death of its parent.
"""

import asyncio
import json
import os
import socket
import sys
import time
from typing import Any

import uvicorn

from harness.errors import HarnessError, UsageError, to_answer
from harness.measure.service.deployments import (
    Deployment,
    Receive,
    Scope,
    Send,
    Surroundings,
    load_deployment,
    paths_for,
    respond,
)
from harness.measure.service.heartbeat import Heartbeat
from harness.measure.worker.blocks import die_with_parent, private_output

__all__ = ["main"]

# Idle connections of the sender outlive a stall.
_KEEP_ALIVE_S = 600
_BACKLOG = 512
_LISTENING_S = 10.0


class _Service:
    """The application, its server and its heartbeat, on the running event loop."""

    def __init__(self) -> None:
        self.recorded = 0
        self._deployment: Deployment | None = None
        self._heartbeat: Heartbeat | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one command."""
        if command["do"] == "start":
            return await self._start(command)
        if self._deployment is None:
            raise UsageError("a service must start first")
        if command["do"] == "beat":
            loop = asyncio.get_running_loop()
            self._heartbeat = Heartbeat(loop, command["start_ns"], command["interval_ns"], command["count"])
            return {}
        return self._finish(command["file"])

    async def _start(self, command: dict[str, Any]) -> dict[str, Any]:
        os.sched_setaffinity(0, {command["core"]})
        surroundings = Surroundings(command["folder"], command["home"], command["gateway"])
        deployment = self._deployment = load_deployment(command["deployment"])(surroundings)
        for path in paths_for(command["series"]):
            # Every series is there from the first page on.
            deployment.record(path, 0.001)
            self.recorded += 1
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            self._app, lifespan="off", access_log=False, log_level="error", backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S, loop="asyncio", http="h11",
            interface="asgi3", proxy_headers=False,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        deadline = time.monotonic() + _LISTENING_S
        while not self._server.started and time.monotonic() < deadline and not self._serving.done():
            await asyncio.sleep(0.005)
        port = listener.getsockname()[1]
        return {"port": port, "metrics_port": deployment.port or port}

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        deployment = self._deployment
        assert deployment is not None  # noqa: S101 - set before the server starts
        path = scope["path"]
        if path == "/metrics" and deployment.app is not None:
            await deployment.app(scope, receive, send)
            return
        start = time.perf_counter()
        await respond(send, b"ok", [(b"content-type", b"text/plain")])
        deployment.record(path, time.perf_counter() - start)
        self.recorded += 1

    def _finish(self, file: str) -> dict[str, Any]:
        if self._heartbeat is None:
            raise UsageError("a service must have a heartbeat first")
        self._heartbeat.stop()
        with open(file, "wb") as target:  # noqa: PTH123 - array writes to a plain file
            self._heartbeat.lags.tofile(target)
        return {"beats": len(self._heartbeat.lags), "recorded": self.recorded}

    async def close(self) -> None:
        """Stop the server and release the deployment."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._serving
        if self._deployment is not None:
            self._deployment.close()


async def _serve(output: Any) -> None:
    commands = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin.buffer)
    service = _Service()
    try:
        while line := await commands.readline():
            try:
                answer = await service.answer(json.loads(line))
            except HarnessError as error:
                answer = to_answer(error)
            output.write(json.dumps(answer).encode() + b"\n")
            if "error" in answer:
                break
    finally:
        await service.close()


def main() -> None:
    """Serve commands from standard input until it ends."""
    die_with_parent(int(sys.argv[1]))
    asyncio.run(_serve(private_output()))
