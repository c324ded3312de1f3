"""Proves that `harness check` tells a busy machine from a slower library, with real runs; `make check-load`.

    python benchmarks/check_load.py [--trials 20] [--budget 60s] [--kinds loaded,released,slower,same] [--work FOLDER]

Nine runs of one way of recording on a quiet machine are the history. In each trial a tenth run is measured, kept and
checked by `harness check --fresh`:

    loaded     the same code beside two busy loops, which go on while it is measured again
    released   the same code beside two busy loops, which end when it has been measured
    slower     5 % more work for each line, on a quiet machine
    same       the same code on a quiet machine; such a run takes the place of the oldest of the nine

Asked for: `regressed` in at most one of 20 for each of the first two and the last, and in at least 19 of 20 for
`slower`. Exits with 1 when that was missed. The busy loops are started and ended here. Before each quiet run it waits
for a quiet moment; where there is none it goes on, and says how often.

Each trial is written down as soon as it is done; an interrupted experiment goes on where it stopped. At the full size
it takes two hours; with --trials 2 --budget 15s ten minutes, which prove nothing but that it runs.
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
# Ends with its parent, whatever becomes of that.
_LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(10**5): pass"
_KEPT = "harness: kept as "


@dataclass(frozen=True)
class Trial:
    """What became of one tenth run; `quiet` tells whether the moment was, before it was measured."""

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
    """Keep `count` processors busy until the end of the block, or until what is yielded has been ended."""
    with ExitStack() as stack:
        loops = []
        for _ in range(count):
            loop = subprocess.Popen([sys.executable, "-c", _LOOP])
            stack.callback(end, [loop])
            loops.append(loop)
        yield loops


def end(loops: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the processes and wait for them; those that have ended are left."""
    for loop in loops:
        loop.kill()
        loop.wait()


def environment(kind: str = "") -> dict[str, str]:
    """Return the environment of a command: the subject can be imported, and is slower where that is the kind."""
    search = os.pathsep.join(part for part in (BENCHMARKS, os.environ.get("PYTHONPATH", "")) if part)
    found = {name: value for name, value in os.environ.items() if name not in {SLOWED, "HARNESS_STORE"}}
    return {**found, "PYTHONPATH": search, **({SLOWED: "1"} if kind == "slower" else {})}


def fresh(store: Path, kind: str, budget: str, wait: str, loops: Sequence[subprocess.Popen[bytes]]) -> dict[str, Any]:
    """Run `harness check --fresh` on a store and return its JSON; for `released`, end the loops when it has measured.

    It works in a folder of its own, so that no changed work tree around it forbids measuring again.
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
        said = []
        for line in process.stderr:
            said.append(line)
            if kind == "released" and line.startswith(_KEPT):
                end(loops)
        out = process.stdout.read()
    if process.returncode not in {0, 1, 3} or not out:
        sys.exit(f"{' '.join(command)}: ended with {process.returncode}: {''.join(said)}")
    found: dict[str, Any] = json.loads(out)
    return found


class Experiment:
    """The trials done and those to do, in a folder that an interrupted experiment goes on from."""

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
        """Wait for a quiet moment and tell whether there was one."""
        return wait_for_quiet(self._quiet_wait_s).quiet

    def history(self) -> list[Path]:
        """Return the newest nine quiet runs, measured where there are fewer."""
        while len(kept := sorted(self.quiet_runs.glob("*.json"))) < HISTORY:
            quiet = self.quiet()
            found = fresh(self.quiet_runs, "same", self._budget, self._wait, [])
            print(
                f"quiet run {len(kept) + 1} of {HISTORY}: {found['run']}{'' if quiet else ' (not quiet)'}", flush=True
            )
        return kept[-HISTORY:]

    def run(self, kind: str, number: int) -> Trial:
        """Measure and check one tenth run and write down what came of it."""
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            store = Path(folder)
            for path in self.history():
                shutil.copy2(path, store)
            quiet = self.quiet()
            loops = stack.enter_context(busy_loops()) if kind in {"loaded", "released"} else []
            found = fresh(store, kind, self._budget, self._wait, loops)
            if kind == "same":
                shutil.copy2(store / f"{found['run']}.json", self.quiet_runs)
        (finding,) = found["findings"]
        trial = Trial(
            kind, number, finding["outcome"], finding["suspected"], found["remeasured"], finding["effect"],
            finding["interval"], finding["reason"], quiet,
        )  # fmt: skip
        with self._records.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
        return trial


def injected(budget: str) -> str:
    """Return by how much the slower subject is slower in processor time, measured side by side with the other one."""
    os.environ["PYTHONPATH"] = environment()["PYTHONPATH"]
    pair = Comparison(Subject(instrument=SUBJECT), Subject(instrument="slowable_subject:Slower"))
    found = measure_overhead([pair], Terms(budget_s=parse_duration_ns(budget) / 1e9)).experiments[0]
    processor = processor_of(found.model_dump(mode="json"), {})
    ratio, error = processor.ratio or 0.0, 2 * (processor.error or 0.0)
    return (
        f"the slower subject takes {ratio:.4f} times as much (±{error:.4f}), off the processor {processor.off_cpu:.1%}"
    )


def held(kind: str, trials: int, regressed: int) -> bool:
    """Tell whether the trials of a kind kept what is asked for; one of up to 20 may go wrong, and one of each 20."""
    spared = max(1, trials // 20)
    return trials - regressed <= spared if kind == "slower" else regressed <= spared


def summary(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield a Markdown table of what the trials came to."""
    yield "| tenth run | trials | regressed | 95 % interval | undecided | pass, improved | measured again | asked for |"
    yield "|---|--:|--:|---|--:|--:|--:|---|"
    for kind in KINDS:
        these = [trial for trial in trials if trial.kind == kind]
        if not these:
            continue
        count = {outcome: sum(trial.outcome == outcome for trial in these) for outcome in ("regressed", "undecided")}
        low, high = binomial_interval(count["regressed"], len(these))
        asked = "at least 19 of 20" if kind == "slower" else "at most 1 of 20"
        kept = "held" if held(kind, len(these), count["regressed"]) else "MISSED"
        yield (
            f"| {kind} | {len(these)} | {count['regressed']} | {low:.0%} to {high:.0%} | {count['undecided']} | "
            f"{len(these) - sum(count.values())} | {sum(trial.remeasured > 0 for trial in these)} | {asked}: {kept} |"
        )
    noisy = sum(not trial.quiet for trial in trials)
    if noisy:
        yield f"\nBefore {noisy} of {len(trials)} trials there was no quiet moment: this is of a busy machine."


def main() -> int:
    """Run what is still missing of the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="trials of each kind")
    parser.add_argument("--budget", default="60s", help="how long each run measures")
    parser.add_argument("--wait", default="10s", help="how long measuring again waits for a quiet moment")
    parser.add_argument("--quiet-wait", default="2m", help="how long each trial waits for one before it begins")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--work", type=Path, default=Path(".benchmarks") / "check_load")
    asked = parser.parse_args()
    experiment = Experiment(asked.work, asked.budget, asked.wait, parse_duration_ns(asked.quiet_wait) / 1e9)
    kinds = [kind for kind in KINDS if kind in asked.kinds.split(",")]
    if "slower" in kinds:
        print(injected(asked.budget), flush=True)
    done = {(trial.kind, trial.number) for trial in experiment.trials()}
    for number in range(asked.trials):
        for kind in kinds:
            if (kind, number) not in done:
                trial = experiment.run(kind, number)
                effect = "-" if trial.effect is None else f"{trial.effect:+.2%}"
                print(f"{kind} {number + 1}: {trial.outcome} {effect} ({trial.reason})", flush=True)
    trials = [trial for trial in experiment.trials() if trial.kind in kinds and trial.number < asked.trials]
    print("", *summary(trials), sep="\n")
    by_kind = {kind: [trial.outcome for trial in trials if trial.kind == kind] for kind in kinds}
    return 0 if all(held(kind, len(found), found.count("regressed")) for kind, found in by_kind.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
