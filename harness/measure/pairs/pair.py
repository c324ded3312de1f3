"""One pair: two fresh processes on one core, in short shuffled blocks, giving one log-ratio and one difference.

Blocks of a round stand side by side in time, so a slow spell of the machine falls on both; the ratio within the round
does not see it. A block that was interrupted, by a neighbour or by the hypervisor, is one of many: the pair's figures
are 20 % trimmed means over its rounds. Trimming would also hide what a subject does in lumps rarer than one block in
five (a scrape, say), so where lumps belong to what is measured the figures are ratios of plain totals. Pairs are never
trimmed: a wild pair is part of the spread the interval has to cover.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.measure.pairs.side import Side
from harness.measure.result import RawPair
from harness.measure.stats import trimmed_mean

__all__ = ["BlockPlan", "Figures", "figures", "lines_per_block", "measure_pair", "voided"]

TRIM = 0.2
_SCRAPES_A_TURN = 5.0
_LONGEST_TURN_NS = 2_000_000_000
# The round that is not kept need not be longer than this, whatever the others are.
_SETTLE_NS = 10_000_000


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """How a pair is interleaved: rounds of one block a side, each block about `block_ns` long, in whole lines."""

    rounds: int = 20
    block_ns: int = 10_000_000

    def while_scraped(self, interval_ms: int) -> "BlockPlan":
        """Return the plan for sides scraped every `interval_ms`: turns that hold several scrapes, and fewer of them.

        A turn is five intervals long, or two seconds where that is less, and a side is on turn no shorter
        than by this plan. One round will do: more pairs tell more than longer ones.
        """
        turn = max(self.block_ns, min(round(_SCRAPES_A_TURN * interval_ms * 1e6), _LONGEST_TURN_NS))
        return BlockPlan(math.ceil(self.rounds * self.block_ns / turn), turn)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a pair amounts to; times per line in ns."""

    base_per_line: float
    head_per_line: float
    log_ratio: float
    difference: float


def lines_per_block(base_ns: float, head_ns: float, block_ns: float) -> tuple[int, int]:
    """Return the whole lines in a block of each side, from what a line took while warming up.

    Sides within a factor of two of each other get the same number, so that they process exactly the same lines.
    """
    if max(base_ns, head_ns) <= 2 * min(base_ns, head_ns):
        base_ns = head_ns = math.sqrt(base_ns * head_ns)
    return max(1, round(block_ns / base_ns)), max(1, round(block_ns / head_ns))


def figures(
    base: Sequence[float], head: Sequence[float], base_lines: int, head_lines: int, *, lumpy: bool = False
) -> Figures:
    """Return a pair's figures from its blocks' times, one of each side a round.

    `lumpy` takes plain totals instead of trimmed means. Raises `ValueError` for no rounds, sides of unequal length, or
    a block that took no time.
    """
    if not base or len(base) != len(head):
        raise ValueError(f"a pair needs as many blocks on both sides, not {len(base)} and {len(head)}")
    if min(*base, *head) <= 0:
        raise ValueError("a block took no time")
    per_base = [time / base_lines for time in base]
    per_head = [time / head_lines for time in head]
    if lumpy:
        low, high = math.fsum(per_base) / len(base), math.fsum(per_head) / len(head)
        return Figures(low, high, math.log(high / low), high - low)
    rounds = list(zip(per_base, per_head, strict=True))
    return Figures(
        trimmed_mean(per_base, TRIM),
        trimmed_mean(per_head, TRIM),
        trimmed_mean([math.log(high / low) for low, high in rounds], TRIM),
        trimmed_mean([high - low for low, high in rounds], TRIM),
    )


def voided(name: str, threads: int, finished: dict[str, Any]) -> str:
    """Return why a side's figures do not count, or nothing: what it recorded has to have arrived.

    Under several threads losses are a result, shown beside the time, and not a reason to leave the pair out.
    """
    if threads > 1:
        return ""
    if finished["raised"]:
        return f"{name} raised for {finished['raised']} of {finished['evaluated']} lines"
    for view, shown in finished["shown"].items():
        if shown != finished["evaluated"]:
            return f"{name} shows {shown} of {finished['evaluated']} lines in {view}"
    return ""


def _lost(finished: dict[str, Any]) -> int:
    returned: int = finished["evaluated"] - finished["raised"]
    shown: list[int] = list(finished["shown"].values())
    return max(0, returned - min(shown, default=returned))


_Times = tuple[list[int], list[int]]


def _blocks(
    sides: tuple[Side, Side], counts: tuple[int, int], rounds: int, rng: random.Random, *, kept: bool = True
) -> tuple[_Times, _Times, str]:
    """Return both sides' block times, both sides' processor times, and which side went first in each round."""
    times: _Times = ([], [])
    processor: _Times = ([], [])
    order = []
    for _ in range(rounds):
        first = rng.randrange(2)
        for which in (first, 1 - first):
            answer = sides[which].ask({"do": "run", "lines": counts[which], "kept": kept})
            times[which].append(answer["ns"])
            processor[which].append(answer["cpu_ns"])
        order.append("bh"[first])
    return times, processor, "".join(order)


def measure_pair(base: Side, head: Side, plan: BlockPlan, rng: random.Random, *, lumpy: bool = False) -> RawPair:
    """Measure two sides that are loaded and warm; returns the pair with its blocks, void or not."""
    sides = (base, head)
    per_line = base.ns_per_line, head.ns_per_line
    for side in sides:
        side.ask({"do": "pin"})
    # One round that is not kept: both sides have just moved to this core. They warmed up beside each other, so what a
    # line takes is known better now.
    settling = lines_per_block(*per_line, min(plan.block_ns, _SETTLE_NS))
    settled, _, _ = _blocks(sides, settling, 1, rng, kept=False)
    base_ns, head_ns = (min(ns, times[0] / count) for ns, times, count in zip(per_line, settled, settling, strict=True))
    counts = lines_per_block(base_ns, head_ns, plan.block_ns)
    times, processor, order = _blocks(sides, counts, plan.rounds, rng)
    (base_blocks, head_blocks), (base_cpu, head_cpu) = times, processor
    ends = [side.ask({"do": "finish"}) for side in sides]
    found = figures(base_blocks, head_blocks, *counts, lumpy=lumpy)
    reasons = [voided(side.subject.name, side.subject.threads, end) for side, end in zip(sides, ends, strict=True)]
    return RawPair(
        base_blocks=base_blocks,
        head_blocks=head_blocks,
        base_lines=counts[0],
        head_lines=counts[1],
        order=order,
        off_cpu=max(0.0, 1 - sum(base_cpu + head_cpu) / sum(base_blocks + head_blocks)),
        base_cpu=base_cpu,
        head_cpu=head_cpu,
        hash_seeds=(base.hash_seed, head.hash_seed),
        base_per_line=found.base_per_line,
        head_per_line=found.head_per_line,
        log_ratio=found.log_ratio,
        difference=found.difference,
        head_lost=_lost(ends[1]),
        head_raised=ends[1]["raised"],
        head_evaluated=ends[1]["evaluated"],
        base_lost=_lost(ends[0]),
        base_raised=ends[0]["raised"],
        base_scrapes=ends[0].get("scrapes", 0),
        head_scrapes=ends[1].get("scrapes", 0),
        void="; ".join(reason for reason in reasons if reason),
    )
