"""What is promised across machines, kernels and busy moments: none of them is a slower library."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.method.check_rates import Simulated, _again, _moving
from harness.errors import RunError
from harness.history.checking.check import Basis, CheckResult, Decision, Question, check
from harness.history.figures import Figure, metrics_of
from harness.history.fingerprint import epoch_in, epoch_of, fingerprint
from harness.history.index import Index
from harness.history.store import Store
from tests.harness.history.makers import HERE, START, THERE, experiment, keep_series, overhead

MACHINE = {
    "cpu": "AMD EPYC", "cpu_count": 4, "machine": "x86_64", "kernel": "Linux 6.8.0-1021-azure",
    "python": "CPython 3.11.7", "python_build": "main Dec  4 2023 18:10:11 GCC 12.2.0 3.11.7", "hash_seed": "random",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def checked(store: Store, question: Question | None = None) -> CheckResult:
    with Index(store) as index:
        return check(index, question)


def noise(runs: int, seed: int = 1, spread: float = 0.005, level: float = 2.0) -> list[float]:
    return [float(level * np.exp(x)) for x in np.random.default_rng(seed).normal(0, spread, runs)]


@pytest.mark.parametrize(
    ("what", "changed", "same"),
    [
        ("nothing", {}, True),
        ("the kernel's patch level", {"kernel": "Linux 6.8.12-generic"}, True),
        ("the kernel's build", {"kernel": "Linux 6.8.0-1044-azure"}, True),
        ("the day Python was built", {"python_build": "main Jan 19 2026 09:00:01 GCC 12.2.0 3.11.7"}, True),
        ("the kernel", {"kernel": "Linux 6.11.0-1021-azure"}, False),
        ("the system", {"kernel": "Darwin 6.8.0"}, False),
        ("the compiler of Python", {"python_build": "main Dec  4 2023 18:10:11 Clang 18.1.3 3.11.7"}, False),
        ("Python", {"python": "CPython 3.11.8"}, False),
        ("the processor", {"cpu": "Intel Xeon"}, False),
        ("the number of processors", {"cpu_count": 8}, False),
        ("the hash seed's policy", {"hash_seed": "fixed:0"}, False),
    ],
)
def test_what_opens_an_epoch(what: str, changed: dict[str, Any], same: bool) -> None:
    """Machines that differ in {what} are one, or two."""
    assert (epoch_of(MACHINE) == epoch_of({**MACHINE, **changed})) is same, what


def test_imported_builds_are_lists() -> None:
    """pytest-benchmark writes the parts of a build apart; its date is left out there, too."""
    builds = (["main", "Dec  4 2023 18:10:11"], ["main", "Jan 19 2026 09:00:01"], ["heads/dev", "Jan 19 2026 09:00:01"])
    first, second, other = (epoch_of({**MACHINE, "python_build": build}) for build in builds)
    assert first == second != other


def test_runs_kept_by_earlier_versions_are_of_the_same_machine(store: Store) -> None:
    """Epochs stored when a patch level opened one are read as they count today; the facts are kept as they were."""
    old = {"machine": {**MACHINE, "kernel": "Linux 6.8.0-9-azure"}, "epoch": "0123456789ab", "versions": {}}
    new = {"machine": MACHINE, "epoch": epoch_of(MACHINE), "versions": {}}
    keep_series(store, noise(9), fingerprint=old)
    kept = keep_series(store, [2.0], fingerprint=new, first=20)
    (finding,) = checked(store).findings
    assert (finding.basis, finding.compared, finding.outcome) == (Basis.RATIO, 9, Decision.PASS)
    assert kept[0].fingerprint["machine"]["kernel"] == "Linux 6.8.0-1021-azure"
    assert (epoch_in({"epoch": "abc"}), epoch_in({}), epoch_in(HERE)) == ("abc", "unknown", "here")
    assert fingerprint()["epoch"] == epoch_in(fingerprint())


def test_a_first_run_elsewhere_is_undecided_however_slow_it_looks(store: Store) -> None:
    """Twelve runs at 200 on one machine and one at 300 on another: the machines may differ, so nothing is confirmed."""
    keep_series(store, noise(12, level=200.0), fingerprint=THERE)
    keep_series(store, [300.0], first=30)
    found = checked(store, Question(remeasure=lambda _run, _keys: metrics_of("overhead", overhead(300.0))))
    (finding,) = found.findings
    assert (finding.outcome, finding.basis, finding.interval) == (Decision.UNDECIDED, Basis.RATIO_ACROSS, None)
    assert (found.outcome.exit_code, finding.confirmed, found.remeasured) == (3, False, 0)
    assert finding.effect == pytest.approx(0.5, abs=0.02)
    assert "ratios differ between machines; other machines kept: 1; 3 are needed" in finding.reason


@pytest.mark.parametrize("runs", range(1, 8))
def test_the_runs_that_follow_it_are_undecided_until_there_are_enough(store: Store, runs: int) -> None:
    """The second to eighth run on the new machine have too few of their own kind before them."""
    keep_series(store, noise(12), fingerprint=THERE)
    keep_series(store, [*noise(runs, level=2.2), 2.2], first=30)
    (finding,) = checked(store).findings
    assert (finding.outcome, finding.basis, finding.compared) == (Decision.UNDECIDED, Basis.RATIO, runs)


def _machines(store: Store, *levels: float) -> None:
    for i, level in enumerate(levels):
        there = {"machine": {"cpu": f"cpu {i}"}, "epoch": f"machine {i}", "versions": {}}
        keep_series(store, noise(10, seed=i, level=level), fingerprint=there, first=20 * i)


@pytest.mark.parametrize(
    ("why", "newest", "outcome"),
    [
        ("as fast as the others", 2.0, Decision.PASS),
        ("somewhat slower, as machines may be", 2.08, Decision.UNDECIDED),
        ("slower than machines ever differed", 2.6, Decision.REGRESSED),
    ],
)
def test_three_machines_show_how_much_machines_differ(store: Store, why: str, newest: float, outcome: Decision) -> None:
    """A fourth one that is {why} gets the verdict that follows."""
    _machines(store, 1.99, 2.0, 2.01, 2.0)
    keep_series(store, [newest], first=100)
    (finding,) = checked(store).findings
    assert (finding.outcome, finding.basis, finding.compared) == (outcome, Basis.RATIO_ACROSS, 40), why


def test_a_fourth_machine_is_as_unlike_as_the_others_are(store: Store) -> None:
    """Where the machines kept differ by tens of percent, another tenth is none of the library's."""
    _machines(store, 1.6, 2.0, 2.4)
    keep_series(store, [2.3], first=100)
    assert checked(store).outcome is Decision.UNDECIDED


@pytest.mark.parametrize(
    ("differ", "phi"),
    [pytest.param(0.01, 0.0, marks=pytest.mark.slow), (0.03, 0.5), pytest.param(0.1, 0.0, marks=pytest.mark.slow)],
)
def test_moving_to_a_new_machine_every_twenty_runs_ends_regressed_in_at_most_five_percent(
    differ: float, phi: float
) -> None:
    """Of the checks of three unchanged figures on eight machines in turn, each measured again where it looks slower."""
    rng = np.random.default_rng([7, int(differ * 100)])
    found = [outcome for _ in range(4) for outcome in _moving(rng, differ, phi)]
    assert len(found) == 4 * 159
    assert sum(outcome is Decision.REGRESSED for outcome in found) <= 0.05 * len(found)
    assert sum(outcome is Decision.PASS for outcome in found) > 0.4 * len(found)


def test_a_slower_library_is_found_on_the_machine_that_stays(store: Store) -> None:
    """What machines differ by does not hide a change on one of them."""
    del store
    rng = np.random.default_rng(1)
    history = Simulated()
    for machine in range(3):
        for _ in range(20):
            history.add(f"machine {machine}", [0.1 * machine + 0.003 * rng.standard_normal()], 0.002)
    history.add("machine 2", [0.2 + 0.06], 0.002)
    assert check(history, Question(remeasure=_again([0.26], 0.002, rng))).outcome is Decision.REGRESSED


# A busy machine.


def _document(ratio: float, **more: Any) -> dict[str, Any]:
    return {"experiments": [{**experiment(ratio, head="a"), "log_ratio_sd": 0.02, "off_cpu": 0.003, **more}]}


def _void() -> dict[str, Any]:
    return {"experiments": [{**experiment(2.0, head="a"), "verdict": "void"}]}


BUSY = {"off_cpu": 0.4, "log_ratio_sd": 0.2, "base_per_line": 210.0}


def _kept(store: Store, newest: dict[str, Any], runs: int = 9) -> None:
    for hour, ratio in enumerate(noise(runs)):
        store.save("overhead", _document(ratio), fingerprint=HERE, created=START + timedelta(hours=hour))
    store.save("overhead", newest, fingerprint=HERE, created=START + timedelta(hours=50))


@pytest.mark.parametrize("ratio", [1.7, 2.0, 2.18, 2.6])
@pytest.mark.parametrize(
    ("sign", "told"),
    [
        ({"off_cpu": 0.4}, "the machine was busy: 40% of the control's time was spent off the processor"),
        ({"base_per_line": 180.0}, "the control itself was slower"),
        ({"log_ratio_sd": 0.2}, "its pairs scatter by 20.0%"),
    ],
)
def test_a_run_on_a_busy_machine_is_no_evidence(store: Store, sign: dict[str, float], told: str, ratio: float) -> None:
    """Whatever its ratio and however narrow its interval, it is undecided with the reason."""
    _kept(store, _document(ratio, **sign))
    (finding,) = checked(store).findings
    assert (finding.outcome, finding.suspected) == (Decision.UNDECIDED, False)
    assert finding.reason.startswith(f"not like the runs before, so it is no evidence: {told}")


@pytest.mark.parametrize(
    ("why", "fresh", "outcome", "times", "reason"),
    [
        ("it was the load", [_document(2.0)], Decision.PASS, 1, "no slower than the tolerance"),
        ("it was the library", [_document(2.3)] * 2, Decision.REGRESSED, 2, "slower than the tolerance allows"),
        ("it is as busy as before", [_document(2.3, **BUSY)], Decision.UNDECIDED, 1, "so it was when it was measured"),
        ("it is void", [_void()], Decision.UNDECIDED, 1, "void, so nothing is known of it"),
    ],
)  # fmt: skip
def test_what_was_measured_on_a_busy_machine_is_measured_in_its_place(
    store: Store, why: str, fresh: list[dict[str, Any]], outcome: Decision, times: int, reason: str
) -> None:
    """The second measurement is judged as if it were the first: {why}."""
    _kept(store, _document(2.3, **BUSY))
    asked: list[Sequence[str]] = []

    def again(_run: str, keys: Sequence[str]) -> tuple[Figure, ...]:
        asked.append(keys)
        return metrics_of("overhead", fresh[len(asked) - 1])

    found = checked(store, Question(remeasure=again))
    assert (found.outcome, found.remeasured, len(asked)) == (outcome, times, times), why
    assert reason in found.findings[0].reason


def test_where_there_is_no_quiet_moment_the_reason_says_so(store: Store) -> None:
    """The wait is bounded; after it nothing was measured, and nothing is claimed."""

    def again(_run: str, _keys: Sequence[str]) -> tuple[Figure, ...]:
        raise RunError("there was no quiet moment in 60s: a processor was 100% busy")

    _kept(store, _document(2.3, **BUSY))
    (finding,) = checked(store, Question(remeasure=again)).findings
    assert finding.outcome is Decision.UNDECIDED
    assert "it could not be measured again: there was no quiet moment in 60s" in finding.reason


def test_a_suspicion_measured_again_on_a_busy_machine_stays_one(store: Store) -> None:
    """A quiet run looks slower; what was measured again under load confirms nothing, and says why."""
    _kept(store, _document(2.3))
    found = checked(store, Question(remeasure=lambda _run, _keys: metrics_of("overhead", _document(2.3, **BUSY))))
    (finding,) = found.findings
    assert (finding.outcome, finding.suspected, finding.confirmed) == (Decision.UNDECIDED, True, False)
    assert "what was measured again is not like the runs before: the machine was busy" in finding.reason


def test_busy_runs_of_the_past_are_passed_over(store: Store) -> None:
    """They set neither level nor noise: the same slower run is found as if they had never been."""
    _kept(store, _document(2.9, **BUSY))
    store.save("overhead", _document(2.12), fingerprint=HERE, created=START + timedelta(hours=60))
    (finding,) = checked(store).findings
    assert (finding.outcome, finding.compared) == (Decision.REGRESSED, 9)


def test_what_looks_slower_and_is_not_sure_is_measured_again(store: Store) -> None:
    """Beyond the tolerance by a little: the second measurement makes it sure, or drops it."""
    for newest, second, outcome in ((2.09, 2.12, Decision.REGRESSED), (2.09, 2.0, Decision.UNDECIDED)):
        each = Store(store.folder / str(second))
        wide = {"ratio_interval": [newest / 1.02, newest * 1.02]}
        _kept(each, _document(newest, **wide), runs=30)
        plain = checked(each).findings[0]
        assert (plain.outcome, plain.suspected) == (Decision.UNDECIDED, True)
        narrow = _document(second, ratio_interval=[second / 1.001, second * 1.001])
        found = checked(each, Question(remeasure=lambda _run, _keys, what=narrow: metrics_of("overhead", what)))
        assert (found.outcome, found.remeasured) == (outcome, 1)


def _in_processor_time(elapsed: float, processor: float, waits: float = 0.0) -> dict[str, Any]:
    """Return a document whose pairs were disturbed, each by as much in the other direction, and whose head `waits`."""
    pairs = [
        {
            "base_blocks": [1000] * 3, "base_cpu": [1000] * 3, "base_lines": 1, "head_lines": 1, "void": "",
            "head_blocks": [int(1000 * elapsed)] * 3, "head_cpu": [int(1000 * processor * (1 + 0.001 * i))] * 3,
            "log_ratio": float(np.log(processor)) + waits + 0.2 * (-1) ** i,
        }
        for i in range(6)
    ]  # fmt: skip
    return _document(elapsed, raw_pairs=pairs)


@pytest.mark.parametrize(
    ("why", "newest", "runs", "basis", "outcome"),
    [
        ("nothing changed", _in_processor_time(2.2, 2.0), 12, Basis.PROCESSOR, Decision.PASS),
        ("it takes more processor time", _in_processor_time(1.9, 2.12), 12, Basis.PROCESSOR, Decision.REGRESSED),
        ("it began to wait", _in_processor_time(9.0, 2.0, waits=1.5), 12, Basis.RATIO, Decision.REGRESSED),
        ("too few runs kept processor time", _in_processor_time(2.0, 2.0), 7, Basis.RATIO, Decision.UNDECIDED),
    ],
)
def test_processor_time_is_compared_unless_the_head_waits(
    store: Store, why: str, newest: dict[str, Any], runs: int, basis: Basis, outcome: Decision
) -> None:
    """Elapsed times scatter by a tenth on a shared machine and processor times do not; where {why}, that is found."""
    for hour, (elapsed, processor) in enumerate(zip(noise(runs, 1, 0.1), noise(runs, 2, 0.004), strict=True)):
        document = _in_processor_time(elapsed, processor)
        store.save("overhead", document, fingerprint=HERE, created=START + timedelta(hours=hour))
    store.save("overhead", newest, fingerprint=HERE, created=START + timedelta(hours=50))
    (finding,) = checked(store).findings
    assert (finding.basis, finding.outcome) == (basis, outcome), why
