"""What `harness run` promises, as a user meets it: real processes, real files, real signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from tests.harness.cli.commands import running

pytestmark = pytest.mark.system

COMMAND = [sys.executable, "-m", "harness.cli"]
# A closed loop has no schedule to miss, so a busy machine cannot make these runs invalid.
QUICK = ["--arrivals", "max", "--count", "300", "--quiet"]
PACED = ["--arrivals", "constant:500/s", "--duration", "600ms", "--quiet"]


def harness(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=90, check=False, cwd=cwd)


def run(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run with a JSON result; return exit code, result and standard output."""
    path = tmp_path / "result.json"
    done = harness("run", *QUICK, "--json", str(path), *arguments)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(path.read_text()), done.stdout


def test_the_result_keeps_its_contract(tmp_path: Path) -> None:
    """Every promised key is there, the document fits the published schema, and the ledger adds up."""
    code, result, printed = run(
        tmp_path, *PACED, "--scraper", "builtin", "--scrape-interval", "200ms", "--errors", "5%"
    )
    assert (code, result["verdict"]) in ((0, "valid"), (1, "invalid"))
    schema = json.loads(harness("schema").stdout)
    jsonschema.validate(result, schema["result"])
    ledger = result["ledger"]
    assert ledger["offered"] == ledger["processed"] + ledger["failed"] + ledger["dropped"] == 300
    assert ledger["failed"] == sum(ledger["refused"].values()) > 0
    for name in ("lag_ns", "service_ns", "response_ns"):
        assert {"p50", "p90", "p99", "p999", "max", "mean", "count", "hdr"} <= result[name].keys()
        assert result[name]["count"] == 300
    points = result["timeline"]["points"]
    assert sum(point["lines"] for point in points) == 300
    assert sum(point["failed"] for point in points) == ledger["failed"]
    assert max(point["response_ns"]["max"] for point in points) == result["response_ns"]["max"]
    assert result["rate"]["target"] == pytest.approx(500)
    assert result["scrapes"]["count"] == len(result["scrapes"]["windows"]) >= 2
    assert result["audit"]["conserved"] is True
    assert {"name", "severity", "size", "detail"} <= result["audit"]["findings"][0].keys()
    assert "300 offered = " in printed


@pytest.mark.prometheus
def test_real_prometheus_stores_what_the_ledger_says(tmp_path: Path) -> None:
    """With errors, several series and fine buckets, all that Prometheus stored equals the ledger."""
    code, result, _ = run(
        tmp_path, "--scraper", "prometheus", "--errors", "5%", "--series", "3", "--latency-buckets", "fine"
    )
    assert code == 0
    assert result["audit"]["conserved"] is True
    assert len(result["audit"]["compared"]) == 2
    assert not [found for found in result["audit"]["findings"] if found["severity"] == "error"]


def test_the_same_seed_sends_the_same_load(tmp_path: Path) -> None:
    """Two runs of a seed have one digest; another seed has another."""
    digests = [run(tmp_path, "--scraper", "none", "--seed", seed)[1]["workload"]["digest"] for seed in ("7", "7", "8")]
    assert digests[0] == digests[1] != digests[2]


def test_a_requirement_that_does_not_hold_fails_the_run(tmp_path: Path) -> None:
    """Exit code 1, and the value that was found beside the one required."""
    code, result, printed = run(
        tmp_path, "--scraper", "none", "--require", "response.p99<1ns", "--require", "dropped==0"
    )
    assert code == 1
    assert [(one["text"], one["held"]) for one in result["requirements"]] == [
        ("response.p99<1ns", False),
        ("dropped==0", True),
    ]
    assert result["requirements"][0]["actual"] > 1
    assert "✗ require response.p99<1ns" in printed


def test_a_requirement_without_data_fails(tmp_path: Path) -> None:
    """Nothing was scraped, so nothing can be said of scrapes."""
    assert run(tmp_path, "--scraper", "none", "--require", "scrapes.max<1h")[0] == 1


def test_an_instrument_that_exposes_nothing_is_scraped_and_not_accused(tmp_path: Path) -> None:
    """There is nothing to compare, which is neither conserved nor an error."""
    code, result, printed = run(tmp_path, "--scraper", "builtin", "--scrape-interval", "50ms", "--instrument", "none")
    assert (code, result["verdict"]) in ((0, "valid"), (1, "invalid"))
    assert (result["audit"]["conserved"], result["audit"]["outcome"]) == (None, None)
    assert not [found for found in result["audit"]["findings"] if found["severity"] == "error"]
    assert "nothing to compare" in printed


OWN = """
from harness.instruments.prometheus_client_ import PrometheusClientInstrument
from prometheus_client import CollectorRegistry, Counter
class Losing:
    '''Forgets every tenth line.'''
    def __init__(self, views):
        self.registry, self.seen = CollectorRegistry(), 0
        self.lines = Counter("oc_python_demo_lines_in", "x", ["method", "status", "error"], registry=self.registry)
    def record(self, latency_ms, length_bytes, tags):
        self.seen += 1
        if self.seen % 10:
            self.lines.labels(*tags).inc()
    def close(self): pass
class Raising(Losing):
    def record(self, latency_ms, length_bytes, tags):
        raise LookupError("no")
class Slow(Losing):
    def record(self, latency_ms, length_bytes, tags):
        import time; time.sleep(0.005)
class Seconds(PrometheusClientInstrument):
    '''Records seconds where the view says milliseconds.'''
    def __init__(self, views):
        super().__init__(views)
        record = self.record
        self.record = lambda latency_ms, length_bytes, tags: record(latency_ms / 1000, length_bytes, tags)
class Hanging(Losing):
    '''Answers no scrape any more once it has recorded a line.'''
    def __init__(self, views):
        super().__init__(views)
        self.registry.register(self)
    def describe(self): return []
    def collect(self):
        import threading
        if self.seen: threading.Event().wait()
        return []
"""


@pytest.mark.parametrize(
    ("name", "finding", "failed"),
    [("Losing", "count_mismatch", 0), ("Raising", "record_raised", 300), ("Seconds", "sum_mismatch", 0)],
)
def test_records_that_do_not_arrive_fail_the_run(tmp_path: Path, name: str, finding: str, failed: int) -> None:
    """An instrument of the user's own that loses or refuses records is found out, by name and size."""
    (tmp_path / "own.py").write_text(OWN)
    path = tmp_path / "result.json"
    done = harness("run", *QUICK, "--scraper", "none", "--instrument", f"own:{name}", "--json", str(path), cwd=tmp_path)
    result = json.loads(path.read_text())
    assert done.returncode == 1
    assert (result["audit"]["conserved"], result["audit"]["outcome"]) == (False, "not_conserved")
    assert finding in {found["name"] for found in result["audit"]["findings"]}
    assert "NOT CONSERVED" in done.stdout
    assert result["ledger"]["failed"] == failed


def test_a_run_that_misses_its_schedule_says_invalid(tmp_path: Path) -> None:
    """A subject that takes 5 ms cannot do 500 lines/s; the run says that the subject ran out, and fails."""
    (tmp_path / "own.py").write_text(OWN)
    path = tmp_path / "result.json"
    done = harness("run", *PACED, "--scraper", "none", "--instrument", "own:Slow", "--json", str(path), cwd=tmp_path)
    result = json.loads(path.read_text())
    assert done.returncode == 1
    assert result["verdict"] == "invalid"
    assert any("the subject ran out" in reason for reason in result["reasons"])
    assert "INVALID" in done.stdout


def test_dropped_lines_are_counted(tmp_path: Path) -> None:
    """Under policy drop a subject too slow for the rate gets fewer lines, and each one missing is accounted for."""
    (tmp_path / "own.py").write_text(OWN)
    path = tmp_path / "result.json"
    harness(
        "run",
        *PACED,
        "--policy",
        "drop",
        "--scraper",
        "none",
        "--instrument",
        "own:Slow",
        "--json",
        str(path),
        cwd=tmp_path,
    )
    ledger = json.loads(path.read_text())["ledger"]
    assert ledger["dropped"] > 0
    assert ledger["offered"] == ledger["processed"] + ledger["dropped"] == 300


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_measured(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or a termination ends it at a line: summary printed, result saved, ledger and page in accord."""
    path = tmp_path / "result.json"
    process = subprocess.Popen(
        [
            *COMMAND,
            "run",
            "--duration",
            "60s",
            "--arrivals",
            "constant:500/s",
            "--scraper",
            "builtin",
            "--json",
            str(path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "lines/s" in line:
            process.send_signal(number)
            break
    printed, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in told
    assert "Interrupted" in printed
    result = json.loads(path.read_text())
    assert result["interrupted"] is True
    assert 0 < result["ledger"]["offered"] < 30_000
    # On a busy machine the last scrape may not come before the run has to end.
    assert result["audit"]["outcome"] in ("conserved", "not_verified")
    assert "NOT CONSERVED" not in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_audit_that_hangs_can_be_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or a termination while the page cannot be read: the result is saved, and says what was not looked at."""
    (tmp_path / "own.py").write_text(OWN)
    path = tmp_path / "result.json"
    command = [*COMMAND, "run", *QUICK[:-1], "--scraper", "builtin", "--instrument", "own:Hanging", "--json", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if "waiting for one more scrape" in line:
            process.send_signal(number)
            break
    printed, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in told
    assert "NOT VERIFIED: " in printed
    assert "could not be looked at" in printed
    result = json.loads(path.read_text())
    assert (result["audit"]["conserved"], result["audit"]["outcome"]) == (None, "not_verified")
    assert "the page" in result["audit"]["not_seen"]
    assert result["ledger"]["offered"] == 300


@pytest.mark.prometheus
def test_a_prometheus_that_dies_half_way_costs_only_what_it_knew(tmp_path: Path) -> None:
    """The server is killed during the run: the run goes on, the result is kept and says so, and the exit code is 1."""
    path = tmp_path / "result.json"
    process = subprocess.Popen(
        [
            *COMMAND,
            "run",
            "--duration",
            "2s",
            "--arrivals",
            "constant:500/s",
            "--scraper",
            "prometheus",
            "--json",
            str(path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "lines/s" in line:
            for child in psutil.Process(process.pid).children(recursive=True):
                if child.name().startswith("prometheus"):
                    child.kill()
            break
    printed, _ = process.communicate(timeout=60)
    result = json.loads(path.read_text())
    assert process.returncode == 1
    assert result["ledger"]["offered"] == 1000
    assert "scraper_died" in {found["name"] for found in result["audit"]["findings"]}
    assert (result["audit"]["conserved"], result["audit"]["outcome"]) == (None, "not_verified")
    assert "NOT VERIFIED: what the scraper stored could not be looked at" in printed
    assert "NOT CONSERVED" not in printed


def test_a_prometheus_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong PROMETHEUS_BIN is named before anything is sent."""
    monkeypatch.setenv("PROMETHEUS_BIN", "/bin/false")
    done = harness("run", *QUICK)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "prometheus" in done.stderr.lower()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--lengths", "lognormal:sigma=-1"], "--lengths"),
        (["--lengths", "replay:/no/such/file"], "--lengths"),
        (["--content", "poems"], "--content"),
        (["--arrivals", "poisson:0/s"], "--arrivals"),
        (["--errors", "150%"], "--errors"),
        (["--series", "0"], "--series"),
        (["--seed", "-1"], "--seed"),
        (["--count", "0"], "--count"),
        (["--count", "1e99"], "--count"),
        (["--duration", "10"], "--duration"),
        (["--scrape-interval", "1us"], "--scrape-interval"),
        (["--max-lag", "-1s"], "--max-lag"),
        (["--require", "p99 is small"], "--require"),
        (["--port", "99999"], "--port"),
        (["--instrument", "nonsense"], "--instrument"),
        (["--json", "/no/such/folder/x.json"], "--json"),
        (["--json", "/"], "--json"),
        (["no-such-scenario"], "SCENARIO"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_flag(arguments: list[str], names: str) -> None:
    """Exit code 2, one line, nothing started."""
    done = (
        harness("run", "--duration", "1s", *arguments) if "--duration" not in arguments else harness("run", *arguments)
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert names in done.stderr


def test_an_unknown_key_in_a_scenario_is_named_with_its_file(tmp_path: Path) -> None:
    """The file and the key stand in the line."""
    path = tmp_path / "own.toml"
    path.write_text('lenghts = "uniform:1,2"\n')
    done = harness("run", str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "lenghts" in done.stderr


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The summary is printed, and the result lies in the temporary folder, where the line says."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, "run", *QUICK, "--scraper", "none", "--json", "/dev/full"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    assert "--json" in done.stderr
    assert "offered" in done.stdout
    (kept,) = tmp_path.glob("harness-result-*.json")
    assert json.loads(kept.read_text())["ledger"]["offered"] == 300
    assert str(kept) in done.stderr


def test_help_comes_at_once_and_teaches() -> None:
    """Listing the commands imports none of what they need."""
    heavy = ("numpy", "rich", "pydantic", "opencensus", "scipy", "faker")
    code = (
        "import sys, harness.cli; harness.cli._run(['--help']);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.endswith("[]\n")
    assert "harness run --duration 5s" in done.stdout


def test_what_was_started_is_stopped(tmp_path: Path) -> None:
    """After a run none of its children are left, nor any file of theirs."""
    arguments = ["run", "--arrivals", "max", "--count", "300", "--scraper", "builtin"]
    with running(tmp_path, arguments) as command:
        assert command.wait_for(command.has_children, "scraper")
        assert command.ended() == 0, command.told
        command.leaves_nothing()
