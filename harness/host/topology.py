"""The processors of the machine, which of them share a core, and which ones to measure on."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Cores", "Cpu", "choose", "current_cores", "kinds", "read_topology", "sibling_groups"]

Kind = Literal["performance", "efficiency"]

# Processors this much weaker than the strongest are another kind; turbo bins of equal cores differ by some percent.
_WEAKER = 0.9
_HYBRID: tuple[tuple[str, Kind], ...] = (
    ("cpu_core", "performance"),
    ("cpu_atom", "efficiency"),
    ("cpu_lowpower", "efficiency"),
)


@dataclass(frozen=True, slots=True)
class Cpu:
    """One logical processor.

    `siblings` are the processors that share its core, itself included (Intel's hyperthreads, AMD's SMT threads).
    `kind` is what the kernel calls it on hybrid Intel machines. `capacity` is the kernel's measure of its strength
    (1024 for the strongest), `max_khz` its highest clock; `node` the NUMA node of its memory. None where not told.
    """

    number: int
    siblings: frozenset[int] = frozenset()
    kind: Kind | None = None
    capacity: int | None = None
    max_khz: int | None = None
    node: int | None = None

    @property
    def core(self) -> frozenset[int]:
        """All processors of its core."""
        return self.siblings | {self.number}


@dataclass(frozen=True, slots=True)
class Cores:
    """Where is measured, and where everything else happens; the same processor where there is only one.

    `others` are the processors for everything but the measured process: no sibling of the measured one, unless
    `shared` says that there was no choice. `near` tells that `home` reaches the same memory as fast as `measured`.
    """

    measured: int
    home: int
    others: frozenset[int] = frozenset()
    shared: bool = False
    near: bool = True

    @property
    def note(self) -> str:
        """What a person has to know about it, in one sentence; empty where there is nothing."""
        if self.measured == self.home:
            return "this process may use one CPU only: whatever else runs takes turns with what is measured"
        if self.shared:
            pair = f"{min(self.home, self.measured)} and {max(self.home, self.measured)}"
            return (
                f"CPUs {pair} are hyperthreads of one core and no other may be used: whatever runs beside the measured "
                "process slows it, so nothing of ours does while lines are timed"
            )
        return ""


def kinds(cpus: Iterable[Cpu]) -> dict[Kind, list[int]]:
    """Return the processors of each kind, by number; one kind only, ``performance``, where all are alike.

    By the kernel's own word on hybrid Intel machines, else by capacity, else by highest clock: more than a tenth below
    the strongest is ``efficiency``.
    """
    known = sorted(cpus, key=lambda cpu: cpu.number)
    result: dict[Kind, list[int]] = {"performance": [], "efficiency": []}
    if any(cpu.kind == "efficiency" for cpu in known) and any(cpu.kind == "performance" for cpu in known):
        for cpu in known:
            result[cpu.kind or "performance"].append(cpu.number)
    else:
        strength = _strength(known)
        highest = max(strength.values(), default=0.0)
        for number, value in strength.items():
            result["performance" if value >= _WEAKER * highest else "efficiency"].append(number)
    return {kind: numbers for kind, numbers in result.items() if numbers}


def _strength(cpus: Sequence[Cpu]) -> dict[int, float]:
    readings: tuple[Callable[[Cpu], int | None], ...] = (lambda cpu: cpu.capacity, lambda cpu: cpu.max_khz)
    for reading in readings:
        values = {cpu.number: reading(cpu) for cpu in cpus}
        reported = {number: float(value) for number, value in values.items() if value}
        # One that is not told could be of either kind: then this reading does not tell kinds.
        if len(reported) == len(values) and len(set(reported.values())) > 1:
            return reported
    return {cpu.number: 1.0 for cpu in cpus}


def sibling_groups(cpus: Iterable[Cpu]) -> list[list[int]]:
    """Return the processors of each core, by number."""
    return sorted(sorted(core) for core in {cpu.core for cpu in cpus})


def choose(cpus: Iterable[Cpu], allowed: Collection[int]) -> Cores:
    """Return where to measure and where to do everything else, of the processors this process is `allowed` to use.

    Measured is on the strongest kind there is, by preference on a core all of whose siblings are ours to keep idle, and
    on the last of those, since the first processor serves most interrupts. Home is on another core: by preference of
    the same kind and on the same NUMA node, and the first of those. A processor not described counts as a core of its
    own. Raises `ValueError` where none is allowed.
    """
    if not allowed:
        raise ValueError("no processor may be used")
    known = {cpu.number: cpu for cpu in cpus}
    usable = [known.get(number, Cpu(number)) for number in sorted(allowed)]
    strong = frozenset(kinds(usable)["performance"])

    def fitness(cpu: Cpu) -> tuple[bool, bool, int]:
        return cpu.number in strong, cpu.core <= frozenset(allowed), cpu.number

    measured = max(usable, key=fitness)
    apart = [cpu for cpu in usable if cpu.number not in measured.core]
    beside = apart or [cpu for cpu in usable if cpu != measured] or [measured]

    def distance(cpu: Cpu) -> tuple[bool, bool, int]:
        return cpu.node != measured.node, cpu.number not in strong, cpu.number

    home = min(beside, key=distance)
    return Cores(
        measured=measured.number,
        home=home.number,
        others=frozenset(cpu.number for cpu in beside),
        shared=not apart and home != measured,
        near=home.node == measured.node,
    )


def read_topology(system: Path = Path("/sys/devices")) -> tuple[Cpu, ...]:
    """Return the machine's processors as the kernel describes them; none where it does not (no Linux, no ``/sys``)."""
    reported: dict[int, Kind] = {}
    for name, kind in _HYBRID:
        reported |= dict.fromkeys(_list(system / name / "cpus"), kind)
    folders = [path for path in (system / "system" / "cpu").glob("cpu[0-9]*") if path.name[3:].isdecimal()]
    return tuple(
        sorted(
            (_read(folder, reported.get(int(folder.name[3:]))) for folder in folders),
            key=lambda cpu: cpu.number,
        )
    )


def _read(folder: Path, kind: Kind | None) -> Cpu:
    siblings = _list(folder / "topology" / "core_cpus_list") or _list(folder / "topology" / "thread_siblings_list")
    nodes = [path.name[4:] for path in folder.glob("node[0-9]*") if path.name[4:].isdecimal()]
    return Cpu(
        number=int(folder.name[3:]),
        siblings=frozenset(siblings),
        kind=kind,
        capacity=_number(folder / "cpu_capacity"),
        max_khz=_number(folder / "cpufreq" / "cpuinfo_max_freq"),
        node=int(nodes[0]) if nodes else None,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""  # an offline processor, another kernel, or no such system


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _list(path: Path) -> list[int]:
    """Return the numbers in a list such as ``0-3,8``; empty for anything else."""
    result: list[int] = []
    for part in _text(path).split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            return []
        result += range(int(first), int(last if dash else first) + 1)
    return result


def current_cores() -> Cores:
    """Return the cores to use by this process's affinity, which a cgroup's cpuset has restricted already."""
    return choose(read_topology(), os.sched_getaffinity(0))
