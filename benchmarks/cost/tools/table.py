"""The table of `compare_tools.py` as Markdown, with how the tools were used, and its place in docs/compare.md."""

import statistics
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.cost.tools.trials import RULES, TOOLS
from harness.measure.stats import binomial_interval

DOCS = Path(__file__).resolve().parents[3] / "docs" / "compare.md"
STORED = DOCS.parent / "data" / "compare-tools.json.gz"
SHARES = (0.0, 0.01, 0.02, 0.05)
# The use of each tool in sessions of a version, for the page. A change requires an increment of VERSION.
PROCEDURES: dict[int, tuple[str, ...]] = {
    2: (
        (
            "What a turn takes was found by this project itself, from pairs of processes with 600 more turns in one of "
            "them, so the slowdowns are shares as it sees them."
        ),
        (
            "pytest-benchmark, not pinned to a core: a run of the base saved, then a run of the head with "
            "`--benchmark-compare` and `--benchmark-compare-fail`."
        ),
        "pyperf, not pinned to a core: all processes of the base, then all of the head (`-p`), then `compare_to`.",
        (
            "This project, as it always measures: pairs of processes pinned to one core, in alternating blocks. "
            "Pinning and alternation, which the other two leave to their users, were so had by this project alone."
        ),
        (
            "So this session flatters this project. `make compare-tools` measures anew, with a turn by the standard "
            "library's timeit, every tool on the same core and the sides in turn as far as each tool allows, and "
            "replaces table and list."
        ),
    ),
    3: (
        (
            "What a turn takes was found by the standard library's `timeit`, in fresh processes on the same core that "
            "time the two functions in turn."
        ),
        (
            "pytest-benchmark, under `taskset` on that core: one run of each side, which of them first drawn for each "
            "trial, judged by the plugin's own checks of `--benchmark-compare-fail`. Its rules compare two runs, so "
            "the sides cannot alternate within one."
        ),
        (
            "pyperf, with `--affinity` of that core: the sides in turn, three times a third of the processes each "
            "(`-p`, `--append`), which of them first drawn anew each time, then `compare_to`."
        ),
        "This project, as it always measures: pairs of processes pinned to that core, in alternating blocks.",
    ),
}
PROCEDURES[4] = (
    *PROCEDURES[3][:3],
    (
        "asv, with `--cpu-affinity` of that core: `asv continuous` between two commits of a repository made for it, in "
        "four rounds that it interleaves itself, with as many samples (`repeat`) as fit into the time; then `asv "
        "compare` of the same results with the other factor. Both also ask whether the samples differ significantly. "
        "A commit is installed by copying its file; building a package each time would leave no time to measure."
    ),
    (
        "pytest-codspeed, in wall time mode, under `taskset` on that core: one run of each side, which of them first "
        "drawn for each trial, with its own second of warm-up. It stores results, but compares them only in CodSpeed's "
        "service; the rules here apply thresholds, the service's default of 10 % and half of it, to the stored medians."
    ),
    PROCEDURES[3][3],
)
BEGIN, END = "<!-- compare-tools: begin -->", "<!-- compare-tools: end -->"


def table(document: dict[str, Any]) -> str:
    """Return the table as Markdown: for each rule the false alarms, the detections and the wall time of a trial.

    Tools that the session lacks are left out.
    """
    heads = ["rule", "false alarms", *(f"{100 * share:.0f} % found" for share in SHARES if share), "s a trial"]
    rows = [heads, [":--", *["--:"] * (len(heads) - 1)]]
    for tool in TOOLS:
        mine = [record for record in document["records"] if record["tool"] == tool]
        if not mine:
            continue
        wall = f"{statistics.median(record['wall_s'] for record in mine):.1f}"
        for rule in RULES[tool]:
            cells = [_rate([record["slower"][rule] for record in mine if record["share"] == share]) for share in SHARES]
            rows.append([f"{tool}, `{rule}`", *cells, wall])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _rate(alarms: Sequence[bool]) -> str:
    if not alarms:
        return "–"
    low, high = binomial_interval(sum(alarms), len(alarms))
    return f"{sum(alarms)}/{len(alarms)} ({100 * low:.0f}–{100 * high:.0f} %)"


def block(document: dict[str, Any]) -> str:
    """Return the table with its environment and procedure."""
    here = document["environment"]
    # Sessions of older versions lack the versions of the tools.
    versions = "".join(f", {tool} {version}" for tool, version in document.get("tools", {}).items())
    about = (
        f"{here['cpu']}, {here['cpu_count']} cores, {here['kernel']}, {here['python']}, "
        f"prometheus-client {here['libraries']['prometheus-client']}{versions}; "
        f"about {document['seconds']:g} s a trial for each tool. In brackets: exact 95 % intervals."
    )
    return f"{table(document)}\n{about}\n{repeated(document)}\n{procedure(document)}"


def procedure(document: dict[str, Any]) -> str:
    """Return the use of the tools in this session, as a list."""
    calibration = document.get("calibration")
    items = [f"- {line}" for line in PROCEDURES[document["version"]]]
    if calibration:
        low, high = min(calibration["ratios"]), max(calibration["ratios"])
        items[0] += (
            f" Its {len(calibration['ratios'])} processes put {calibration['turns']} turns at {low - 1:.1%} to "
            f"{high - 1:.1%} of a line."
        )
    return "How the tools were used in this session:\n\n" + "\n".join(items) + "\n"


def repeated(document: dict[str, Any]) -> str:
    """Return a sentence on the differences of two runs of identical code with pytest-benchmark; empty without any."""
    records = document["records"]
    same = [record["raw"] for record in records if record["tool"] == TOOLS[0] and record["share"] == 0]
    apart = sorted(abs(head["mean"] / base["mean"] - 1) for base, head in same)
    if not apart:
        return ""
    middle = 100 * statistics.median(apart)
    return (
        f"\nMeans of two runs of identical code under pytest-benchmark were {middle:.1f} % apart "
        f"at the median of {len(apart)} trials, and {100 * apart[-1]:.1f} % at most.\n"
    )


def write_docs(text: str, path: Path = DOCS) -> None:
    """Write `text` between the markers of `path`; raise `SystemExit` where they are missing."""
    page = path.read_text(encoding="utf-8")
    places = [page.find(BEGIN), page.find(END)]
    if -1 in places or any(later < earlier for earlier, later in pairwise(places)):
        raise SystemExit(f"{path}: the markers {BEGIN} and {END} are missing")
    path.write_text(f"{page[: places[0]]}{BEGIN}\n{text}{page[places[1] :]}", encoding="utf-8")
