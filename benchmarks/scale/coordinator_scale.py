"""Measures what a coordinator takes for 10, 100 and 1 000 workers: their start, their live progress, their results.

    python benchmarks/scale/coordinator_scale.py             measure (some five minutes), print, store in .benchmarks
    python benchmarks/scale/coordinator_scale.py --docs      store in docs/data and write docs/scale.md as well
    python benchmarks/scale/coordinator_scale.py --render    write docs/scale.md again from docs/data
    python benchmarks/scale/coordinator_scale.py --workers 10 --repeats 1    a short trial

The coordinator is the real one, in a fresh process for each measurement. Its workers are fakes in another process
(`benchmarks/scale/fake_workers.py`): each dials in as from another machine, so that its clock is compared by 20 round
trips, opens nothing, reports three times as soon as all begin, and hands over the record of a real run of 5 000 lines
with the digest of its own share of the load. Measured are

start     from the first worker that dials to the moment when all are ready
lead      the wait from then to the instant at which all begin, in which real workers make their first lines
results   from that instant until every report is merged and every record taken in
sum up    the proof of the load (20 lines a worker) and one result of all workers, with its document
audits    of the page of each worker, read and compared with its ledger; part of looking at it, and of no bar

and the processor time and the peak memory of the coordinator. The bars, at 1 000 workers: start, results and summing up
in 5 s and 200 MB. A straight line through all measurements gives the cost per worker.

Two costs beside it depend on the number of workers: making a line of a share, since random numbers are drawn for all
lines, and the proof, which makes every line of all workers again. Exits with 1 where a bar is missed.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stored_block import add_options, load, publish, table
from harness.host.environment import environment

NAME = "coordinator-scale"
WORKERS = (10, 100, 1_000)
AHEAD = 10_000
BAR_WORKERS, MOST_S, MOST_MB = 1_000, 5.0, 200.0
# Lines of the load for each worker, and of the real run whose record each hands over.
LINES, REAL_LINES = 20, 5_000
SHARES = (1, 10, 100, 1_000)
PARTS = ("start_s", "results_s", "sum_up_s")
TIMEOUT_S = 300.0


class FakeLauncher:
    """Lets prepared fakes dial in; see `harness.distributed.coordinator.WorkerLauncher`."""

    address = "127.0.0.1"

    def __init__(self, spec: dict[str, Any], real: dict[str, Any], count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fake_workers.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say({"spec": spec, "real": real, "count": count})
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise SystemExit("the fake workers did not get ready")
        self.prepared: dict[str, Any] = json.loads(said)

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def start(self, port: int, token: str, count: int) -> None:
        """Name the coordinator to the fakes."""
        del count
        self._say({"port": port, "token": token})

    def reason(self, number: int) -> str:
        """Return why it is gone."""
        del number
        return "" if self._process.poll() is None else "the fake workers ended"

    def close(self) -> None:
        """End the fakes."""
        self._process.kill()
        self._process.wait()


def peak_mb() -> float:
    """Return the most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def coordinate(count: int) -> dict[str, float]:
    """Let one coordinator run `count` fakes from start to end; call it in a process of its own."""
    from harness.distributed.coordinator import Fleet
    from harness.exposition.page import fold, parse_page
    from harness.load.pump import Snapshot
    from harness.load.stop import Stop
    from harness.run.assemble import RunRecord, WorkerRecord, assemble
    from harness.run.observation.seen import Seen, compare
    from harness.run.shard import workload_of
    from harness.run.spec import RunSpec
    from harness.run.workers import Lost
    from harness.scrape.scraper import ScrapeStats
    from harness.views import views_for

    plain: dict[str, Any] = {"errors": "5%", "series": "3", "instrument": "prometheus-client"}
    spec = RunSpec(**plain, arrivals=f"constant:rate={1_000 * count}", count=LINES * count, workers=count)
    real = RunSpec(**plain, arrivals=f"constant:rate={REAL_LINES}", count=REAL_LINES)
    launcher = FakeLauncher(spec.model_dump(mode="json"), real.model_dump(mode="json"), count)
    views, shown, base_mb = views_for(), list[Snapshot](), peak_mb()
    cpu_s, began_s = time.process_time(), time.monotonic()
    fleet = Fleet(spec, count, launcher)
    try:
        ready_s, start_cpu_s = time.monotonic(), time.process_time()
        records = fleet.drive(Stop(), lambda snapshot, _scrapes, _failed: shown.append(snapshot))
        done_s = time.monotonic()
    finally:
        fleet.close()
    workers, cpus = [], [cpu_s, start_cpu_s, time.process_time()]
    for info, record in zip(fleet.infos, records, strict=True):
        page = parse_page(launcher.prepared["page"])
        seen = Seen(page, fold(page.samples, views), [], [], [], "fake", ScrapeStats(), interrupted=False)
        assert not isinstance(record, Lost), record
        workers.append(WorkerRecord(info, record, compare(seen, record, views)))
    audited_s = time.monotonic()
    cpus.append(time.process_time())
    result = assemble(RunRecord(spec, views, workload_of(spec), [], "", workers))
    document = json.dumps(result.document())
    ended_s = time.monotonic()
    assert len(result.workers) == count
    assert not [reason for reason in result.reasons if "other lines" in reason]
    assert shown
    start_s = min(record.driven.start_ns for record in records if not isinstance(record, Lost)) / 1e9
    return {
        "workers": count,
        "start_s": ready_s - began_s,
        "lead_s": start_s - ready_s,
        "results_s": done_s - start_s,
        "audits_s": audited_s - done_s,
        "sum_up_s": ended_s - audited_s,
        "cpu_s": time.process_time() - cpu_s - (cpus[3] - cpus[2]),
        "start_cpu_s": cpus[1] - cpus[0],
        "results_cpu_s": cpus[2] - cpus[1],
        "sum_up_cpu_s": time.process_time() - cpus[3],
        "base_mb": base_mb,
        "peak_mb": peak_mb(),
        "document_mb": len(document) / 1e6,
        "samples": len(page.samples),
        "page_bytes": len(page.text),
        "record_bytes": launcher.prepared["record_bytes"],
        "report_bytes": launcher.prepared["report_bytes"],
    }


def share_cost_ns(count: int) -> float:
    """Return the processor time of making one line of one of `count` shares, in nanoseconds."""
    from harness.run.shard import workload_of
    from harness.run.spec import RunSpec

    lines = max(64, 20_000 // count)
    shard = workload_of(RunSpec(count=lines * count)).shard(0, count)
    began_s = time.process_time()
    for _ in shard.blocks(512):
        pass
    return (time.process_time() - began_s) * 1e9 / lines


def proof_cost_ns(lines: int = 200_000) -> float:
    """Return the processor time of the proof for each line of the whole, in nanoseconds."""
    from harness.run.shard import workload_of
    from harness.run.spec import RunSpec
    from harness.run.union import Made, prove_union

    workload = workload_of(RunSpec(count=lines))
    parts = [workload.shard(k, 2) for k in range(2)]
    for part in parts:
        for _ in part.blocks():
            pass
    made = [Made(part.made, part.digest) for part in parts]
    began_s = time.process_time()
    assert not prove_union(workload, made).others
    return (time.process_time() - began_s) * 1e9 / lines


def measure(counts: Sequence[int], repeats: int) -> dict[str, Any]:
    """Return all figures of a session; every coordinator is a process of its own."""
    rows = []
    for repeat in range(repeats):
        for count in counts:
            command = [sys.executable, __file__, "--one", str(count)]
            done = subprocess.run(command, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True)
            rows.append(json.loads(done.stdout))
            print(f"  repeat {repeat + 1} of {repeats}: {rows[-1]}", file=sys.stderr, flush=True)
    here = environment()
    return {
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{here.cpu}, {here.cpu_count} cores, {here.kernel}, {here.python}",
        "runs": rows,
        "share_ns": {str(count): share_cost_ns(count) for count in SHARES},
        "proof_ns": proof_cost_ns(),
    }


def medians(figures: dict[str, Any], count: int) -> dict[str, float]:
    """Return the median of each figure at a number of workers."""
    rows = [row for row in figures["runs"] if row["workers"] == count]
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


def line(figures: dict[str, Any], value: str) -> tuple[float, float]:
    """Return the cost of one worker and the constant, by least squares; `value` is a figure or ``seconds``."""
    rows = figures["runs"]
    measured = [sum(row[part] for part in PARTS) if value == "seconds" else row[value] for row in rows]
    slope, constant = np.polyfit([row["workers"] for row in rows], measured, 1)
    return float(slope), float(constant)


def missed(figures: dict[str, Any]) -> list[str]:
    """Return the bars that are missed."""
    if all(row["workers"] != BAR_WORKERS for row in figures["runs"]):
        return []
    at = medians(figures, BAR_WORKERS)
    took_s = sum(at[part] for part in PARTS)
    bars = [
        (took_s >= MOST_S, f"{BAR_WORKERS} workers take {took_s:.1f} s of {MOST_S:g} s"),
        (at["peak_mb"] >= MOST_MB, f"{BAR_WORKERS} workers take {at['peak_mb']:.0f} MB of {MOST_MB:g} MB"),
    ]
    return [text for is_missed, text in bars if is_missed]


def block(figures: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    counts = sorted({row["workers"] for row in figures["runs"]})
    parts = [
        table(
            ["workers", "start, s", "lead, s", "results, s", "sum up, s", "CPU, s", "memory, MB", "audits, s"],
            [_row(count, medians(figures, count)) for count in counts],
        )
    ]
    if len(counts) > 1:
        (slope_s, constant_s), (slope_mb, constant_mb) = line(figures, "seconds"), line(figures, "peak_mb")
        parts.append(
            f"Start, results and summing up together: {constant_s:.2f} s and {slope_s * 1e3:.2f} ms a worker; memory: "
            f"{constant_mb:.0f} MB and {slope_mb * 1e3:.0f} kB a worker (least squares over all repeats).\n"
        )
        parts.append(_ahead(figures, [*counts, AHEAD]))
    shares = [[f"1 of {int(count):,}", f"{cost / 1e3:.2f}"] for count, cost in figures["share_ns"].items()]
    parts.append(table(["share of the load", "making one of its lines, µs"], shares))
    repeats = len(figures["runs"]) // len(counts)
    proof = f"The proof of the load takes {figures['proof_ns'] / 1e3:.2f} µs for each line of all workers.\n"
    about = f"`make coordinator-scale`, medians of {repeats} repeats, {figures['made']}: {figures['machine']}.\n"
    return "\n".join([*parts, proof, about])


def _row(count: int, at: dict[str, float]) -> list[str]:
    seconds = [f"{at[name]:.2f}" for name in ("start_s", "lead_s", "results_s", "sum_up_s", "cpu_s")]
    return [f"{count:,}", *seconds, f"{at['peak_mb']:.0f}", f"{at['audits_s']:.1f}"]


def _ahead(figures: dict[str, Any], counts: Sequence[int]) -> str:
    """Return what so many workers mean for coordinator, Prometheus and network; by the fitted line."""
    from harness.distributed.display import progress_every_ns

    (slope_s, constant_s), (slope_mb, constant_mb) = line(figures, "seconds"), line(figures, "peak_mb")
    one = figures["runs"][0]
    rows = []
    for count in counts:
        reports = count * one["report_bytes"] / (progress_every_ns(count) / 1e9)
        rows.append(
            [
                f"{count:,}",
                f"{constant_s + slope_s * count:.1f}",
                f"{constant_mb + slope_mb * count:,.0f}",
                f"{count * one['samples']:,}",
                f"{count * one['page_bytes'] / 1e6:.1f}",
                f"{reports / 1e6:.2f}",
                f"{count * one['record_bytes'] / 1e6:.1f}",
            ]
        )
    heads = [
        "workers, by the line",
        "coordinator, s",
        "MB",
        "samples/s, scraped each second",
        "pages, MB/s",
        "reports, MB/s",
    ]
    return table([*heads, "records at the end, MB"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or read, print and store; return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default=",".join(map(str, WORKERS)), help="numbers of workers (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each (default: %(default)s)")
    add_options(parser)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(coordinate(options.one)))
        return 0
    figures = load(NAME) if options.render else measure(list(map(int, options.workers.split(","))), options.repeats)
    return publish(NAME, figures, block(figures), missed(figures), docs=options.docs, render=options.render)


if __name__ == "__main__":
    sys.exit(main())
