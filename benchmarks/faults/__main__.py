"""Performs faults by name, each in a process of its own, and shows that nothing is lost and nothing is left.

    python -m benchmarks.faults                     all of them, stored in .benchmarks
    python -m benchmarks.faults --docs              store in docs/data and write docs/reliability.md as well
    python -m benchmarks.faults --render            write docs/reliability.md again from docs/data
    python -m benchmarks.faults --only port-taken killed-run --kills 10
    python -m benchmarks.faults --list

Exits with 1 where a fault did not have its expected outcome; one that the machine does not allow is counted as skipped.
"""

import argparse
import shlex
import sys
from datetime import UTC, datetime
from typing import Any

from benchmarks.faults.catalog import FAMILIES, FAULTS
from benchmarks.faults.fault import Fault
from benchmarks.faults.page import block
from benchmarks.faults.runner import run_fault
from benchmarks.stored_block import ROOT, add_options, load, store, write_block
from harness.host.environment import environment

NAME = "reliability-faults"
PAGE = ROOT / "docs" / "reliability.md"


def chosen(names: list[str] | None) -> list[Fault]:
    """Return the faults of these names, or of these families, all for none; raises `SystemExit` for an unknown one."""
    if not names:
        return list(FAULTS.values())
    for name in names:
        if name not in FAULTS and name not in FAMILIES:
            raise SystemExit(f"--only: there is no fault or family {name!r}; --list names them")
    return [each for each in FAULTS.values() if each.name in names or each.family in names]


def measured(faults: list[Fault], seed: int, kills: int) -> list[dict[str, Any]]:
    """Run the faults one after the other, with a line for each."""
    reports = []
    for number, each in enumerate(faults, 1):
        print(f"[{number}/{len(faults)}] {each.name}: {each.done}", flush=True)
        report = run_fault(each, seed, kills)
        reports.append(report)
        print(f"    {report['state']} in {report['seconds']} s: {report['observed']}", flush=True)
        print(f"    exit codes {report['codes']}; kept {report['kept']}; gone after {report['left_s']} s", flush=True)
    return reports


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="faults or families to perform")
    parser.add_argument("--list", action="store_true", help="list the faults")
    parser.add_argument("--kills", type=int, default=100, help="random instants of a kill for each killed- fault")
    parser.add_argument("--seed", type=int, default=1, help="seed of the instants")
    add_options(parser, PAGE)
    options = parser.parse_args()
    if options.kills < 1:
        raise SystemExit("--kills: at least 1")
    faults = chosen(options.only)
    if options.list:
        for each in faults:
            print(f"{each.family:<11} {each.name:<26} {each.done}")
        return 0
    if options.render:
        figures = load(NAME)
    else:
        print(f"{len(faults)} faults, seed {options.seed}, {options.kills} kills each", flush=True)
        figures = {
            "command": "make faults"
            if sys.argv[1:] == ["--docs"]
            else shlex.join(["python", "-m", "benchmarks.faults", *sys.argv[1:]]),
            "date": datetime.now(UTC).date().isoformat(),
            "seed": options.seed,
            "kills": options.kills,
            "environment": environment().model_dump(mode="json"),
            "faults": measured(faults, options.seed, options.kills),
        }
        store(NAME, figures, ROOT / "docs" / "data" if options.docs else ROOT / ".benchmarks")
    if options.docs or options.render:
        write_block("faults", block(figures), page=PAGE)
    print(block(figures))
    failed = [each["name"] for each in figures["faults"] if each["state"] == "failed"]
    for name in failed:
        print(f"failed: {name}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
