"""One pair: two fresh processes on one core, measured in short shuffled blocks; one log-ratio and one difference.

The blocks of a round follow each other directly, so a temporary slowdown of the machine affects both and cancels in
the ratio. A block that was interrupted, by another process or by the hypervisor, is one of many: the pair's figures
are 20 % trimmed means over its rounds. Trimming would also hide costs in bursts rarer than one block in five, such as
scrapes; where bursts belong to the measured cost, the figures are ratios of plain totals. Pairs are never trimmed: an
outlier is part of the spread that the interval has to cover.
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
# The discarded first round need not be longer than this, whatever the length of the others.
_SETTLE_NS = 10_000_000


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """The plan of a pair: rounds of one block per side, each of whole lines and about `block_ns` long."""

    rounds: int = 20
    block_ns: int = 10_000_000

    def while_scraped(self, interval_ms: int) -> "BlockPlan":
        """Return the plan for sides scraped every `interval_ms`: fewer blocks, each of which contains several scrapes.

        A block is five intervals long, but at most two seconds, and no shorter than in this plan; the total time of a
        side is no shorter either. One round suffices: more pairs give more information than longer ones.
        """
        turn = max(self.block_ns, min(round(_SCRAPES_A_TURN * interval_ms * 1e6), _LONGEST_TURN_NS))
        return BlockPlan(math.ceil(self.rounds * self.block_ns / turn), turn)


@dataclass(frozen=True, slots=True)
class Figures:
    """The statistics of a pair; times per line in ns."""

    base_per_line: float
    head_per_line: float
    log_ratio: float
    difference: float


def lines_per_block(base_ns: float, head_ns: float, block_ns: float) -> tuple[int, int]:
    """Return the number of lines in a block of each side, from the ns per line measured during warm-up.

    Sides within a factor of two of each other get the same number, so that they process exactly the same lines.
    """
    if max(base_ns, head_ns) <= 2 * min(base_ns, head_ns):
        base_ns = head_ns = math.sqrt(base_ns * head_ns)
    return max(1, round(block_ns / base_ns)), max(1, round(block_ns / head_ns))


def figures(
    base: Sequence[float], head: Sequence[float], base_lines: int, head_lines: int, *, lumpy: bool = False
) -> Figures:
    """Return a pair's figures from the times of its blocks in ns, one of each side per round.

    `lumpy` uses plain totals instead of trimmed means. Raise `ValueError` for no rounds, sides of unequal length, or a
    block that took no time.
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
    """Return why a side's figures do not count; empty where all of its records arrived.

    With several threads losses are a result, reported beside the time, and do not void the pair. Neither do packets
    that are known to be lost on their way: what they cost the side that sent them is measured.
    """
    if threads > 1:
        return ""
    if finished["raised"]:
        return f"{name} raised for {finished['raised']} of {finished['evaluated']} lines"
    for view, shown in finished["shown"].items():
        if shown != finished["evaluated"] and not (finished.get("lost_packets") and shown < finished["evaluated"]):
            return f"{name} shows {shown} of {finished['evaluated']} lines in {view}"
    return ""


def _lost(finished: dict[str, Any]) -> int:
    returned: int = finished["evaluated"] - finished["raised"]
    shown: list[int] = list(finished["shown"].values())
    return max(0, returned - min(shown, default=returned))


_Times = tuple[list[int], list[int]]


def _blocks(
    sides: tuple[Side, Side], counts: tuple[int, int], rounds: int, rng: random.Random, *, valid: bool = True
) -> tuple[_Times, _Times, str]:
    """Return both sides' block times and processor times in ns, and the side that ran first in each round (b or h)."""
    times: _Times = ([], [])
    processor: _Times = ([], [])
    order = []
    for _ in range(rounds):
        first = rng.randrange(2)
        for which in (first, 1 - first):
            answer = sides[which].ask({"do": "run", "lines": counts[which], "kept": valid})
            times[which].append(answer["ns"])
            processor[which].append(answer["cpu_ns"])
        order.append("bh"[first])
    return times, processor, "".join(order)


def measure_pair(base: Side, head: Side, plan: BlockPlan, rng: random.Random, *, lumpy: bool = False) -> RawPair:
    """Measure two sides that are loaded and warm; return the pair with its blocks, void or not."""
    sides = (base, head)
    per_line = base.ns_per_line, head.ns_per_line
    for side in sides:
        side.ask({"do": "pin"})
    # This round is discarded, since both sides have just moved to this core. They warmed up at the same time, so it
    # also gives a better estimate of the time per line.
    settling = lines_per_block(*per_line, min(plan.block_ns, _SETTLE_NS))
    trial, _, _ = _blocks(sides, settling, 1, rng, valid=False)
    base_ns, head_ns = (min(ns, times[0] / count) for ns, times, count in zip(per_line, trial, settling, strict=True))
    counts = lines_per_block(base_ns, head_ns, plan.block_ns)
    times, processor, order = _blocks(sides, counts, plan.rounds, rng)
    (base_blocks, head_blocks), (base_cpu, head_cpu) = times, processor
    ends = [side.ask({"do": "finish"}) for side in sides]
    summary = figures(base_blocks, head_blocks, *counts, lumpy=lumpy)
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
        base_per_line=summary.base_per_line,
        head_per_line=summary.head_per_line,
        log_ratio=summary.log_ratio,
        difference=summary.difference,
        head_lost=_lost(ends[1]),
        head_raised=ends[1]["raised"],
        head_evaluated=ends[1]["evaluated"],
        base_lost=_lost(ends[0]),
        base_raised=ends[0]["raised"],
        base_scrapes=ends[0].get("scrapes", 0),
        head_scrapes=ends[1].get("scrapes", 0),
        void="; ".join(reason for reason in reasons if reason),
    )
