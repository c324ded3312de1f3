"""A run through Dask keeps every promise of a run of one; real schedulers and workers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.distributed.dask.launcher import own_address
from harness.errors import RunError
from tests.harness.cli.commands import code_of, running
from tests.harness.distributed.clusters import DaskCluster, dask_cluster
from tests.harness.distributed.test_fleet import LOAD, QUIET, result_of, run, until_driving

pytestmark = pytest.mark.system

# What nothing of ours may outlive the end of a run by.
GONE_S = 5.0


def harness_workers(cluster: DaskCluster) -> list[psutil.Process]:
    return [each for worker in cluster.workers for each in worker.harness_workers()]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster of two Dask workers that no test harms."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), 2) as made:
        yield made


@pytest.fixture(scope="module")
def both(cluster: DaskCluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results of one worker, and of two through Dask."""
    folder = tmp_path_factory.mktemp("both")
    options = ["--count", "100", "--cluster", cluster.address, "--workers", "auto"]
    return run(folder / "one", "--count", "100"), run(folder / "two", *options)


class TestTogether:
    """Two shards through Dask beside a run of one, with the same seed."""

    def test_they_send_the_load_of_one(self, both):
        """The same digest, proven from what each made, and the same counts; auto takes every Dask worker."""
        one, two = both
        assert two["workload"]["digest"] == one["workload"]["digest"]
        assert two["ledger"] == one["ledger"]
        assert [worker["ledger"]["offered"] for worker in two["workers"]] == [50, 50]
        assert two["verdict"] == "valid", two["reasons"]

    def test_each_is_scraped_and_audited(self, both):
        """Against its own ledger."""
        two = both[1]
        assert two["audit"]["outcome"] == "conserved"
        assert all(worker["conserved"] and worker["scrapes"] for worker in two["workers"])

    def test_they_run_in_processes_of_their_own(self, both, cluster):
        """Not in those of Dask, whose threads would be in their way; the host is told."""
        pids = {worker["pid"] for worker in both[1]["workers"]}
        assert len(pids) == 2
        assert not pids & {worker.process.pid for worker in cluster.workers}
        assert all(worker["host"] for worker in both[1]["workers"])


@pytest.mark.slow
def test_a_cluster_of_this_machine_lasts_as_long_as_the_run(tmp_path: Path) -> None:
    """It sends the load of one, and leaves no process and no folder."""
    one = run(tmp_path / "one", "--count", "50")
    two = run(tmp_path / "two", "--count", "50", "--cluster", "local", "--workers", "2")
    assert two["workload"]["digest"] == one["workload"]["digest"]
    assert two["ledger"] == one["ledger"]
    assert two["audit"]["outcome"] == "conserved"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_cluster_of_this_machine_ends_after_the_run(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C on the terminal does not end it before results are handed over; SIGKILL leaves nothing of it either."""
    options = ["--duration", "100s", "--workers", "2", "--cluster", "local", "--json", "result.json"]
    with running(tmp_path, ["run", *LOAD, *QUIET, *options], grace_s=100, start_new_session=True) as command:
        until_driving(command)
        command.interrupt()
        os.killpg(command.process.pid, number)
        code = command.ended()
        command.leaves_nothing()
        if number == signal.SIGINT:
            assert code == code_of(number)
            assert all(worker["ledger"]["offered"] for worker in result_of(command)["workers"])


@pytest.mark.slow
def test_one_worker_through_dask_is_listed_with_its_host(cluster: DaskCluster, tmp_path: Path) -> None:
    """It is not this process that sent the load."""
    result = run(tmp_path, "--count", "20", "--cluster", cluster.address)
    (worker,) = result["workers"]
    assert worker["host"]
    assert worker["ledger"] == result["ledger"]


@pytest.mark.slow
def test_a_killed_dask_worker_is_a_lost_run_whose_load_is_not_sent_again(tmp_path: Path) -> None:
    """It is named, the other's result is kept, and what the pages show is at most the schedule."""
    with dask_cluster(tmp_path / "dask", 3) as cluster:
        options = ["--duration", "6s", "--workers", "2", "--cluster", cluster.address, "--json", "result.json"]
        with running(tmp_path, ["run", *LOAD, *QUIET, *options]) as command:
            until_driving(command)
            victim = next(worker for worker in cluster.workers if worker.harness_workers())
            (lost_process,) = victim.harness_workers()
            victim.process.kill()
            assert command.ended() == 1
            command.leaves_nothing()
            result = result_of(command)
        (lost,) = [worker for worker in result["workers"] if worker["lost"]]
        (other,) = [worker for worker in result["workers"] if worker["lost"] is None]
        assert lost["pid"] == lost_process.pid
        assert f"worker {lost['number']} was lost: {lost['lost']}" in result["reasons"]
        assert (result["verdict"], result["audit"]["outcome"]) == ("invalid", "not_verified")
        # The third Dask worker was idle, and got nothing; the second one sent its own share and no more.
        assert (other["ledger"]["offered"], result["ledger"]) == (150, other["ledger"])
        assert other["conserved"] is True
        assert not lost_process.is_running()
        assert harness_workers(cluster) == []


@pytest.mark.slow
def test_a_task_that_dask_runs_again_sends_nothing(tmp_path: Path) -> None:
    """A Dask worker that comes back at its address gets the task once more; the run and its load know nothing of it."""
    port = free_port()
    with dask_cluster(tmp_path / "dask", 1) as cluster:
        mortal = cluster.start_worker(port=port)
        cluster.ready()
        options = ["--duration", "100s", "--workers", "2", "--cluster", cluster.address, "--json", "result.json"]
        with running(tmp_path, ["run", *LOAD, *QUIET, *options], grace_s=100) as command:
            until_driving(command)
            mortal.process.kill()
            mortal.process.wait()
            again = cluster.start_worker(port=port)
            assert command.wait_for(lambda: bool(again.harness_workers()), "task that is run again")
            _, alive = psutil.wait_procs(again.harness_workers(), timeout=60)
            assert alive == []
            command.interrupt(signal.SIGINT)
            assert command.ended() == code_of(signal.SIGINT)
            command.leaves_nothing()
            result = result_of(command)
    (other,) = [worker for worker in result["workers"] if worker["lost"] is None]
    assert result["ledger"] == other["ledger"]
    assert other["conserved"] is True
    assert result["verdict"] == "invalid"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_ours_outlives_the_coordinator(cluster: DaskCluster, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C keeps what was sent; SIGKILL leaves nobody who could tell the workers, and they end all the same."""
    options = ["--duration", "100s", "--workers", "2", "--cluster", cluster.address, "--json", "result.json"]
    with running(tmp_path, ["run", *LOAD, *QUIET, *options], grace_s=100) as command:
        until_driving(command)
        workers = harness_workers(cluster)
        assert len(workers) == 2
        command.interrupt(number)
        code = command.ended()
        _, alive = psutil.wait_procs(workers, timeout=GONE_S)
        assert alive == []
        if number == signal.SIGINT:
            result = result_of(command)
            assert code == code_of(number)
            assert 0 < result["ledger"]["offered"] < 5_000
            assert all(worker["ledger"]["offered"] for worker in result["workers"])
    for worker in cluster.workers:
        assert worker.process.poll() is None


@pytest.mark.slow
def test_a_stopped_worker_process_is_killed_at_the_end(cluster: DaskCluster, tmp_path: Path) -> None:
    """It cannot end by itself, and its Dask worker must be free for the next run."""
    options = ["--duration", "100s", "--workers", "2", "--cluster", cluster.address]
    with running(tmp_path, ["run", *LOAD, *QUIET, *options], grace_s=50) as command:
        until_driving(command)
        victim = harness_workers(cluster)[0]
        victim.suspend()
        command.interrupt(signal.SIGINT)
        assert command.ended() == code_of(signal.SIGINT)
        _, alive = psutil.wait_procs([victim], timeout=GONE_S)
        assert alive == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing; install Debian's package openssl")
def test_a_cluster_behind_tls_is_reached_with_a_certificate(tmp_path: Path) -> None:
    """As the documentation shows; without one the run is refused in one line."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=harness", "-days", "2",
         "-keyout", "node.key", "-out", "node.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    authority, key = str(tmp_path / "node.pem"), str(tmp_path / "node.key")
    options = ["--protocol", "tls", "--tls-ca-file", authority, "--tls-cert", authority, "--tls-key", key]
    variables = {"CA_FILE": authority, "CLIENT__CERT": authority, "CLIENT__KEY": key}
    with dask_cluster(tmp_path / "dask", 1, options) as cluster:
        assert cluster.address.startswith("tls://")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", value)
            result = run(tmp_path / "with", "--count", "20", "--cluster", cluster.address)
        assert result["verdict"] == "valid", result["reasons"]
        (tmp_path / "without").mkdir()
        with running(tmp_path / "without", ["run", *LOAD, *QUIET, "--cluster", cluster.address]) as command:
            assert command.ended() == 1
            assert command.told.count("\n") == 1, command.told
            assert f"--cluster {cluster.address}: TLS needs a certificate" in command.told


class TestWhatCannotBe:
    """One line that names the flag and says what would be right."""

    def lines(self, folder: Path, *arguments: str, **options: Any) -> tuple[int, str]:
        with running(folder, ["run", *LOAD, *QUIET, *arguments], **options) as command:
            return command.ended(), command.told

    def test_an_address_that_is_none(self, tmp_path: Path) -> None:
        code, told = self.lines(tmp_path, "--cluster", "somewhere")
        assert (code, told.count("\n")) == (2, 1)
        assert "--cluster: is neither local nor an address such as tcp://10.0.0.1:8786" in told

    def test_a_machine_without_the_library(self, tmp_path: Path) -> None:
        """It says what to install."""
        (tmp_path / "distributed.py").write_text("raise ImportError('not here')\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(tmp_path))
            code, told = self.lines(tmp_path, "--cluster", "tcp://127.0.0.1:1")
        assert (code, told.count("\n")) == (2, 1)
        assert "--cluster: takes Dask: pip install 'recording-harness[cluster]'" in told

    @pytest.mark.slow
    def test_a_scheduler_that_does_not_answer(self, tmp_path: Path) -> None:
        began = time.monotonic()
        code, told = self.lines(tmp_path, "--cluster", "tcp://127.0.0.1:1")
        assert (code, told.count("\n")) == (1, 1), told
        assert "--cluster tcp://127.0.0.1:1: no Dask scheduler answers there within 10 s" in told
        assert time.monotonic() - began < 60

    @pytest.mark.slow
    def test_fewer_dask_workers_than_workers(self, cluster: DaskCluster, tmp_path: Path) -> None:
        code, told = self.lines(tmp_path, "--cluster", cluster.address, "--workers", "3")
        assert (code, told.count("\n")) == (1, 1), told
        assert "3 Dask workers are needed, one for each worker of the run, and 2 came within 10 s" in told

    @pytest.mark.slow
    def test_another_version_beside_a_dask_worker(self, tmp_path: Path) -> None:
        """The difference is told, and nothing is sent."""
        (tmp_path / "other").mkdir()
        # Patches only the process of our own worker.
        (tmp_path / "other" / "sitecustomize.py").write_text(
            "import sys\n"
            "if 'harness.distributed.worker' in sys.orig_argv:\n"
            "    import platform\n"
            "    platform.python_version = lambda: '3.1.4'\n"
        )
        folder = tmp_path / "dask"
        folder.mkdir()
        cluster = DaskCluster(folder)
        try:
            cluster.start_scheduler()
            cluster.start_worker(environment={"PYTHONPATH": str(tmp_path / "other")})
            cluster.ready()
            code, told = self.lines(tmp_path, "--cluster", cluster.address)
        finally:
            cluster.end()
        here = ".".join(map(str, sys.version_info[:3]))
        assert code == 1
        assert f"has python 3.1.4 instead of {here}" in told
        assert told.count("\n") == 1


def test_workers_of_this_machine_dial_its_loopback() -> None:
    """Nothing is opened to the network for them."""
    assert own_address(["127.0.0.1"]) == "127.0.0.1"
    with pytest.raises(RunError, match=r"the Dask worker on nowhere\.invalid cannot be reached"):
        own_address(["nowhere.invalid"])


def test_one_address_has_to_lead_all_workers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of this machine reaches it by any; workers of two networks cannot be told one address."""
    ways = {"10.0.0.2": "10.0.0.1", "10.0.0.3": "10.0.0.1", "10.9.0.2": "10.9.0.1", "127.0.0.1": "127.0.0.1"}
    monkeypatch.setattr("harness.distributed.dask.launcher._towards", ways.__getitem__)
    assert own_address(["10.0.0.2", "127.0.0.1", "10.0.0.3"]) == "10.0.0.1"
    with pytest.raises(RunError, match=r"different addresses \(10\.0\.0\.1, 10\.9\.0\.1\)"):
        own_address(["10.0.0.2", "10.9.0.2"])
