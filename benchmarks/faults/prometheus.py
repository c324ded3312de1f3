"""Faults of the Prometheus that scrapes a run: killed, stopped, too old, answering nonsense, without disk space."""

import os
import shutil
import signal
import sys
from pathlib import Path

import psutil

from benchmarks.faults.disks import fill, tmpfs
from benchmarks.faults.fault import SkippedError, fault
from benchmarks.faults.trial import Trial, accounted
from tests.harness.cli.commands import Command

__all__ = ["FAKE", "NONSENSE"]

RUN = ("run", "--duration", "3s", "--arrivals", "constant:rate=200", "--instrument", "prometheus-client")
SCRAPED = (*RUN, "--scraper", "prometheus", "--scrape-interval", "200ms")

# A server that answers as Prometheus does until it is ready, and then in the way that HARNESS_FAKE names.
FAKE = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
options = dict(each.lstrip("-").split("=", 1) for each in sys.argv[1:] if "=" in each)
mode = os.environ["HARNESS_FAKE"]
if mode == "old-flags":
    sys.exit("flag provided but not defined: -storage.tsdb.path")
ANSWERS = {
    "html": b"<html>Bad gateway</html>", "list": b"[1, 2]", "number": b"7", "empty": b"", "null": b"null",
    "no-data": b'{"status": "success"}', "data-null": b'{"status": "success", "data": null}',
    "data-text": b'{"status": "success", "data": "none"}', "bytes": bytes(range(256)),
    "wrong-result": b'{"status": "success", "data": {"result": {"metric": 1}}}',
    "wrong-values": b'{"status": "success", "data": {"result": [{"metric": {}, "values": [["x", "y"], 3]}]}}',
    "not-numbers": b'{"status": "success", "data": {"result": [{"metric": {}, "values": [[1e999, "NaN"]]}]}}',
    "deep": b"[" * 100000, "error": b'{"status": "error", "error": "\\\\u001b[31mred\\\\nline"}',
}
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/-/ready":
            body = b"ready"
        elif mode == "old-api":
            return self.send_error(404)
        elif self.path == "/api/v1/status/flags":
            body = json.dumps({"status": "success", "data": {"config.file": options["config.file"]}}).encode()
        elif mode == "hangs":
            return time.sleep(3600)
        else:
            body = ANSWERS[mode]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *arguments):
        pass
address, port = options["web.listen-address"].rsplit(":", 1)
server = ThreadingHTTPServer((address, int(port)), Handler)
server.daemon_threads = True
server.serve_forever()
"""
NONSENSE = (
    "html", "list", "number", "empty", "null", "no-data", "data-null", "data-text", "bytes", "wrong-result",
    "wrong-values", "not-numbers", "deep", "error",
)  # fmt: skip


def use_fake(trial: Trial, mode: str) -> None:
    """Put the fake first on PATH."""
    folder = trial.folder / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "prometheus"
    program.write_text(f"#!{sys.executable} -IS\n{FAKE}")
    program.chmod(0o755)
    os.environ.pop("PROMETHEUS_BIN", None)
    if not os.environ["PATH"].startswith(str(folder)):
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    os.environ["HARNESS_FAKE"] = mode


def need_prometheus() -> None:
    """Skip the fault where there is no Prometheus."""
    if shutil.which(os.environ.get("PROMETHEUS_BIN") or "prometheus") is None:
        raise SkippedError("Prometheus is not installed")


def server_of(trial: Trial) -> psutil.Process:
    """Return the process of the running Prometheus: not its keeper, which has its command line as well."""
    found = [each for each in trial.processes("--storage.tsdb.path") if "keeper.py" not in " ".join(each.cmdline())]
    assert len(found) == 1, found
    return found[0]


def sending(command: Command) -> None:
    """Wait until lines are sent."""
    assert command.wait_until_told("lines/s"), command.told


def interrupted_server(trial: Trial, number: int) -> str:
    """Send a signal to the Prometheus of a run, and return what the run says of itself."""
    need_prometheus()
    with trial.running(*SCRAPED) as command:
        sending(command)
        server_of(trial).send_signal(number)
        code = command.ended()
    assert code == 1, (code, command.told)
    document = trial.newest()
    assert document["audit"]["conserved"] is not True, "what was not read is not verified"
    return accounted(document)


@fault(
    "prometheus-killed",
    "SIGKILL to the Prometheus of a run while lines are sent",
    "exit code 1; the run is stored and says that the store was not verified",
)
def prometheus_killed(trial: Trial) -> str:
    return interrupted_server(trial, signal.SIGKILL)


@fault(
    "prometheus-hung",
    "SIGSTOP to the Prometheus of a run while lines are sent",
    "exit code 1 after the audit's deadline; the run is stored and says that the store was not verified",
)
def prometheus_hung(trial: Trial) -> str:
    return interrupted_server(trial, signal.SIGSTOP)


@fault(
    "prometheus-silent",
    "a server in Prometheus' place that is ready and then answers no query",
    "exit code 1 and one line",
)
def prometheus_silent(trial: Trial) -> str:
    use_fake(trial, "hangs")
    return Trial.one_line(trial.run(*SCRAPED, codes={1}))


@fault(
    "prometheus-too-old",
    "a server that does not know the flags (1.x), and one without the API for its own flags",
    "exit code 1 and one line",
)
def prometheus_too_old(trial: Trial) -> str:
    said = []
    for mode in ("old-flags", "old-api"):
        use_fake(trial, mode)
        said.append(Trial.one_line(trial.run(*SCRAPED, codes={1})))
    return "; ".join(said)


@fault(
    "prometheus-nonsense",
    f"a server in Prometheus' place that answers {len(NONSENSE)} kinds of nonsense over real HTTP",
    "exit code 1 and one line",
    deadline_s=900,
)
def prometheus_nonsense(trial: Trial) -> str:
    for mode in NONSENSE:
        use_fake(trial, mode)
        line = Trial.one_line(trial.run(*SCRAPED, codes={1}))
        assert "\x1b" not in line, (mode, line)
    return f"one line each, the last: {line}"


@fault(
    "prometheus-disk-full",
    "the file system of Prometheus' data full while lines are sent",
    "exit code 1, or 0 where everything was stored before; the run is stored",
)
def prometheus_disk_full(trial: Trial) -> str:
    need_prometheus()
    filler = Path()
    with trial.running(*SCRAPED) as command:
        tmpfs(command.temporary, "8m")
        sending(command)
        filler = fill(command.temporary)
        code = command.ended()
        filler.unlink()
    assert code in {0, 1}, (code, command.told)
    return accounted(trial.newest())
