"""Workers on the machines of a Dask cluster: Dask starts and ends their processes, and no load passes through it.

A task starts the fresh process of one worker beside the Dask worker and waits for its end. That process dials the
coordinator itself. Lines are sent only when the coordinator says so over that connection, and it says so once: a task
that Dask ran again would find nobody to dial.
"""

import logging
import os
import secrets
import socket
import time
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from itertools import zip_longest
from typing import Any
from urllib.parse import urlsplit

from harness.deadline import Deadline, call_within
from harness.distributed.coordinator import is_loopback
from harness.distributed.dask.local_cluster import local_cluster
from harness.distributed.dask.process import WorkerProcess
from harness.errors import RunError, UsageError
from harness.run.spec import LOCAL_CLUSTER

__all__ = ["DaskLauncher", "own_address", "run_worker"]

# For the scheduler to answer, and then for enough of its workers to be there.
_ANSWER_S = 10.0
# For the workers to end after they were told to; then they are killed.
_END_S = 1.0
# Between two questions to the scheduler who is there.
_LOOK_S = 0.25

# The processes that this Dask worker runs at the moment, by the name of their task.
_running: dict[str, WorkerProcess] = {}


def run_worker(task: str, about: Mapping[str, Any]) -> str:
    """Run the process of one worker beside this Dask worker, until it ends; return how it ended.

    It ends with the coordinator's connection, and the system ends it with this Dask worker.
    """
    process = _running[task] = WorkerProcess({**about, "parent": os.getpid()})
    try:
        while not process.has_ended(_ANSWER_S):
            pass
        return process.reason()
    finally:
        del _running[task]
        process.end()


def _end_worker(prefix: str) -> None:
    """Kill the processes of the tasks of one run: for one that is stopped and cannot end by itself."""
    for task, process in list(_running.items()):
        if task.startswith(prefix):
            process.kill()


class DaskLauncher:
    """Starts each worker beside a Dask worker of its own; see `harness.distributed.coordinator.WorkerLauncher`.

    `cluster` is the address of a scheduler, or `LOCAL_CLUSTER`; `count` is the number of workers, None for one beside
    each Dask worker there is. Dask's own configuration says how TLS is used. Raises `UsageError` where the library is
    missing, `RunError` where the scheduler does not answer, or has fewer Dask workers, within 10 s.
    """

    def __init__(self, cluster: str, count: int | None) -> None:
        self._cluster = cluster
        self._library = _distributed()
        self._prefix = f"harness-{secrets.token_hex(4)}-"
        self._futures: list[Any] = []
        self._seen: set[str] | None = set()
        self._seen_s = 0.0
        self._started = ExitStack()
        try:
            self._client = self._connected(count)
            self._dask_workers = self._chosen(count)
            self.count = len(self._dask_workers)
            self.hosts = list(dict.fromkeys(map(_host, self._dask_workers)))
            self.address = own_address(self.hosts)
        except BaseException:
            self._started.close()
            raise

    def _connected(self, count: int | None) -> Any:
        where = self._cluster
        if where == LOCAL_CLUSTER:
            where = self._started.enter_context(local_cluster(count or 1))
        if where.startswith("tls://"):
            self._check_certificate()
        try:
            with warnings.catch_warnings():
                # Versions that matter are compared when a worker dials in, and a difference is refused.
                warnings.simplefilter("ignore")
                client = self._library.Client(where, timeout=_ANSWER_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise self._error(f"no Dask scheduler answers there within {_ANSWER_S:.0f} s: {_short(error)}") from error
        self._started.callback(client.close, timeout=_END_S)
        return client

    def _check_certificate(self) -> None:
        """Raise `RunError` where Dask's configuration names no certificate by which we would be let in."""
        try:
            context = self._library.Security().get_connection_args("client").get("ssl_context")
        except (OSError, ValueError) as error:
            raise self._error(f"the files named in Dask's configuration cannot be used: {_short(error)}") from error
        if context is None:
            text = "TLS needs a certificate; name one in Dask's configuration, as distributed.comm.tls.client.cert"
            raise self._error(text)

    def _chosen(self, count: int | None) -> list[str]:
        """Return the Dask workers to use, spread over the machines as evenly as they are."""
        until_s = time.monotonic() + _ANSWER_S
        wanted = 1 if count is None else count
        while len(there := self._there()) < wanted:
            if time.monotonic() > until_s:
                each = "one" if len(there) == 1 else len(there) or "none"
                raise self._error(
                    f"{wanted} Dask workers are needed, one for each worker of the run, and {each} came within"
                    f" {_ANSWER_S:.0f} s; start more `dask worker` processes, or ask for fewer workers"
                )
            time.sleep(_LOOK_S)
        hosts: dict[str, list[str]] = defaultdict(list)
        for address in sorted(there):
            hosts[_host(address)].append(address)
        spread = [address for turn in zip_longest(*hosts.values()) for address in turn if address is not None]
        return spread[:count]

    def _there(self, limit_s: float = _ANSWER_S) -> set[str]:
        """Return the addresses of the Dask workers that there are; raises `DeadlineError`, or what Dask does."""
        what = f"{self._cluster} does not tell its workers"
        answer = call_within(Deadline(limit_s), what, lambda: self._client.scheduler_info(n_workers=-1))
        return set(answer["workers"])

    def start(self, port: int, token: str, count: int) -> None:
        """Start a worker beside each of the chosen Dask workers, which dials `port` of this machine."""
        for number in range(count):
            about = {"address": self.address, "port": port, "token": token, "number": number}
            task = f"{self._prefix}{number}"
            self._futures.append(
                self._client.submit(
                    run_worker,
                    task,
                    about,
                    key=task,
                    pure=False,
                    retries=0,
                    workers=[self._dask_workers[number]],
                    allow_other_workers=False,
                )
            )

    def reason(self, number: int) -> str:
        """Return why a worker is gone, as far as it is known; empty while it runs."""
        future, where = self._futures[number], self._dask_workers[number]
        status = future.status
        if status == "finished":
            with suppress(Exception):
                return f"{future.result(timeout=_END_S)} (beside Dask worker {where})"
            return f"it ended, and its Dask worker {where} cannot be asked why"
        if status == "error":
            return self._failure(future, where)
        if status != "pending":
            return f"its Dask task was {status}"
        return f"its Dask worker {where} is gone" if self._is_gone(where) else ""

    def _failure(self, future: Any, where: str) -> str:
        error: BaseException | None = None
        with suppress(Exception):
            error = future.exception(timeout=_END_S)
        if error is None or type(error).__name__ == "KilledWorker":
            return f"its Dask worker {where} is gone"
        return f"Dask worker {where} cannot start it: {_short(error)}"

    def _is_gone(self, where: str) -> bool:
        """Return whether the scheduler knows that a Dask worker is gone; it is asked now and then."""
        if self._seen is not None and time.monotonic() - self._seen_s > _LOOK_S:
            try:
                self._seen = self._there(_END_S)
            except Exception:
                # Whatever Dask raises: a scheduler that does not answer once is not asked again.
                self._seen = None
            self._seen_s = time.monotonic()
        return bool(self._seen) and where not in (self._seen or ())

    def close(self) -> None:
        """End all workers, and the cluster where it is one of this machine; never raises, may be called again."""
        futures, self._futures = self._futures, []
        with suppress(Exception):
            if futures:
                self._end(futures)
        with suppress(Exception):
            self._started.close()

    def _end(self, futures: list[Any]) -> None:
        """Wait for the tasks, whose workers end with their connections, and kill what is left."""
        with suppress(Exception):
            self._library.wait(futures, timeout=_END_S)
        late = [where for future, where in zip(futures, self._dask_workers, strict=True) if future.status == "pending"]
        if late:
            kill = partial(self._client.run, _end_worker, self._prefix, workers=late, on_error="ignore")
            with suppress(Exception):
                call_within(Deadline(_END_S), "workers cannot be ended", kill)
        self._client.cancel(futures, force=True)

    def _error(self, text: str) -> RunError:
        return RunError(text, field="cluster", value=self._cluster)


def own_address(hosts: Sequence[str]) -> str:
    """Return the address of this machine by which all of the `hosts` reach it; raises `RunError` where there is none.

    Nothing is sent: the system tells which of its addresses it would use. This machine itself is reached by any.
    """
    found = {_towards(host) for host in hosts}
    outer = sorted(address for address in found if not is_loopback(address))
    if len(outer) > 1:
        raise RunError(
            f"the Dask workers are in networks to which this machine has different addresses ({', '.join(outer)});"
            " take workers of one network",
            field="cluster",
        )
    return (outer or sorted(found))[0]


def _towards(host: str) -> str:
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(where)
            return str(probe.getsockname()[0])
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"the Dask worker on {host} cannot be reached from here: {reason}", field="cluster") from error


def _host(address: str) -> str:
    return urlsplit(address).hostname or address


def _short(error: BaseException) -> str:
    """Return the first line of what an exception says, with its kind."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _distributed() -> Any:
    """Return Dask's library, which from now on logs nothing: what matters of it is told in a line of ours."""
    try:
        import distributed
    except ImportError as error:
        raise UsageError("takes Dask: pip install 'recording-harness[cluster]'", field="cluster") from error
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed
