"""One Prometheus for the workers of a run: each has a target of its own, found through a file, and a scraper."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.scrape.prometheus.server import PrometheusServer, default_config, derived_config
from harness.scrape.scraper import Target

__all__ = ["WORKER_LABELS", "SharedServer"]

# Labels that tell the workers' series apart; removed again from what was stored.
WORKER_LABELS = ("run", "worker")
_FILE = "workers.json"


class SharedServer:
    """A server that starts with the first of its scrapers and ends with the last; safe from several threads.

    `targets` are those of the workers in the order of their numbers, and `run` names the run; both become labels of
    every series, ``run`` and ``worker``.
    """

    def __init__(self, targets: Sequence[Target], run: str, config: Path | None = None) -> None:
        self._targets = list(targets)
        self._run = run
        self._config = config
        self._server: PrometheusServer | None = None
        self._users = 0
        self._timeout_ms = 0
        self._lock = threading.Lock()

    def config(self, interval_ms: int) -> tuple[str, dict[str, Any]]:
        """Return the job's name and the configuration that scrapes all targets every `interval_ms`."""
        name, config = derived_config(self._config or default_config(), self._targets[0], interval_ms * 1_000_000)
        job = config["scrape_configs"][0]
        del job["static_configs"]
        job["file_sd_configs"] = [{"files": [_FILE]}]
        return name, config

    def files(self) -> dict[str, str]:
        """Return the text of each file that the configuration names."""
        groups = [
            {"targets": [target.netloc], "labels": {"run": self._run, "worker": str(number)}}
            for number, target in enumerate(self._targets)
        ]
        return {_FILE: json.dumps(groups)}

    def start(self, interval_ms: int) -> PrometheusServer:
        """Return the running server, started by the first who asks; raises `ScraperError`."""
        with self._lock:
            if self._server is None:
                _, config = self.config(interval_ms)
                self._server = PrometheusServer(json.dumps(config), files=self.files()).start()
            self._users += 1
            return self._server

    def allow(self, timeout_ms: int) -> bool:
        """Let each scrape take so long, at least; return whether that is another configuration than before."""
        with self._lock:
            if self._server is None or timeout_ms <= self._timeout_ms:
                return False
            self._timeout_ms = timeout_ms
            _, config = self.config(timeout_ms)
            config["scrape_configs"][0]["scrape_timeout"] = f"{timeout_ms}ms"
            self._server.reload(json.dumps(config))
            return True

    def stop(self) -> None:
        """Note that one scraper is done; the last one ends the server."""
        with self._lock:
            self._users -= 1
            if self._users > 0 or self._server is None:
                return
            server, self._server = self._server, None
            server.stop()
