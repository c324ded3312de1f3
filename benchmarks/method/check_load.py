"""Tests with real runs that `harness check` distinguishes a busy machine from a slower library; `make check-load`.

    python benchmarks/method/check_load.py [--trials 20] [--budget 60s] [--kinds loaded,slower,...] [--work FOLDER]

The history consists of nine runs of one way of recording on a quiet machine. In each trial a tenth run is measured,
stored and checked by `harness check --fresh`:

    loaded     the same code beside two busy loops, which also run while it is measured again
    released   the same code beside two busy loops, which end after the first measurement
    slower     5 % more work for each line, on a quiet machine
    same       the same code on a quiet machine; such a run replaces the oldest of the nine

Required are `regressed` in at most one of 20 trials of the first two kinds and the last, and in at least 19 of 20 for
`slower`; exits with 1 otherwise. The script starts and ends the busy loops. Before each quiet run it waits for a quiet
moment; where there is none it goes on, and reports how often.

Each trial is stored as soon as it is done; an interrupted experiment resumes where it stopped. At full size it takes
two hours; with --trials 2 --budget 15s ten minutes, which only prove that it runs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.history.checking.quiet import wait_for_quiet
from harness.history.processor import processor_of
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.stats import binomial_interval
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from workloads.units import parse_duration_ns

BENCHMARKS = str(Path(__file__).resolve().parent)
SUBJECT = "slowable_subject:Slowable"
SLOWED = "SLOWABLE_SUBJECT_SLOWED"
KINDS = ("loaded", "released", "slower", "same")
HISTORY = 9
LOOPS = 2
# A busy loop that ends with its parent.
_LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(10**5): pass"
_STORED_LINE = "harness: kept as "


@dataclass(frozen=True)
class Trial:
    """The result of one tenth run; `quiet` is whether there was a quiet moment before it."""

    kind: str
    number: int
    outcome: str
    suspected: bool
    remeasured: int
    effect: float | None
    interval: tuple[float, float] | None
    reason: str
    quiet: bool


@contextmanager
def busy_loops(count: int = LOOPS) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep `count` processors busy until the end of the context, or until the yielded processes are ended."""
    with ExitStack() as stack:
        loops = []
        for _ in range(count):
            loop = subprocess.Popen([sys.executable, "-c", _LOOP])
            stack.callback(end, [loop])
            loops.append(loop)
        yield loops


def end(loops: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the processes and wait for them; ended ones are ignored."""
    for loop in loops:
        loop.kill()
        loop.wait()


def environment(kind: str = "") -> dict[str, str]:
    """Return the environment of a command, in which the subject can be imported, and is slower for that kind."""
    search = os.pathsep.join(part for part in (BENCHMARKS, os.environ.get("PYTHONPATH", "")) if part)
    variables = {name: value for name, value in os.environ.items() if name not in {SLOWED, "HARNESS_STORE"}}
    return {**variables, "PYTHONPATH": search, **({SLOWED: "1"} if kind == "slower" else {})}


def fresh(store: Path, kind: str, budget: str, wait: str, loops: Sequence[subprocess.Popen[bytes]]) -> dict[str, Any]:
    """Run `harness check --fresh` on a store and return its JSON; for `released`, end the loops after the measurement.

    It runs in a temporary folder, since a changed work tree around it would forbid the repetition.
    """
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "check",
        "--fresh",
        "--json",
        "--store",
        str(store),
        "--budget",
        budget,
    ]
    command += ["--wait", wait, "--instruments", SUBJECT]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment(kind)
        ) as process,
    ):
        assert process.stderr is not None
        assert process.stdout is not None
        messages = []
        for line in process.stderr:
            messages.append(line)
            if kind == "released" and line.startswith(_STORED_LINE):
                end(loops)
        out = process.stdout.read()
    if process.returncode not in {0, 1, 3} or not out:
        sys.exit(f"{' '.join(command)}: ended with {process.returncode}: {''.join(messages)}")
    result: dict[str, Any] = json.loads(out)
    return result


class Experiment:
    """The trials, in a folder from which an interrupted experiment resumes."""

    def __init__(self, work: Path, budget: str, wait: str, quiet_wait_s: float) -> None:
        self.quiet_runs = work / "quiet"
        self._records = work / "trials.jsonl"
        self._budget, self._wait, self._quiet_wait_s = budget, wait, quiet_wait_s
        self.quiet_runs.mkdir(parents=True, exist_ok=True)

    def trials(self) -> list[Trial]:
        """Return the trials done so far."""
        if not self._records.exists():
            return []
        return [Trial(**json.loads(line)) for line in self._records.read_text(encoding="utf-8").splitlines()]

    def quiet(self) -> bool:
        """Wait for a quiet moment and return whether there was one."""
        return wait_for_quiet(self._quiet_wait_s).quiet

    def history(self) -> list[Path]:
        """Return the newest nine quiet runs, measured where there are fewer."""
        while len(runs := sorted(self.quiet_runs.glob("*.json"))) < HISTORY:
            quiet = self.quiet()
            result = fresh(self.quiet_runs, "same", self._budget, self._wait, [])
            print(
                f"quiet run {len(runs) + 1} of {HISTORY}: {result['run']}{'' if quiet else ' (not quiet)'}", flush=True
            )
        return runs[-HISTORY:]

    def run(self, kind: str, number: int) -> Trial:
        """Measure and check one tenth run, store the trial and return it."""
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            store = Path(folder)
            for path in self.history():
                shutil.copy2(path, store)
            quiet = self.quiet()
            loops = stack.enter_context(busy_loops()) if kind in {"loaded", "released"} else []
            result = fresh(store, kind, self._budget, self._wait, loops)
            if kind == "same":
                shutil.copy2(store / f"{result['run']}.json", self.quiet_runs)
        (finding,) = result["findings"]
        trial = Trial(
            kind, number, finding["outcome"], finding["suspected"], result["remeasured"], finding["effect"],
            finding["interval"], finding["reason"], quiet,
        )  # fmt: skip
        with self._records.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
        return trial


def injected(budget: str) -> str:
    """Return the cost of the slower subject in processor time, measured side by side with the other one, in words."""
    os.environ["PYTHONPATH"] = environment()["PYTHONPATH"]
    pair = Comparison(Subject(instrument=SUBJECT), Subject(instrument="slowable_subject:Slower"))
    experiment = measure_overhead([pair], Terms(budget_s=parse_duration_ns(budget) / 1e9)).experiments[0]
    processor = processor_of(experiment.model_dump(mode="json"), {})
    ratio, error = processor.ratio or 0.0, 2 * (processor.error or 0.0)
    return (
        f"the slower subject takes {ratio:.4f} times as much (±{error:.4f}), off the processor {processor.off_cpu:.1%}"
    )


def held(kind: str, trials: int, regressed: int) -> bool:
    """Return whether the trials of a kind meet the requirement: at most one wrong trial of each 20, and of up to 20."""
    spared = max(1, trials // 20)
    return trials - regressed <= spared if kind == "slower" else regressed <= spared


def summary(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield a Markdown table of the results of the trials."""
    yield "| tenth run | trials | regressed | 95 % interval | undecided | pass, improved | measured again | required |"
    yield "|---|--:|--:|---|--:|--:|--:|---|"
    for kind in KINDS:
        group = [trial for trial in trials if trial.kind == kind]
        if not group:
            continue
        count = {outcome: sum(trial.outcome == outcome for trial in group) for outcome in ("regressed", "undecided")}
        low, high = binomial_interval(count["regressed"], len(group))
        goal = "at least 19 of 20" if kind == "slower" else "at most 1 of 20"
        result = "held" if held(kind, len(group), count["regressed"]) else "MISSED"
        yield (
            f"| {kind} | {len(group)} | {count['regressed']} | {low:.0%} to {high:.0%} | {count['undecided']} | "
            f"{len(group) - sum(count.values())} | {sum(trial.remeasured > 0 for trial in group)} | {goal}: {result} |"
        )
    noisy = sum(not trial.quiet for trial in trials)
    if noisy:
        yield f"\nBefore {noisy} of {len(trials)} trials there was no quiet moment: this is of a busy machine."


def main() -> int:
    """Run the missing trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="trials of each kind")
    parser.add_argument("--budget", default="60s", help="time budget of each run")
    parser.add_argument("--wait", default="10s", help="longest wait for a quiet moment before a repetition")
    parser.add_argument("--quiet-wait", default="2m", help="longest wait for a quiet moment before each trial")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--work", type=Path, default=Path(".benchmarks") / "check_load")
    options = parser.parse_args()
    experiment = Experiment(options.work, options.budget, options.wait, parse_duration_ns(options.quiet_wait) / 1e9)
    kinds = [kind for kind in KINDS if kind in options.kinds.split(",")]
    if "slower" in kinds:
        print(injected(options.budget), flush=True)
    done = {(trial.kind, trial.number) for trial in experiment.trials()}
    for number in range(options.trials):
        for kind in kinds:
            if (kind, number) not in done:
                trial = experiment.run(kind, number)
                effect = "-" if trial.effect is None else f"{trial.effect:+.2%}"
                print(f"{kind} {number + 1}: {trial.outcome} {effect} ({trial.reason})", flush=True)
    trials = [trial for trial in experiment.trials() if trial.kind in kinds and trial.number < options.trials]
    print("", *summary(trials), sep="\n")
    by_kind = {kind: [trial.outcome for trial in trials if trial.kind == kind] for kind in kinds}
    return 0 if all(held(kind, len(outcomes), outcomes.count("regressed")) for kind, outcomes in by_kind.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
