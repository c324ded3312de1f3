"""All surfaces by name."""

from benchmarks.fuzz import (
    command_line,
    languages,
    live_requests,
    pages,
    prometheus_answers,
    results,
    worker_messages,
)
from benchmarks.fuzz.attempt import Surface

__all__ = ["SURFACES", "parts"]

SURFACES: dict[str, Surface] = {
    each.name: each
    for each in (
        command_line.SURFACE, languages.GRAMMAR, languages.SCENARIOS, languages.REQUIREMENTS, results.SURFACE,
        pages.SURFACE, prometheus_answers.SURFACE, worker_messages.WIRE, worker_messages.DISTRIBUTED,
        worker_messages.MEASURED, live_requests.SURFACE,
    )
}  # fmt: skip


def parts(count: int, chosen: list[Surface]) -> dict[str, int]:
    """Return the number of inputs of each surface, together `count`, in proportion to their shares."""
    whole = sum(each.share for each in chosen)
    result = {each.name: count * each.share // whole for each in chosen}
    result[chosen[0].name] += count - sum(result.values())
    return result
