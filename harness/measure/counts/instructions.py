"""Instructions per line, counted by callgrind: independent of the load of the machine, and more exact than time.

A process runs parts of N and of 2N lines. Their difference is N lines, without the fixed cost of a part. Callgrind is
active from the end of the warm-up on, which makes a count two to three times faster than following every import. The
hash seed is 0 and the environment is always the same, so that the count repeats.
"""

import json
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.children import ISOLATED, private_folder, run_to_end
from harness.errors import RunError, from_answer
from harness.host.environment import environment
from harness.interrupts import interruptible
from harness.measure.deadlines import COUNTING_S
from harness.measure.inputs import lines_for
from harness.measure.pairs.pair import voided
from harness.measure.pairs.schedule import Comparison
from harness.measure.pairs.side import Lines, surroundings
from harness.measure.provenance import Provenance
from harness.measure.result import Axis, Experiments, RawPair, TermsUsed
from harness.measure.subject import Subject
from harness.measure.verdict import ControlPairs, assess, entry_of
from harness.progress import Progress, Step

__all__ = [
    "COUNTED", "Counted", "count_instructions", "find_valgrind", "lines_to_count", "parse_parts", "repeat_spread",
    "run_instructions",
]  # fmt: skip

# The arguments from 2 on are the command that makes callgrind count, if there is one to give. Waiting by asking again
# and again lets valgrind's server answer without ptrace. An earlier revision of this project, checked out by
# `harness compare git:REV`, has the module elsewhere, or a `main` that cannot start counting: then it starts before.
COUNTED = """
import os, sys

def start_counting():
    command = sys.argv[2:]
    if command:
        pid = os.posix_spawn(command[0], command + [f"--pid={os.getpid()}", "instrumentation", "on"], os.environ)
        ended = status = 0
        while not ended:
            ended, status = os.waitpid(pid, os.WNOHANG)
        if status:
            sys.exit("vgdb could not start the counting")

try:
    from harness.measure.worker.counted import main
except ModuleNotFoundError:
    from harness.measure.counted import main
if main.__code__.co_argcount:
    main(start_counting)
else:
    start_counting()
    main()
"""
_FAST_LINES = 512
_SLOW_LINES = 40
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Counted:
    """The count of one subject: of each part of N and 2N lines, and the resulting count per line.

    `answer` is the answer of its process, with the libraries it had loaded.
    """

    lines: int
    parts: tuple[tuple[int, int], ...]
    void: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def per_line(self) -> float:
        """The mean over the repeats of (2N part - N part) / N."""
        return math.fsum((double - single) / self.lines for single, double in self.parts) / len(self.parts)


def find_valgrind(axis: str = "instructions") -> str:
    """Return valgrind's path; raise `RunError` with how to install it where it is missing (`axis` is for the text)."""
    path = shutil.which("valgrind")
    if path is None:
        text = f"counting {axis} needs valgrind, which is not on PATH; install it (Debian: apt install valgrind)"
        raise RunError(text, field="axis")
    return path


def lines_to_count(subject: Subject) -> int:
    """Return N: enough lines for a stable count, few where each copies every series and takes a million instructions.

    A fixed rule and not a calibration, since a count only repeats with the same N.
    """
    copies = subject.instrument == "opencensus" or subject.rung in {"copy", "exporter", "endpoint", "scraped"}
    return max(2, _SLOW_LINES // subject.series) if copies else _FAST_LINES


def parse_parts(texts: Sequence[str], repeats: int) -> tuple[tuple[int, int], ...]:
    """Return (N part, 2N part) for each repeat from callgrind's dumps in order; the first is start-up and is ignored.

    Raise `RunError` where there are too few dumps for `repeats` repeats.
    """
    totals = [int(match[1]) for match in map(_TOTALS.search, texts) if match]
    if len(totals) < 2 * repeats + 1:
        text = f"callgrind left {len(totals)} dumps instead of {2 * repeats + 1} or more"
        raise RunError(text, field="axis")
    parts = totals[1 : 2 * repeats + 1]
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def count_instructions(
    subject: Subject, *, lines: Callable[[int], Lines] = lines_for, count: int | None = None, repeats: int = 1
) -> Counted:
    """Return the instructions of `subject`, counted in one process of its own; takes some seconds.

    Raise `RunError` where valgrind is missing or fails, or the `HarnessError` from building the subject.
    """
    valgrind = find_valgrind()
    number = lines_to_count(subject) if count is None else count
    text = lines(subject.series)
    needed = min(len(text.texts), max(3 * number, subject.series))
    command = {
        "subject": subject.to_json(),
        "lines": text.texts[:needed],
        "tags": text.tags[:needed],
        "count": number,
        "repeats": repeats,
    }
    with private_folder("harness-callgrind-") as folder:
        answer = _watch(valgrind, folder, command, subject)
        dumps = sorted(folder.glob("dump.*"), key=lambda path: int(path.suffix[1:]))
        parts = parse_parts([path.read_text() for path in dumps], repeats)
    return Counted(number, parts, voided(subject.name, subject.threads, answer), answer)


def answer_of(output: bytes) -> dict[str, Any]:
    """Return the answer that a counted process printed; raise its `HarnessError` where it failed."""
    answer: dict[str, Any] = json.loads(output)
    if "error" in answer:
        raise from_answer(answer)
    return answer


def _watch(valgrind: str, folder: Path, command: dict[str, object], subject: Subject) -> dict[str, Any]:
    options = [
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--vgdb-prefix={folder}/vgdb",
        f"--callgrind-out-file={folder}/dump",
        "--dump-before=sched_yield",
        "--zero-before=sched_yield",
    ]
    # Valgrind's own client, installed with it.
    start = [str(Path(valgrind).with_name("vgdb")), f"--vgdb-prefix={folder}/vgdb"]
    python = [subject.python or sys.executable, *ISOLATED, "-c", COUNTED, str(os.getpid())]
    process = run_to_end(
        [valgrind, "--quiet", *options, *python, *start],
        what=f"counting the instructions of {subject.name}",
        within_s=COUNTING_S,
        given=json.dumps(command).encode() + b"\n",
        # Callgrind's files have absolute paths, so the process may run in the folder of the user's own module.
        folder=subject.folder or None,
        # A fixed environment, since its size and content shift memory and thereby change a few branches.
        environment={
            "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **surroundings(subject),
        },
    )  # fmt: skip
    if process.code:
        text = f"counting instructions, {subject.name} ended with {process.code}: {process.last_word}"
        raise RunError(text, field="axis")
    return answer_of(process.output)


def _pair(base: Counted, head: Counted) -> RawPair:
    low, high = base.per_line, head.per_line
    return RawPair(
        base_blocks=[part for parts in base.parts for part in parts],
        head_blocks=[part for parts in head.parts for part in parts],
        base_lines=base.lines,
        head_lines=head.lines,
        order="",
        hash_seeds=(0, 0),
        base_per_line=low,
        head_per_line=high,
        log_ratio=math.log(high / low),
        difference=high - low,
        void="; ".join(reason for reason in (base.void, head.void) if reason),
    )


def repeat_spread(counts: Sequence[Counted]) -> float | None:
    """Return the difference of the highest and the lowest count of a subject as a share of their mean.

    None for fewer than two counts.
    """
    values = [count.per_line for count in counts]
    if len(values) < 2:
        return None
    return (max(values) - min(values)) / (math.fsum(values) / len(values))


def run_instructions(
    comparisons: Sequence[Comparison],
    progress: Progress = lambda _step: None,
    *,
    runs: int = 3,
    lines: Callable[[int], Lines] = lines_for,
    tolerance: float = 0.0005,
    count: Callable[..., Counted] = count_instructions,
    axis: Axis = "instructions",
) -> Experiments:
    """Return the document of the comparisons on the axis ``instructions``, or on the `axis` that `count` counts.

    Each subject is counted in `runs` processes; a pair consists of one run of each side. `repeat_spread` is the largest
    difference between the processes of a side. There is no control: a handful of counts that repeat to some hundredths
    of a percent cannot show a bias, and comparing the base with itself would only confirm that. Ctrl-C keeps the counts
    so far.
    """
    began = time.monotonic()
    subjects = list(dict.fromkeys(side for pair in comparisons for side in (pair.base, pair.head)))
    counts: dict[Subject, list[Counted]] = {subject: [] for subject in subjects}
    total, interrupted, provenance = runs * len(subjects), False, Provenance()
    try:
        with interruptible():
            for i, subject in enumerate(subject for _ in range(runs) for subject in subjects):
                spent = time.monotonic() - began
                progress(Step(i / total, spent * (total - i) / i if i else None, f"counting {subject.name}"))
                counted = count(subject, lines=lines)
                provenance.add(subject, counted.answer)
                counts[subject].append(counted)
    except KeyboardInterrupt:
        interrupted = True
    experiments = []
    for pair in comparisons:
        base, head = counts[pair.base], counts[pair.head]
        pairs = [_pair(one, other) for one, other in zip(base, head, strict=False)]
        spreads = [spread for side in (base, head) if (spread := repeat_spread(side)) is not None]
        entry = assess(pair, pairs, ControlPairs(), tolerance=tolerance, axis=axis)
        experiments.append(entry_of(entry, repeat_spread=max(spreads, default=None)))
    terms = TermsUsed(
        precision=None, budget_s=None, rounds=1, block_ns=0, seed=0, tolerance=tolerance,
        hash_seed="0 in each process", counted_from="lines" if axis == "instructions" else "start",
    )  # fmt: skip
    document = Experiments(
        environment=environment(),
        terms=terms,
        interrupted=interrupted,
        elapsed_s=time.monotonic() - began,
        experiments=experiments,
    )
    return provenance.applied(document)
