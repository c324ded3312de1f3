"""Several hosts for real: scheduler, coordinator and Prometheus on one, each worker on another."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.cli.commands import Command, running
from tests.harness.distributed.clusters import DaskCluster
from tests.harness.distributed.hosts import Hosts, hosts
from tests.harness.distributed.test_fleet import LOAD, QUIET, result_of, run, until_driving

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]

HOUR_S = 3_600
HOUR_NS = HOUR_S * 10**9


@pytest.fixture
def network() -> Iterator[Hosts]:
    with hosts(2) as made:
        yield made


@pytest.fixture
def cluster(network: Hosts, tmp_path: Path) -> Iterator[DaskCluster]:
    """A scheduler on the coordinator's host; tests start the workers."""
    folder = tmp_path / "dask"
    folder.mkdir()
    made = DaskCluster(folder)
    try:
        made.start_scheduler(network.address(0), network.at(0))
        yield made
    finally:
        made.end()


def start_workers(cluster: DaskCluster, network: Hosts) -> None:
    for number in (1, 2):
        cluster.start_worker(network.address(number), network.at(number))
    cluster.ready()


def arguments(cluster: DaskCluster, *more: str) -> list[str]:
    return ["run", *LOAD, *QUIET, "--workers", "2", "--cluster", cluster.address, "--json", "result.json", *more]


def result_on(network: Hosts, folder: Path, command: list[str]) -> tuple[dict[str, Any], Command]:
    with running(folder, command, prefix=network.at(0)) as running_command:
        running_command.ended()
        running_command.leaves_nothing()
        return result_of(running_command), running_command


@pytest.mark.prometheus
def test_two_hosts_send_the_load_of_one_and_are_scraped(network: Hosts, cluster: DaskCluster, tmp_path: Path) -> None:
    """The same digest and ledger; each page served where the coordinator reaches it, which the output says."""
    start_workers(cluster, network)
    (tmp_path / "two").mkdir()
    options = arguments(cluster, "--count", "100", "--scraper", "prometheus")
    two, command = result_on(network, tmp_path / "two", options)
    one = run(tmp_path / "one", "--count", "100")
    assert two["workload"]["digest"] == one["workload"]["digest"]
    assert two["ledger"] == one["ledger"]
    assert two["verdict"] == "valid", two["reasons"]
    assert two["audit"]["outcome"] == "conserved"
    assert two["audit"]["compared"][1].startswith("Prometheus ")
    pages = [f"http://{network.address(number)}:" for number in (1, 2)]
    assert sorted(worker["url"].rpartition(":")[0] + ":" for worker in two["workers"]) == pages
    open_to = (
        f"the coordinator on {network.address(0)}, the workers' pages on {network.address(1)}, {network.address(2)}"
    )
    assert f"open to the network: {open_to}" in command.told
    assert "open to the network" in command.printed


def lost_and_other(result: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    (lost,) = [worker for worker in result["workers"] if worker["lost"]]
    (other,) = [worker for worker in result["workers"] if worker["lost"] is None]
    assert f"worker {lost['number']} was lost: {lost['lost']}" in result["reasons"]
    assert (result["verdict"], result["audit"]["outcome"]) == ("invalid", "not_verified")
    assert result["ledger"] == other["ledger"]
    assert other["conserved"] is True
    return lost, other


def test_a_host_that_is_cut_off_is_a_lost_run(network: Hosts, cluster: DaskCluster, tmp_path: Path) -> None:
    """Noticed although nobody says so, and named; on the host that nobody can reach the worker ends by itself."""
    start_workers(cluster, network)
    options = arguments(cluster, "--duration", "12s")
    with running(tmp_path, options, prefix=network.at(0)) as command:
        until_driving(command)
        cut_off = [each for each in network.processes(2) if "harness.distributed.worker" in each.cmdline()]
        assert len(cut_off) == 1
        network.cut(2)
        assert command.ended() == 1
        command.leaves_nothing()
        result = result_of(command)
    lost, other = lost_and_other(result)
    assert lost["url"].startswith(f"http://{network.address(2)}:")
    assert lost["pid"] == cut_off[0].pid
    assert other["ledger"]["offered"] == 300
    # The system gives up the connection after 4 s, or 30 s with a result in it; then the process has 3 s to leave.
    _, alive = psutil.wait_procs(cut_off, timeout=60)
    assert alive == []


def test_a_worker_killed_on_another_host_is_a_lost_run(network: Hosts, cluster: DaskCluster, tmp_path: Path) -> None:
    """By whatever, as by the system for want of memory."""
    start_workers(cluster, network)
    with running(tmp_path, arguments(cluster, "--duration", "6s"), prefix=network.at(0)) as command:
        until_driving(command)
        (victim,) = cluster.workers[0].harness_workers()
        victim.send_signal(signal.SIGKILL)
        assert command.ended() == 1
        command.leaves_nothing()
        lost, _ = lost_and_other(result_of(command))
    assert "killed by signal 9" in lost["lost"]


# Only in the process of our own worker: the time of day is wrong by an hour, to either side in turn.
WRONG_TIME = f"""
import sys
if "harness.distributed.worker" in sys.orig_argv:
    import itertools, time
    true_ns, side = time.time_ns, itertools.cycle((1, -1))
    time.time_ns = lambda: true_ns() + next(side) * {HOUR_NS}
    time.time = lambda: time.time_ns() / 1e9
"""


def test_a_clock_that_is_wrong_by_an_hour_changes_no_latency(
    network: Hosts, cluster: DaskCluster, tmp_path: Path
) -> None:
    """Neither a time of day that jumps, nor a monotonic clock that began an hour earlier."""
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "sitecustomize.py").write_text(WRONG_TIME)
    earlier = ["unshare", "--time", "--fork", "--kill-child", "--monotonic", str(HOUR_S), "--boottime", str(HOUR_S)]
    cluster.start_worker(network.address(1), network.at(1))
    cluster.start_worker(
        network.address(2), [*network.at(2), *earlier], environment={"PYTHONPATH": str(tmp_path / "wrong")}
    )
    cluster.ready()
    (tmp_path / "two").mkdir()
    two, _ = result_on(network, tmp_path / "two", arguments(cluster, "--count", "100"))
    right, wrong = sorted(two["workers"], key=lambda worker: abs(worker["offset_ns"]))
    assert right["offset_ns"] == 0
    assert abs(wrong["offset_ns"] - HOUR_NS) < 1e9
    assert abs(abs(wrong["wall_offset_ns"]) - HOUR_NS) < 1e9
    assert 0 < wrong["uncertainty_ns"] < 1e9
    assert two["verdict"] == "valid", two["reasons"]
    assert two["audit"]["outcome"] == "conserved"
    assert two["elapsed_s"] < 60
    # Latencies and lags of an hour would be longer than any that a busy machine has.
    for name in ("lag_ns", "service_ns", "response_ns"):
        assert wrong[name]["max"] < 10e9
    one = run(tmp_path / "one", "--count", "100")
    assert two["workload"]["digest"] == one["workload"]["digest"]
    assert two["ledger"] == one["ledger"]
