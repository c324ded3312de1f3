"""Which processors are measured on: a table of machines, and the kernel's own description of this one."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.environment import environment
from harness.host.topology import Cores, Cpu, choose, current_cores, kinds, read_topology, sibling_groups


def smt(cores: int, *, step: int | None = None, **more) -> list[Cpu]:
    """Cores of two hyperthreads: (0, 1), (2, 3) ... or with `step` (0, step), (1, step + 1) ..."""
    pairs = [(i, i + step) if step else (2 * i, 2 * i + 1) for i in range(cores)]
    return [Cpu(number, frozenset(pair), **more) for pair in pairs for number in pair]


def plain(count: int, **more) -> list[Cpu]:
    return [Cpu(number, frozenset({number}), **more) for number in range(count)]


HYBRID = [
    *[Cpu(n, frozenset({n // 2 * 2, n // 2 * 2 + 1}), "performance", max_khz=5_000_000) for n in range(4)],
    *[Cpu(n, frozenset({n}), "efficiency", max_khz=3_800_000) for n in range(4, 8)],
]
BIG_LITTLE = [Cpu(n, frozenset({n}), capacity=446 if n < 4 else 1024) for n in range(6)]
BY_CLOCK = [Cpu(n, frozenset({n}), max_khz=1_800_000 if n > 1 else 2_400_000) for n in range(4)]
TURBO = [Cpu(n, frozenset({n}), max_khz=5_200_000 if n == 0 else 5_000_000) for n in range(4)]
NUMA = [Cpu(n, frozenset({n}), node=n % 2) for n in range(4)]


@pytest.mark.parametrize(
    ("says", "cpus", "allowed", "measured", "home", "shared"),
    [
        ("two whole cores", plain(2), {0, 1}, 1, 0, False),
        ("a guest whose two CPUs are one core has no choice, and says so", smt(1), {0, 1}, 1, 0, True),
        ("4 cores, 8 threads in pairs: the sibling of 7 is 6", smt(4), set(range(8)), 7, 0, False),
        ("4 cores, 8 threads numbered in two rows: the sibling of 7 is 3", smt(4, step=4), set(range(8)), 7, 0, False),
        ("2 cores in two rows: 1 is beside 3, so home is 0", smt(2, step=2), set(range(4)), 3, 0, False),
        ("only threads 1 and 3 of the two rows: one core", smt(2, step=2), {1, 3}, 3, 1, True),
        ("one whole core and half another: the whole one can be kept idle", smt(2), {0, 1, 2}, 1, 2, False),
        ("hybrid Intel: the last performance core, home on the other one", HYBRID, set(range(8)), 3, 0, False),
        (
            "hybrid, one performance core left: home is an efficiency core, not a sibling",
            HYBRID,
            {2, 3, 4},
            3,
            4,
            False,
        ),
        ("hybrid, efficiency cores only: no choice of kind", HYBRID, {4, 5, 6}, 6, 4, False),
        ("big.LITTLE: the last big core, home on the other big one", BIG_LITTLE, set(range(6)), 5, 4, False),
        ("big.LITTLE with one big core", BIG_LITTLE, {0, 1, 4}, 4, 0, False),
        ("kinds told by the highest clock alone", BY_CLOCK, set(range(4)), 1, 0, False),
        ("a core with a higher turbo is no other kind", TURBO, set(range(4)), 3, 0, False),
        ("home is on the measured core's NUMA node", NUMA, set(range(4)), 3, 1, False),
        ("an affinity or cpuset of some CPUs", smt(4), {2, 3, 4, 5}, 5, 2, False),
        ("one CPU", plain(1), {0}, 0, 0, False),
        ("one CPU of many", smt(4), {5}, 5, 5, False),
        ("nothing is described: every CPU counts as a core", [], {0, 1, 2}, 2, 0, False),
        ("a CPU that came up later is not described", plain(2), {0, 1, 7}, 7, 0, False),
    ],
)
def test_the_measured_core_shares_nothing_with_what_works_beside_it(says, cpus, allowed, measured, home, shared):
    """Never a sibling of the core beside it, never an efficiency core where there is a choice."""
    found = choose(cpus, allowed)
    assert (found.measured, found.home, found.shared) == (measured, home, shared), says


_GROUPS = st.integers(1, 6).flatmap(lambda cores: st.lists(st.integers(1, 2), min_size=cores, max_size=cores))


@given(_GROUPS, st.data())
def test_on_any_machine_siblings_stay_idle_where_they_can(threads, data):
    """Whatever is allowed: nothing else runs on a sibling of the measured processor unless there is no other."""
    cpus, number = [], 0
    for width in threads:
        group = frozenset(range(number, number + width))
        kind = data.draw(st.sampled_from(["performance", "efficiency"]))
        cpus += [Cpu(each, group, kind) for each in sorted(group)]
        number += width
    allowed = data.draw(st.sets(st.integers(0, number - 1), min_size=1))
    found = choose(cpus, allowed)
    core = cpus[found.measured].siblings
    assert {found.measured, found.home} | found.others <= allowed
    assert found.home in found.others
    if allowed - core:
        assert not found.others & core
        assert not found.shared
    strong = set(kinds(cpu for cpu in cpus if cpu.number in allowed)["performance"])
    assert found.measured in strong


def test_no_processor_is_an_error():
    """An empty affinity is refused by name."""
    with pytest.raises(ValueError, match="no processor"):
        choose(plain(2), set())


def test_what_has_to_be_known_is_said_once():
    """Two hyperthreads and a single CPU have a note; cores of their own have none."""
    assert choose(plain(2), {0, 1}).note == ""
    assert "CPUs 0 and 1 are hyperthreads of one core" in choose(smt(1), {0, 1}).note
    assert "one CPU only" in choose(plain(1), {0}).note
    assert not Cores(1, 0).note


def _machine(folder: Path, cpus: dict[str, dict[str, str]], **lists: str) -> Path:
    for name, files in cpus.items():
        for path, text in files.items():
            place = folder / "system" / "cpu" / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{text}\n")
    for name, text in lists.items():
        (folder / name).mkdir()
        (folder / name / "cpus").write_text(f"{text}\n")
    return folder


def test_the_kernels_files_are_read(tmp_path):
    """Siblings, capacity, clock, node and Intel's two kinds are what the kernel's files say."""
    (tmp_path / "system" / "cpu" / "cpu10" / "node1").mkdir(parents=True)
    (tmp_path / "system" / "cpu" / "cpufreq").mkdir()
    system = _machine(
        tmp_path,
        {
            "cpu0": {"topology/thread_siblings_list": "0-1", "cpu_capacity": "1024"},
            "cpu1": {"topology/core_cpus_list": "0,1", "cpufreq/cpuinfo_max_freq": "5000000"},
            "cpu10": {"topology/thread_siblings_list": "10"},
            "cpu11": {"online": "0"},
        },
        cpu_core="0-1",
        cpu_atom="10",
    )
    assert read_topology(system) == (
        Cpu(0, frozenset({0, 1}), "performance", capacity=1024),
        Cpu(1, frozenset({0, 1}), "performance", max_khz=5_000_000),
        Cpu(10, frozenset({10}), "efficiency", node=1),
        Cpu(11),
    )
    assert sibling_groups(read_topology(system)) == [[0, 1], [10], [11]]


@pytest.mark.parametrize("text", ["", "0-", "a", "1-b", "\xff"])
def test_files_that_say_nothing_are_no_error(tmp_path, text):
    """Damaged lists count as not told."""
    system = _machine(tmp_path, {"cpu0": {"topology/thread_siblings_list": text}})
    assert read_topology(system) == (Cpu(0),)


def test_without_the_kernels_files_nothing_is_described(tmp_path):
    """Where there is no /sys the processors allowed are all that is known."""
    assert read_topology(tmp_path / "missing") == ()


def test_this_machine_is_described_in_results():
    """The environment of a result has siblings, kinds and the measured processor, by this process's affinity."""
    here, found = environment(), current_cores()
    allowed = os.sched_getaffinity(0)
    assert found.measured in allowed
    assert here.measured_cpu in allowed
    described = {number for group in here.siblings for number in group}
    assert described == {number for numbers in here.core_types.values() for number in numbers}
