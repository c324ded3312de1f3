"""The block of docs/reliability.md that says what was tried and what became of it."""

from collections.abc import Mapping
from typing import Any

from benchmarks.stored_block import table

__all__ = ["rendered"]


def _places(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def rendered(figures: Mapping[str, Any]) -> str:
    """Return the Markdown of stored figures."""
    surfaces, limits, place = figures["surfaces"], figures["limits"], figures["environment"]
    rows = [
        [
            each["about"], _places(each["tried"]), _places(each["accepted"]), _places(each["refused"]),
            _places(each["defect"]), f"{each['slowest_s']:.2f}", f"{each['most_megabytes']:.0f}",
        ]
        for each in surfaces.values()
    ]  # fmt: skip
    whole = {key: sum(each[key] for each in surfaces.values()) for key in ("tried", "accepted", "refused", "defect")}
    rows.append([
        "together", *(_places(value) for value in whole.values()),
        f"{max(each['slowest_s'] for each in surfaces.values()):.2f}",
        f"{max(each['most_megabytes'] for each in surfaces.values()):.0f}",
    ])  # fmt: skip
    heads = ["what reads the input", "tried", "accepted", "refused", "failed", "slowest, s", "most memory, MB"]
    return (
        f"`{figures['command']}`, {figures['date']}: {_places(figures['budget'])} inputs, seed {figures['seed']}. Each "
        "is a valid sample that was spoilt at random. It has to end with a documented exit code, or in an error of one "
        f"line, within {limits['seconds']:g} s and {limits['megabytes']:g} MB; anything else, such as a traceback, has "
        "failed.\n\n"
        f"{table(heads, rows)}\n"
        "Accepted inputs were read to the end, with commands stopped where they would have started to measure. Inputs "
        "that failed once are kept in `tests/data/fuzz`, and tried again by `make test`. Pages of metrics of 100 MB, "
        "as large as those of 30 000 series, may take longer.\n\n"
        f"{place['cpu']}, {place['cpu_count']} CPUs, {place['python']}.\n"
    )
