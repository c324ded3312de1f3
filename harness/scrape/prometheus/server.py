"""Start and stop of the real Prometheus in a private folder; neither process nor folder remains."""

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from harness.errors import ScraperError
from harness.scrape.scraper import Target

__all__ = [
    "PrometheusServer",
    "default_config",
    "derived_config",
    "find_prometheus",
    "printable",
    "prometheus_error",
]

START_S = 30.0
STOP_S = 3.0
PORT_ATTEMPTS = 5
DEFAULT_PORT = 9090
_FOLDER_PREFIX = "harness-prometheus-"
_LOCK = "in-use"

prometheus_error = partial(ScraperError, field="scraper", value="prometheus")


def printable(text: str) -> str:
    """Return a text from a server as one line that no terminal takes for more than text."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def find_prometheus() -> str:
    """Return the program to start: ``PROMETHEUS_BIN``, else `prometheus` on PATH; raises `ScraperError`."""
    named = os.environ.get("PROMETHEUS_BIN")
    if named:
        result = shutil.which(named)
        if result is None:
            raise ScraperError(f"PROMETHEUS_BIN: {named!r} is no program that can be run")
        return result
    result = shutil.which("prometheus")
    if result is None:
        raise prometheus_error(
            "not on PATH; install Debian's package prometheus, set PROMETHEUS_BIN, or use --scraper builtin"
        )
    return result


def default_config() -> Path:
    """Return the path of ``promconfig.yaml``: beside the installed package's code, else at a checkout's top level."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package, package.parent):
        if (folder / "promconfig.yaml").is_file():
            return folder / "promconfig.yaml"
    raise ScraperError("promconfig.yaml is missing; install the package again")


def derived_config(path: Path, target: Target, interval_ns: int) -> tuple[str, dict[str, Any]]:
    """Return the job name and configuration that scrape `target` every `interval_ns`, rounded to milliseconds.

    It is the first job in the file at `path`, with all its settings except target and interval. Raises `ScraperError`,
    naming the file, when it has no readable job.
    """
    import yaml

    try:
        jobs = yaml.safe_load(path.read_text())["scrape_configs"]
        job = dict(jobs[0])
        name = str(job["job_name"])
    except OSError as error:
        raise ScraperError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, IndexError, ValueError) as error:
        raise ScraperError(f"{path}: has no scrape_configs with a job_name; see docs of Prometheus") from error
    interval = f"{max(1, round(interval_ns / 1e6))}ms"
    stored = {key: value for key, value in job.items() if not key.endswith("_sd_configs")}
    stored |= {
        "scrape_interval": interval,
        "scrape_timeout": interval if interval_ns < 10**10 else "10s",
        "static_configs": [{"targets": [target.netloc]}],
    }
    return name, {"scrape_configs": [stored]}


class PrometheusServer:
    """A running Prometheus; `start` returns when it answers, `stop` leaves no process and no folder behind."""

    def __init__(
        self,
        config: str,
        preferred_port: int = 0,
        program: str | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """`config` is the configuration's text; the `preferred_port` is taken if it is free.

        `files` are texts by the names under which the configuration refers to them; those under ``consoles/`` are
        templates that the server serves at ``/consoles/``.
        """
        self._config = config
        self._files = dict(files or {})
        self._preferred_port = preferred_port
        self._program = program
        self._folder: Path | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._keeper_output = b""
        self.port = 0

    @property
    def url(self) -> str:
        """The address at which it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The server's process, None before the start."""
        self._listen(0)
        result = re.search(rb"^pid (\d+)$", self._keeper_output, re.MULTILINE)
        return int(result[1]) if result else None

    @property
    def folder(self) -> Path | None:
        """The folder of its data, None when there is none."""
        return self._folder

    def start(self) -> Self:
        """Start it on a free port of 127.0.0.1; raises `ScraperError` with the last line of its log."""
        program = self._program or find_prometheus()
        for attempt in range(PORT_ATTEMPTS):
            self.port = _free_port(self._preferred_port if attempt == 0 else 0)
            try:
                self._launch(program)
                self._await_ready()
            except ScraperError as error:
                self.stop()
                # Somebody else may have taken the port in between.
                if "address already in use" in str(error) and attempt + 1 < PORT_ATTEMPTS:
                    continue
                raise
            except BaseException:
                self.stop()
                raise
            return self
        raise prometheus_error("found no free port")  # pragma: no cover - the loop returns or raises

    def reload(self, config: str) -> None:
        """Load another configuration, which takes the server a moment; raises `ScraperError` when it is gone."""
        self.check()
        folder, pid = self._folder, self.pid
        if folder is None or pid is None:
            raise prometheus_error("is not running")
        try:
            (folder / "config.yaml").write_text(config)
            os.kill(pid, signal.SIGHUP)
        except OSError as error:
            raise prometheus_error(f"cannot be given a configuration: {error.strerror}") from error

    def check(self, patience_s: float = 0.0) -> None:
        """Raise `ScraperError` when the server has ended; `patience_s` is how long that news may take."""
        keeper = self._keeper
        if keeper is None:
            raise prometheus_error("is not running")
        if not self._has_ended():
            self._listen(patience_s)
        ended = self._has_ended()
        if ended:
            reason = self.last_words() or ended[0].decode(errors="replace")
            raise prometheus_error(f"the server ended: {reason}")
        if keeper.poll() is not None:
            raise prometheus_error("the server was killed")

    def _has_ended(self) -> "re.Match[bytes] | None":
        return re.search(rb"^(?:exit|error) .*$", self._keeper_output, re.MULTILINE)

    def last_words(self) -> str:
        """Return the last line of the server's log, without its time."""
        if self._folder is None:
            return ""
        with contextlib.suppress(OSError):
            lines = (self._folder / "log").read_text(errors="replace").split("\n")
            line = next((line for line in reversed(lines) if line.strip()), "")
            return printable(re.sub(r"^ts=\S+ caller=\S+ ", "", line.strip())[:300])
        return ""

    def stop(self) -> None:
        """End the server and remove its folder; never raises, and may be called again."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            _close(keeper)
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _launch(self, program: str) -> None:
        self._keeper_output = b""
        _sweep()
        with _new_folder() as (folder, lock):
            self._folder = folder
            for name, text in {**self._files, "config.yaml": self._config}.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text, encoding="utf-8")
            command = [
                program,
                f"--config.file={folder / 'config.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
                # Ours alone; Debian's package has folders of its own for both.
                f"--web.console.templates={folder / 'consoles'}",
                f"--web.console.libraries={folder / 'consoles'}",
            ]
            keeper = str(Path(__file__).with_name("keeper.py"))
            try:
                self._keeper = subprocess.Popen(  # noqa: S603 - our own script
                    [sys.executable, "-I", "-S", keeper, str(folder), *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[lock],
                    # Ctrl-C on the terminal is for us; we end the server when we are done with it.
                    start_new_session=True,
                )
            except OSError as error:
                raise prometheus_error(f"does not start: {error.strerror}") from error

    def _await_ready(self) -> None:
        import httpx

        deadline = time.monotonic() + START_S
        with httpx.Client(trust_env=False, timeout=2) as client:
            while time.monotonic() < deadline:
                self.check()
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(f"{self.url}/-/ready").status_code == httpx.codes.OK and self._is_ours(client):
                        return
                self._listen(0.03)
        raise prometheus_error(f"not ready within {START_S:g} s: {self.last_words() or 'it says nothing'}")

    def _is_ours(self, client: Any) -> bool:
        """Return whether our server answers on this port, judged by the configuration's folder."""
        # Another program may answer, with anything.
        with contextlib.suppress(AttributeError, ValueError):
            flags = client.get(f"{self.url}/api/v1/status/flags").json().get("data", {})
            return bool(flags.get("config.file") == f"{self._folder}/config.yaml")
        return False

    def _listen(self, timeout_s: float) -> None:
        """Read the keeper's messages."""
        keeper = self._keeper
        if keeper is None or keeper.stdout is None:
            return
        while select.select([keeper.stdout], [], [], timeout_s)[0]:
            said = os.read(keeper.stdout.fileno(), 4096)
            if not said:
                return
            self._keeper_output += said
            timeout_s = 0


def _close(keeper: "subprocess.Popen[bytes]") -> None:
    for stream in (keeper.stdin, keeper.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        keeper.wait(STOP_S)
    except subprocess.TimeoutExpired:  # pragma: no cover - the keeper gives the server less time than this
        keeper.kill()
        keeper.wait()


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise prometheus_error("there is no free port on 127.0.0.1")


@contextlib.contextmanager
def _new_folder() -> Iterator[tuple[Path, int]]:
    """Create a folder locked while this process or the keeper lives; yields it and the lock's descriptor."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
    except OSError as error:
        raise prometheus_error(f"no temporary folder can be made: {error.strerror}") from error
    lock = os.open(folder / ".new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Renamed only when locked, so that nobody ever sees the lock file unlocked while the folder is in use.
        (folder / ".new").rename(folder / _LOCK)
        yield folder, lock
    finally:
        os.close(lock)


def _sweep() -> None:
    """Remove the folders of runs that were killed together with their keeper."""
    for lock_file in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):
            # Whoever else may write to the temporary folder must not lead us to a folder elsewhere.
            if lock_file.parent.is_symlink() or {each.lstat().st_uid for each in (lock_file, lock_file.parent)} != {
                os.getuid()
            }:
                continue
            lock = os.open(lock_file, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_file.parent, ignore_errors=True)
            finally:
                os.close(lock)
