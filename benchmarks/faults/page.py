"""The faults of a stored document as the block of docs/reliability.md."""

from typing import Any

__all__ = ["block"]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def block(figures: dict[str, Any]) -> str:
    """Return the block: counts, environment, and a row for each fault."""
    faults = figures["faults"]
    counts = {state: sum(each["state"] == state for each in faults) for state in ("passed", "failed", "skipped")}
    machine = figures["environment"]
    counted = (
        f"`{figures['command']}`, {figures['date']}: {len(faults)} faults by name, {counts['passed']} passed, "
        f"{counts['failed']} failed, {counts['skipped']} skipped; {sum(each['commands'] for each in faults)} commands, "
        f"each `killed-` fault at {figures['kills']} random instants (seed {figures['seed']}). "
        f"{machine['python']} on Linux {machine['kernel']}, {machine['cpu']}, {machine['cpu_count']} processors."
    )
    meaning = (
        "Passed means: the expected outcome, no stored result lost or changed (every document is read before and "
        "after), no traceback, no process (found by a mark in its environment), no port and no temporary folder left. "
        "*Ends* is the longest time that a command of the fault took; *gone* the longest until nothing of it was left."
    )
    lines = [
        counted,
        "",
        meaning,
        "",
        "| fault | what was done | expected | observed | exit codes | kept | ends s | gone s |",
        "| --- | --- | --- | --- | --- | --- | --: | --: |",
    ]
    for each in faults:
        state = "" if each["state"] == "passed" else f"**{each['state']}**: "
        codes = ", ".join(str(code) for code in each["codes"]) or "–"
        lines.append(
            f"| {each['name']} | {_cell(each['done'])} | {_cell(each['expected'])} | {state}{_cell(each['observed'])} "
            f"| {codes} | {_cell(each['kept'])} | {each['longest_s']:.1f} | {each['left_s']:.1f} |"
        )
    return "\n".join(lines) + "\n"
